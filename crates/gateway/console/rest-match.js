// The call that a request of REST makes: the reverse of rest-view.js.

import { isObject, parse } from "./json.js";
import { matchTemplate, parseTemplate, rankOf } from "./template.js";

// Returns `{ method, route, value }` for a request, or null if no route has its method and path.
// Throws an Error if the body is not JSON.
export function callOfRequest(catalog, { method, path, query = "", body = "" }) {
  const found = findRoute(catalog, method, path);
  if (!found) return null;
  const { route, bindings } = found;
  const input = found.method.input;
  let value = {};
  if (route.body && body.trim() !== "") {
    const json = parse(body);
    if (route.body === "*") value = isObject(json) ? json : {};
    else put(catalog, input, route.body, json, value);
  }
  if (route.body !== "*") {
    for (const [name, text] of new URLSearchParams(query)) {
      const [, fieldPath, key] = name.match(/^([^[\]]+)(?:\[(.*)\])?$/) ?? [];
      if (fieldPath) putText(catalog, input, fieldPath, key, text, value);
    }
  }
  for (const [fieldPath, text] of bindings) putText(catalog, input, fieldPath, undefined, text, value);
  return { method: found.method, route, value };
}

function findRoute(catalog, method, path) {
  let best = null;
  for (const candidate of catalog.methods.values()) {
    for (const route of candidate.routes) {
      if (route.method !== method && route.method !== "*" && !(route.method === "GET" && method === "HEAD")) continue;
      const template = parseTemplate(route.path);
      const bindings = matchTemplate(template, path);
      if (!bindings) continue;
      const rank = rankOf(template) + (route.method === "*" ? "0" : "1");
      if (!best || rank > best.rank) best = { method: candidate, route, bindings, rank };
    }
  }
  return best;
}

function putText(catalog, type, fieldPath, key, text, value) {
  const { field } = resolve(catalog, type, fieldPath) ?? {};
  if (!field) return;
  put(catalog, type, fieldPath, valueOf(field, text), value, key);
}

function put(catalog, type, fieldPath, item, value, key) {
  const resolved = resolve(catalog, type, fieldPath);
  if (!resolved) return;
  let object = value;
  for (const name of resolved.names.slice(0, -1)) object = object[name] ??= {};
  const last = resolved.names.at(-1);
  if (key !== undefined) (object[last] ??= {})[key] = item;
  else if (resolved.field.cardinality === "repeated" && !Array.isArray(item)) (object[last] ??= []).push(item);
  else object[last] = item;
}

// Returns the last field of a path, and the names in JSON on the way.
function resolve(catalog, type, fieldPath) {
  const names = [];
  let field;
  for (const name of fieldPath.split(".")) {
    field = catalog.field(field ?? type, name);
    if (!field) return null;
    names.push(field.jsonName);
  }
  return { field, names };
}

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const SMALL_NUMBERS = new Set(["int32", "sint32", "sfixed32", "uint32", "fixed32", "float", "double"]);

function valueOf({ kind }, text) {
  if (kind === "bool") return TRUE.has(text);
  if (SMALL_NUMBERS.has(kind) && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (kind === "enum" && /^-?\d+$/.test(text)) return Number(text);
  if (["struct", "value", "listValue"].includes(kind)) return parse(text);
  return text;
}
