// Statuses of gRPC, in the forms of Connect, of REST and of the WebSocket.

const NAMES = [
  "ok", "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied",
  "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable", "data_loss",
  "unauthenticated",
];

export const OK = { code: 0, name: "ok", message: "", details: [] };
export const CANCELED = status(1, "You cancelled the call.");

// Returns a status. A detail is `{ type, value }`, with the message as JSON or as base64 text.
export function status(code, message, details = []) {
  return { code, name: NAMES[code] ?? "unknown", message, details };
}

// Returns the status of an error of Connect.
export function ofConnect(body) {
  const code = Math.max(NAMES.indexOf(body?.code), 2);
  const details = (body?.details ?? []).map(({ type, value, debug }) => ({ type: type ?? "", value: debug ?? value ?? "" }));
  return status(NAMES.indexOf(body?.code) === 1 ? 1 : code, body?.message ?? "", details);
}

// Returns the status of an error of REST, or of the end of a call on a WebSocket: the details are
// each the JSON of an Any.
export function ofRest(body) {
  const details = (body?.details ?? []).map(({ "@type": url = "", ...fields }) => {
    const names = Object.keys(fields);
    const isOpaque = names.length === 1 && names[0] === "value" && typeof fields.value === "string";
    return { type: url.split("/").pop(), value: isOpaque ? fields.value : fields };
  });
  return status(Number.isInteger(body?.code) ? body.code : 2, body?.message ?? "", details);
}

// Returns a detail in sentences, for the types of google.rpc; null for others.
export function describe({ type, value }) {
  if (typeof value !== "object" || value === null) return null;
  switch (type) {
    case "google.rpc.BadRequest":
      return (value.fieldViolations ?? []).map(({ field, description }) => `${field}: ${description}`);
    case "google.rpc.PreconditionFailure":
      return (value.violations ?? []).map(({ type: kind, subject, description }) => `${kind} of ${subject}: ${description}`);
    case "google.rpc.QuotaFailure":
      return (value.violations ?? []).map(({ subject, description }) => `${subject}: ${description}`);
    case "google.rpc.ErrorInfo": {
      const metadata = Object.entries(value.metadata ?? {}).map(([name, text]) => `${name}: ${text}`);
      return [`${value.reason} in ${value.domain}`, ...metadata];
    }
    case "google.rpc.RetryInfo":
      return [`Retry after ${value.retryDelay ?? "0s"}`];
    case "google.rpc.ResourceInfo":
      return [`${value.resourceType} ${value.resourceName}: ${value.description ?? ""}`];
    case "google.rpc.RequestInfo":
      return [`Request ${value.requestId}`];
    case "google.rpc.LocalizedMessage":
      return [`${value.locale}: ${value.message}`];
    case "google.rpc.Help":
      return (value.links ?? []).map(({ url, description }) => `${description}: ${url}`);
    case "google.rpc.DebugInfo":
      return [value.detail ?? "", ...(value.stackEntries ?? [])].filter(Boolean);
    default:
      return null;
  }
}
