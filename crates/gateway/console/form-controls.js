// Controls for values without fields of their own: numbers, text, bytes, enums, times and JSON.
//
// A control is `{ element, read }`. `read` returns the value in protobuf's JSON, or `undefined` if
// the field is not set; with `always`, as an item of a list, it returns a value in any case.

import { button, element } from "./dom.js";
import { parse, print } from "./json.js";

const NUMBERS = new Set(["int32", "sint32", "sfixed32", "uint32", "fixed32", "float", "double"]);
const PLACEHOLDERS = { timestamp: "2026-01-31T12:00:00Z", duration: "1.5s", fieldMask: "name,author.name" };

export function control(catalog, field, value, attributes, always) {
  switch (field.kind) {
    case "bool":
      return boolControl(field, value, attributes, always);
    case "enum":
      return enumControl(catalog.enums[field.type], value, attributes, always);
    case "bytes":
      return bytesControl(value, attributes, always);
    case "timestamp":
      return timestampControl(value, attributes, always);
    case "struct":
    case "value":
    case "listValue":
    case "any":
      return jsonControl(field.kind, value, attributes, always);
    case "null":
      return choiceControl([["null", null]], value, attributes, always);
    case "string":
      return stringControl(value, attributes, always);
    default:
      return textControl(field, value, attributes, always);
  }
}

function boolControl({ presence }, value, attributes, always) {
  if (presence && !always) return choiceControl([["true", true], ["false", false]], value, attributes);
  const input = element("input", { type: "checkbox", checked: value === true, ...attributes });
  return { element: input, read: () => input.checked || (always ? false : undefined) };
}

// A list of named values, with an empty first one unless a value is needed.
function choiceControl(choices, value, attributes, always) {
  const select = element("select", attributes);
  if (!always) select.append(element("option", { value: "" }, "not set"));
  for (const [index, [name, item, title]] of choices.entries()) {
    select.append(element("option", { value: String(index), title, selected: item === value && value !== undefined }, name));
  }
  return { element: select, read: () => (select.value === "" ? undefined : choices[Number(select.value)][1]) };
}

function enumControl(declared, value, attributes, always) {
  const values = declared?.values ?? [];
  const choices = values.map(({ name, number, comment }) => [`${name} = ${number}`, name, comment]);
  const known = values.find(({ name, number }) => name === value || number === value)?.name;
  if (value !== undefined && value !== null && known === undefined) choices.push([String(value), value]);
  return choiceControl(choices, known ?? value ?? undefined, attributes, always);
}

function textControl({ kind, presence }, value, attributes, always) {
  const isNumber = NUMBERS.has(kind) || kind.includes("int") || kind.includes("fixed");
  const input = element("input", {
    type: "text",
    inputMode: isNumber ? "decimal" : "text",
    placeholder: PLACEHOLDERS[kind] ?? (presence || always ? "" : "0"),
    spellcheck: false,
    autocomplete: "off",
    value: value === undefined || value === null ? "" : String(value),
    ...attributes,
  });
  const read = () => {
    const text = input.value.trim();
    if (text === "") return always && isNumber ? 0 : always ? "" : undefined;
    return NUMBERS.has(kind) && Number.isFinite(Number(text)) ? Number(text) : text;
  };
  return { element: input, read };
}

function stringControl(value, attributes, always) {
  const area = element("textarea", { rows: 1, className: "grow", spellcheck: false, value: value ?? "", ...attributes });
  return { element: area, read: () => (area.value === "" && !always ? undefined : area.value) };
}

function bytesControl(value, attributes, always) {
  const input = element("input", { type: "text", className: "code", placeholder: "base64", spellcheck: false, value: value ?? "", ...attributes });
  const file = element("input", { type: "file", className: "unseen", tabIndex: -1, "aria-hidden": "true" });
  file.onchange = async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    input.value = base64(new Uint8Array(await chosen.arrayBuffer()));
    input.title = `${chosen.name}, ${chosen.size} bytes`;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // Its own input must not count as a change of the form.
  file.oninput = (event) => event.stopPropagation();
  const choose = button("File…", () => file.click());
  return {
    element: element("div", { className: "with-button" }, input, choose, file),
    read: () => (input.value.trim() === "" && !always ? undefined : input.value.trim()),
  };
}

function timestampControl(value, attributes, always) {
  const text = textControl({ kind: "timestamp" }, value, attributes, always);
  const now = button("Now", () => {
    text.element.value = new Date().toISOString();
    text.element.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return { element: element("div", { className: "with-button" }, text.element, now), read: text.read };
}

function jsonControl(kind, value, attributes, always) {
  const empty = { struct: {}, listValue: [], any: {}, value: null }[kind];
  const area = element("textarea", {
    rows: 2,
    className: "code grow",
    spellcheck: false,
    placeholder: kind === "any" ? '{"@type": "type.googleapis.com/…"}' : "JSON",
    value: value === undefined ? "" : print(value),
    ...attributes,
  });
  const read = () => {
    if (area.value.trim() === "") return always ? empty : undefined;
    try {
      area.removeAttribute("aria-invalid");
      return parse(area.value);
    } catch (error) {
      area.setAttribute("aria-invalid", "true");
      area.title = error.message;
      return always ? empty : undefined;
    }
  };
  return { element: area, read };
}

// Encodes bytes in pieces: an argument list has a maximum length.
export function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
