// Completion of JSON: the fields and values that fit at the caret.

const PLACEHOLDERS = { string: '""', bytes: '""', bool: "false", enum: '""', struct: "{}", message: "{}", any: "{}", listValue: "[]", value: "null", null: "null" };
const TEXTS = new Set(["timestamp", "duration", "fieldMask"]);

// Returns the suggestions at a place of the text. Each replaces the text from `start` to `end` with
// `insert`, after which the caret is `back` characters before the end of it.
export function suggest(catalog, type, text, caret) {
  const place = placeAt(catalog, type, text, caret);
  if (!place) return [];
  const { container, word, start } = place;
  const end = caret + (text.slice(caret).match(/^[\w]*"?/)?.[0].length ?? 0);
  const fits = (name) => name.toLowerCase().startsWith(word.toLowerCase());
  if (place.isKey) {
    const fields = container.kind === "message" ? catalog.fields(container.type) : [];
    return fields
      .filter(({ jsonName, name }) => !container.keys.has(jsonName) && !container.keys.has(name) && fits(jsonName))
      .map((field) => {
        const value = placeholder(field);
        // The caret goes into the quotes or brackets.
        return { label: field.jsonName, note: field.comment, start, end, insert: `"${field.jsonName}": ${value}`, back: /^["[{]/.test(value) ? 1 : 0 };
      });
  }
  const values = valuesOf(catalog, container);
  return values.filter(({ label }) => fits(label)).map((value) => ({ ...value, start, end, back: 0 }));
}

function placeholder(field) {
  if (field.cardinality === "repeated") return "[]";
  if (field.cardinality === "map") return "{}";
  if (TEXTS.has(field.kind) || /64$/.test(field.kind)) return '""';
  return PLACEHOLDERS[field.kind] ?? "0";
}

function valuesOf(catalog, container) {
  const type = container.kind === "message" ? catalog.field(container.type, container.key ?? "") : container.type;
  const isItem = container.kind !== "message";
  if (!type || (!isItem && type.cardinality !== "singular")) return [];
  if (type.kind === "bool") return ["true", "false"].map((label) => ({ label, note: "", insert: label }));
  if (type.kind !== "enum") return [];
  return (catalog.enums[type.type]?.values ?? []).map(({ name, comment }) => ({ label: name, note: comment, insert: `"${name}"` }));
}

// Returns the innermost container at the caret, and the word that is being written; null within
// text that is finished, or where nothing fits.
function placeAt(catalog, type, text, caret) {
  const stack = [];
  let [at, expectsKey] = [0, false];
  const top = () => stack.at(-1);
  while (at < caret) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      if (end > caret) return found(top(), expectsKey, text.slice(at + 1, caret), at);
      if (expectsKey && top()) top().key = text.slice(at + 1, end - 1);
      at = end;
      continue;
    }
    if (char === "{" || char === "[") {
      stack.push(containerIn(catalog, type, top(), char));
      expectsKey = char === "{";
    } else if (char === "}" || char === "]") {
      stack.pop();
      expectsKey = false;
    } else if (char === ":") {
      if (top()) top().keys.add(top().key);
      expectsKey = false;
    } else if (char === ",") {
      expectsKey = top()?.isObject ?? false;
    }
    at += 1;
  }
  const word = text.slice(0, caret).match(/\w*$/)[0];
  const before = text.slice(0, caret - word.length).trimEnd().at(-1);
  const isOpen = expectsKey ? before === "{" || before === "," : before === ":" || before === "[" || (before === "," && !top()?.isObject);
  return isOpen ? found(top(), expectsKey, word, caret - word.length) : null;
}

function found(container, isKey, word, start) {
  return container ? { container, isKey, word, start } : null;
}

function containerIn(catalog, root, parent, char) {
  const container = { isObject: char === "{", kind: "other", type: null, key: null, keys: new Set() };
  if (!parent) return char === "{" && root.kind === "message" ? { ...container, kind: "message", type: root } : container;
  const field = parent.kind === "message" ? catalog.field(parent.type, parent.key ?? "") : parent.type;
  if (!field) return container;
  const isWhole = parent.kind === "message";
  if (isWhole && field.cardinality === "repeated" && char === "[") return { ...container, kind: "list", type: field };
  if (isWhole && field.cardinality === "map" && char === "{") return { ...container, kind: "map", type: field };
  return field.kind === "message" && char === "{" ? { ...container, kind: "message", type: field } : container;
}

// Returns the place after the closing quotation mark, or one past the end of the text.
function endOfString(text, start) {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length + 1;
}
