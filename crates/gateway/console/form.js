// The form of a message: a row for each field, with its type and its comment.

import { typeText } from "./catalog.js";
import { paragraphs } from "./comment.js";
import { button, element } from "./dom.js";
import { control } from "./form-controls.js";
import { isObject } from "./json.js";

let lastId = 0;
const nextId = () => `field-${(lastId += 1)}`;

export class Form {
  #root;
  #catalog;
  #content = { read: () => ({}) };

  // `changed` is called with the message after each change by a person.
  constructor(root, catalog, changed) {
    this.#root = root;
    this.#catalog = catalog;
    root.addEventListener("input", () => changed(this.#content.read()));
  }

  show(type, value) {
    const hasFields = type.kind === "message";
    this.#content = hasFields ? this.#message(type, isObject(value) ? value : {}) : this.#single(type, value);
    this.#root.replaceChildren(this.#content.element);
  }

  // A request that has no fields of its own, such as a google.protobuf.StringValue.
  #single(type, value) {
    const field = { ...type, cardinality: "singular", presence: true };
    const made = control(this.#catalog, field, value, { "aria-label": typeText(field) }, true);
    return { element: element("div", { className: "row" }, made.element), read: made.read };
  }

  #message(type, value) {
    const fields = this.#catalog.fields(type);
    const rows = element("div", { className: "rows" });
    const readers = [];
    const oneofs = new Set();
    for (const field of fields) {
      if (field.oneof) {
        if (oneofs.has(field.oneof)) continue;
        oneofs.add(field.oneof);
        const members = fields.filter(({ oneof }) => oneof === field.oneof);
        const made = this.#oneof(field.oneof, members, value);
        rows.append(made.element);
        readers.push(made.read);
      } else {
        const made = this.#field(field, valueOf(value, field));
        rows.append(made.element);
        readers.push(() => [[field.jsonName, made.read()]]);
      }
    }
    if (fields.length === 0) rows.append(element("p", { className: "note" }, "The message has no fields."));
    const unknown = Object.entries(value).filter(([name]) => !this.#catalog.field(type, name));
    const read = () => {
      const members = readers.flatMap((reader) => reader()).filter(([, item]) => item !== undefined);
      return Object.fromEntries([...members, ...unknown]);
    };
    return { element: rows, read };
  }

  #oneof(name, members, value) {
    const id = nextId();
    const chosen = members.find((field) => valueOf(value, field) !== undefined);
    const select = element("select", { id });
    select.append(element("option", { value: "" }, "not set"));
    for (const field of members) select.append(element("option", { value: field.jsonName, selected: field === chosen }, field.jsonName));
    const place = element("div");
    let read = () => [];
    const show = (field, item) => {
      if (!field) {
        place.replaceChildren();
        read = () => [];
        return;
      }
      // A chosen member is set, also to its zero value.
      const made = this.#field({ ...field, isChosen: true }, item);
      place.replaceChildren(made.element);
      read = () => [[field.jsonName, made.read()]];
    };
    show(chosen, chosen && valueOf(value, chosen));
    select.addEventListener("input", () => show(members.find(({ jsonName }) => jsonName === select.value)));
    const head = labelled(id, name, "oneof", select);
    return { element: element("div", { className: "oneof" }, head, place), read: () => read() };
  }

  #field(field, value) {
    if (field.cardinality === "repeated") return this.#list(field, value);
    if (field.cardinality === "map") return this.#map(field, value);
    if (field.kind === "message") return this.#nested(field, value);
    const id = nextId();
    const help = field.comment && `${id}-help`;
    const made = control(this.#catalog, field, value, { id, "aria-describedby": help || null }, field.isChosen);
    const isText = field.kind === "string" || field.kind === "bytes";
    if (!field.presence || field.isChosen || !isText) return { element: row(field, id, help, made.element), read: made.read };
    // Text that knows whether it is set may be set to nothing.
    const set = element("input", { type: "checkbox", checked: value !== undefined && value !== null, title: "Set, also if empty", "aria-label": `Set ${field.jsonName}` });
    made.element.addEventListener("input", () => (set.checked = true));
    const content = element("div", { className: "with-button" }, set, made.element);
    return { element: row(field, id, help, content), read: () => (set.checked ? (made.read() ?? "") : undefined) };
  }

  #nested(field, value) {
    const group = element("fieldset", { className: "nested" });
    let read = () => undefined;
    const show = (item) => {
      const made = item === undefined || item === null ? null : this.#message(field, isObject(item) ? item : {});
      read = made ? made.read : () => undefined;
      const toggle = made
        ? button("Remove", () => this.#change(show), { "aria-label": `Remove ${field.jsonName}` })
        : button("Add", () => this.#change(show, {}), { "aria-label": `Add ${field.jsonName}` });
      group.replaceChildren(legend(field), element("div", { className: "nested-head" }, help(field), field.isChosen ? "" : toggle));
      if (made) group.append(made.element);
    };
    show(field.isChosen ? (value ?? {}) : value);
    return { element: group, read: () => read() };
  }

  #list(field, value) {
    const group = element("fieldset", { className: "nested" });
    const list = element("ol", { className: "items" });
    const readers = new Map();
    const add = (item) => {
      const made = this.#item(field, item);
      const remove = button("×", () => this.#change(() => (readers.delete(entry), entry.remove())), { "aria-label": `Remove an item of ${field.jsonName}` });
      const entry = element("li", {}, made.element, remove);
      readers.set(entry, made.read);
      list.append(entry);
      return entry;
    };
    for (const item of Array.isArray(value) ? value : []) add(item);
    const more = button("Add", () => this.#change(() => focusFirst(add())), { "aria-label": `Add an item to ${field.jsonName}` });
    group.append(legend(field), element("div", { className: "nested-head" }, help(field), more), list);
    return { element: group, read: () => (readers.size === 0 ? undefined : [...readers.values()].map((read) => read())) };
  }

  #map(field, value) {
    const group = element("fieldset", { className: "nested" });
    const list = element("ol", { className: "items" });
    const readers = new Map();
    const add = (key = "", item = undefined) => {
      const name = element("input", { type: "text", className: "key", value: key, placeholder: "key", "aria-label": `A key of ${field.jsonName}`, spellcheck: false });
      const made = this.#item(field, item);
      const remove = button("×", () => this.#change(() => (readers.delete(entry), entry.remove())), { "aria-label": `Remove an entry of ${field.jsonName}` });
      const entry = element("li", {}, name, made.element, remove);
      readers.set(entry, () => [name.value, made.read()]);
      list.append(entry);
      return entry;
    };
    for (const [key, item] of Object.entries(isObject(value) ? value : {})) add(key, item);
    const more = button("Add", () => this.#change(() => focusFirst(add())), { "aria-label": `Add an entry to ${field.jsonName}` });
    group.append(legend(field), element("div", { className: "nested-head" }, help(field), more), list);
    return { element: group, read: () => (readers.size === 0 ? undefined : Object.fromEntries([...readers.values()].map((read) => read()))) };
  }

  // An item of a list, or the value of a map's entry.
  #item(field, value) {
    if (field.kind === "message") {
      const made = this.#message(field, isObject(value) ? value : {});
      return { element: element("div", { className: "item-message" }, made.element), read: made.read };
    }
    return control(this.#catalog, field, value, { "aria-label": `An item of ${field.jsonName}` }, true);
  }

  // Changes the rows of the form, which counts as input.
  #change(change, ...values) {
    change(...values);
    this.#root.dispatchEvent(new Event("input"));
  }
}

function valueOf(value, field) {
  return value[field.jsonName] ?? value[field.name];
}

function focusFirst(entry) {
  entry.querySelector("input, textarea, select")?.focus();
}

function row(field, id, helpId, content) {
  const note = field.comment && element("p", { className: "help", id: helpId }, paragraphs(field.comment));
  return element("div", { className: "row" }, labelled(id, field.jsonName, typeText(field), content, field), note);
}

function labelled(id, name, type, content, { deprecated, required } = {}) {
  const marks = [required && "required", deprecated && "deprecated"].filter(Boolean).join(", ");
  const label = element("label", { htmlFor: id }, name, " ", element("small", {}, marks ? `${type}, ${marks}` : type));
  return element("div", { className: "labelled" }, label, content);
}

function legend(field) {
  return element("legend", {}, field.jsonName, " ", element("small", {}, typeText(field)));
}

function help(field) {
  return element("p", { className: "help" }, paragraphs(field.comment));
}
