// The request of REST that a call becomes by a route: method, path, query and body.

import { isObject, print } from "./json.js";
import { parseTemplate } from "./template.js";

// Returns `{ method, path, query, body, problems }`. `query` is a list of names and values, `body`
// is JSON text or null, and a problem is a sentence about a part that REST cannot carry.
export function restRequest(catalog, method, route, value) {
  const problems = [];
  const rest = structuredClone(isObject(value) ? value : {});
  const path = pathOf(catalog, method, route, rest, problems);
  const name = route.method === "*" ? "POST" : route.method;
  if (route.body === "*") return { method: name, path, query: [], body: print(rest), problems };
  let body = null;
  if (route.body) {
    const found = take(catalog, method.input, route.body, rest);
    body = found === undefined ? "{}" : print(found);
  }
  const query = [];
  addQuery(catalog, method.input, rest, "", query, problems);
  return { method: name, path, query, body, problems };
}

// Returns the path and the query as the request line has them.
export function target({ path, query }) {
  if (query.length === 0) return path;
  return `${path}?${query.map(([name, value]) => `${encodeName(name)}=${encodeURIComponent(value)}`).join("&")}`;
}

function pathOf(catalog, method, route, rest, problems) {
  const template = parseTemplate(route.path);
  const parts = template.segments.map(({ literal, wildcard }) => (literal === undefined ? wildcard : encodeSegment(literal)));
  // From the end, so that a value with several segments does not move the other variables.
  for (const { fieldPath, start, end } of template.variables.toReversed()) {
    const found = take(catalog, method.input, fieldPath, rest);
    const text = found === undefined || found === null || isObject(found) ? "" : String(found);
    const wanted = template.segments.slice(start, end);
    const isMulti = end - start > 1 || wanted.some(({ wildcard }) => wildcard === "**");
    if (text === "" && !wanted.every(({ wildcard }) => wildcard === "**")) {
      problems.push(`The path needs a value of ${fieldPath}.`);
      parts.splice(start, end - start, `{${fieldPath}}`);
      continue;
    }
    if (!isMulti) {
      parts.splice(start, 1, encodeSegment(text));
      continue;
    }
    if (!fits(text.split("/"), wanted)) {
      const form = wanted.map(({ literal, wildcard }) => literal ?? wildcard).join("/");
      problems.push(`The value of ${fieldPath} must have the form ${form}.`);
    }
    if (/[:?#[\]@!$&'()*+,;=]/.test(text)) {
      problems.push(`Characters such as : and ? in ${fieldPath} stay escaped, as the variable has several segments.`);
    }
    parts.splice(start, end - start, ...(text === "" ? [] : text.split("/").map(encodeSegment)));
  }
  return `/${parts.join("/")}${template.verb ? `:${encodeSegment(template.verb)}` : ""}`;
}

function fits(parts, wanted) {
  const multi = wanted.findIndex(({ wildcard }) => wildcard === "**");
  const extra = parts.length - wanted.length;
  if (multi < 0 ? extra !== 0 : extra < -1) return false;
  return wanted.every(({ literal }, place) => {
    const part = parts[multi >= 0 && place > multi ? place + extra : place];
    return literal === undefined || part === literal;
  });
}

// Removes the field at a path from a message, and returns its value.
function take(catalog, type, fieldPath, value) {
  const [first, ...others] = fieldPath.split(".");
  const field = catalog.field(type, first);
  const names = field ? [field.jsonName, field.name] : [first];
  const name = names.find((name) => isObject(value) && name in value);
  if (name === undefined) return undefined;
  if (others.length > 0) {
    const found = take(catalog, field, others.join("."), value[name]);
    if (isObject(value[name]) && Object.keys(value[name]).length === 0) delete value[name];
    return found;
  }
  const found = value[name];
  delete value[name];
  return found;
}

function addQuery(catalog, type, value, prefix, query, problems) {
  for (const [name, member] of Object.entries(value)) {
    const field = catalog.field(type, name);
    const full = prefix + (field?.jsonName ?? name);
    if (member === null || !field) continue;
    const add = (name, item) => {
      const text = textOf(field, item);
      if (text === null) problems.push(`The field ${full} has no form in a query.`);
      else query.push([name, text]);
    };
    if (field.cardinality === "repeated") {
      for (const item of Array.isArray(member) ? member : []) add(full, item);
    } else if (field.cardinality === "map") {
      for (const [key, item] of Object.entries(member)) add(`${full}[${key}]`, item);
    } else if (field.kind === "message") {
      addQuery(catalog, field, member, `${full}.`, query, problems);
    } else {
      add(full, member);
    }
  }
}

function textOf(field, value) {
  if (field.kind === "message" || field.kind === "any") return null;
  if (["struct", "value", "listValue"].includes(field.kind)) {
    return field.cardinality === "singular" ? JSON.stringify(value) : null;
  }
  return String(value);
}

function encodeSegment(text) {
  return encodeURIComponent(text).replaceAll("%40", "@").replaceAll("%2C", ",");
}

function encodeName(name) {
  return encodeURIComponent(name).replaceAll("%5B", "[").replaceAll("%5D", "]");
}
