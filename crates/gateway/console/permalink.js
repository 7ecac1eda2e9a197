// Links to a call: `#/pkg.Service/Method?message=…&timeout=2s&metadata=name:value`.

import { withoutSecrets } from "./secret.js";

// Returns the hash of a call. Values of secrets are left out.
export function hashOf({ method, text, metadata, timeout, dialect }) {
  const parameters = new URLSearchParams();
  if (text.trim() !== "" && text.trim() !== "{}") parameters.set("message", compact(text));
  for (const { name, value, secret } of withoutSecrets(metadata)) {
    if (name) parameters.append(secret ? "secret" : "metadata", `${name}:${value}`);
  }
  if (timeout) parameters.set("timeout", timeout);
  if (dialect) parameters.set("dialect", dialect);
  const query = parameters.toString();
  return `#/${method.fullName}${query && `?${query}`}`;
}

// Returns the call of a hash, with the name of its method; null if the hash is none of a call.
export function callOfHash(hash) {
  const [, name, query = ""] = hash.match(/^#\/([^?]+)(?:\?(.*))?$/) ?? [];
  if (!name) return null;
  const parameters = new URLSearchParams(query);
  const entries = (key, secret) =>
    parameters.getAll(key).map((text) => {
      const colon = text.indexOf(":");
      return { name: text.slice(0, colon), value: text.slice(colon + 1), secret };
    });
  return {
    method: name,
    text: parameters.get("message") ?? "",
    metadata: [...entries("metadata", false), ...entries("secret", true)].filter((entry) => entry.name),
    timeout: parameters.get("timeout") ?? "",
    dialect: parameters.get("dialect") ?? "",
  };
}

// Returns JSON without spaces between its tokens, and other text as it is.
function compact(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, string) => string ?? "");
}
