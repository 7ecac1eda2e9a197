// JSON whose integers keep all digits, and errors that say where they are.

import { explainFault } from "./json-fault.js";

// The integers up to which numbers are exact.
const SAFE = Number.MAX_SAFE_INTEGER;

// Parses JSON; empty text is an empty object. An integer that a number of JavaScript cannot hold
// becomes text, which protobuf's JSON takes as well. Throws an Error with the line and the column.
export function parse(text) {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text, keepDigits);
  } catch {
    throw new Error(explainFault(text));
  }
}

// Browsers pass the source of a number since 2024 (Chromium 114, Firefox 135, Safari 18.4).
function keepDigits(_key, value, context) {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined) return value;
  return /^-?\d+$/.test(source) && Math.abs(value) > SAFE ? source : value;
}

export function print(value) {
  return JSON.stringify(value, null, 2);
}

export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
