// Checks JSON against a message type, and puts its members in the order of the definition.

import { isObject } from "./json.js";

const INTEGERS = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  sint32: [-(2n ** 31n), 2n ** 31n - 1n],
  sfixed32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  fixed32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
};

// Returns `{ value, problems }`: the value with its members by their JSON names in the order of the
// definition, unknown ones last, and for each fault its place and a sentence.
export function check(catalog, type, value) {
  const problems = [];
  const report = (path, text) => problems.push({ path: path || "the message", text });
  return { value: checkValue(catalog, type, value, "", report), problems };
}

function checkValue(catalog, type, value, path, report) {
  if (value === null && path !== "") return value;
  if (type.kind === "message") return checkMessage(catalog, type, value, path, report);
  const problem = scalarProblem(catalog, type, value);
  if (problem) report(path, problem);
  return value;
}

function checkMessage(catalog, type, value, path, report) {
  if (!isObject(value)) {
    report(path, "must be an object");
    return value;
  }
  const fields = catalog.fields(type);
  const found = new Map();
  const unknown = [];
  for (const [name, member] of Object.entries(value)) {
    const field = catalog.field(type, name);
    if (!field) unknown.push([name, member]);
    else if (found.has(field)) report(join(path, name), "is there twice, by both of its names");
    else found.set(field, member);
  }
  const ordered = {};
  const oneofs = new Map();
  for (const field of fields) {
    if (!found.has(field)) continue;
    const member = found.get(field);
    const place = join(path, field.jsonName);
    const other = field.oneof && oneofs.get(field.oneof);
    if (other && member !== null) report(place, `cannot be set beside ${other}: both are members of ${field.oneof}`);
    if (field.oneof && member !== null) oneofs.set(field.oneof, field.jsonName);
    ordered[field.jsonName] = checkField(catalog, field, member, place, report);
  }
  for (const [name, member] of unknown) {
    // Extensions are written in brackets, and an Any within a message has its type beside.
    if (!name.startsWith("[")) report(join(path, name), `is not a field of ${type.type}`);
    ordered[name] = member;
  }
  return ordered;
}

function checkField(catalog, field, value, path, report) {
  if (value === null) return value;
  if (field.cardinality === "repeated") {
    if (!Array.isArray(value)) {
      report(path, "must be a list");
      return value;
    }
    return value.map((item, index) => checkValue(catalog, field, item, `${path}[${index}]`, report));
  }
  if (field.cardinality === "map") {
    if (!isObject(value)) {
      report(path, "must be an object");
      return value;
    }
    const entries = Object.entries(value).map(([key, item]) => {
      const place = `${path}[${key}]`;
      const problem = keyProblem(field.key, key);
      if (problem) report(place, problem);
      return [key, checkValue(catalog, field, item, place, report)];
    });
    return Object.fromEntries(entries);
  }
  return checkValue(catalog, field, value, path, report);
}

function keyProblem(kind, key) {
  if (kind === "string") return null;
  if (kind === "bool") return key === "true" || key === "false" ? null : "must have a key of true or false";
  return integerProblem(kind, key) && `has a key that ${integerProblem(kind, key)}`;
}

function scalarProblem(catalog, type, value) {
  const { kind } = type;
  if (kind in INTEGERS) return integerProblem(kind, value);
  switch (kind) {
    case "bool":
      return typeof value === "boolean" ? null : "must be true or false";
    case "string":
      return typeof value === "string" ? null : "must be text in quotes";
    case "bytes":
      return typeof value === "string" && isBase64(value) ? null : "must be base64 in quotes";
    case "float":
    case "double":
      return isFloat(value) ? null : "must be a number";
    case "enum":
      return enumProblem(catalog.enums[type.type], value);
    case "timestamp":
      return typeof value === "string" && TIMESTAMP.test(value) && !Number.isNaN(Date.parse(value.slice(0, 19) + "Z"))
        ? null
        : "must be a time such as 2026-01-31T12:00:00Z";
    case "duration":
      return typeof value === "string" && DURATION.test(value) ? null : "must be a duration in seconds such as 1.5s";
    case "fieldMask":
      return typeof value === "string" ? null : "must be names of fields with commas between them";
    case "struct":
      return isObject(value) ? null : "must be an object";
    case "listValue":
      return Array.isArray(value) ? null : "must be a list";
    case "any":
      return isObject(value) && (typeof value["@type"] === "string" || Object.keys(value).length === 0)
        ? null
        : "must be an object with @type";
    case "null":
      return "must be null";
    default:
      return null;
  }
}

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;
const DURATION = /^-?\d+(\.\d{1,9})?s$/;

function integerProblem(kind, value) {
  const [least, most] = INTEGERS[kind];
  const expected = `must be an integer from ${least} to ${most}`;
  const text = typeof value === "number" && Number.isInteger(value) ? BigInt(value).toString() : value;
  if (typeof text !== "string" || !/^-?\d+$/.test(text)) return expected;
  const number = BigInt(text);
  return number >= least && number <= most ? null : expected;
}

function isFloat(value) {
  if (typeof value === "number") return true;
  if (typeof value !== "string" || value.trim() !== value || value === "") return false;
  return ["NaN", "Infinity", "-Infinity"].includes(value) || Number.isFinite(Number(value));
}

function isBase64(text) {
  return /^[A-Za-z0-9+/_-]*={0,2}$/.test(text) && text.replace(/=+$/, "").length % 4 !== 1;
}

function enumProblem(declared, value) {
  if (Number.isInteger(value)) return null;
  if (typeof value === "string" && declared?.values.some(({ name }) => name === value)) return null;
  return "must be the name or the number of a value of the enum";
}

function join(path, name) {
  return path ? `${path}.${name}` : name;
}
