// Explanations of close codes and of how a connection ended.

// Names as in the IANA registry of close codes; the explanations are ours.
const CODES = {
  1000: ["Normal Closure", "the purpose of the connection was fulfilled"],
  1001: ["Going Away", "the server is stopping or restarting"],
  1002: ["Protocol error", "something broke the WebSocket protocol"],
  1003: ["Unsupported Data", "the server does not take this kind of message"],
  1005: ["No Status Rcvd", "the close frame had no code"],
  1006: ["Abnormal Closure", "it ended without a closing handshake"],
  1007: ["Invalid frame payload data", "a text message was not valid UTF-8"],
  1008: ["Policy Violation", "a message was against the server's policy"],
  1009: ["Message Too Big", "a message was larger than the server accepts"],
  1010: ["Mandatory Ext.", "an extension that was needed could not be agreed on"],
  1011: ["Internal Error", "the server had an internal error"],
  1012: ["Service Restart", "the server is restarting"],
  1013: ["Try Again Later", "the server is too busy"],
  1014: ["Bad Gateway", "a gateway got an invalid response"],
  1015: ["TLS handshake", "the TLS handshake failed"],
};

export function nameOf(code) {
  if (CODES[code]) return CODES[code][0];
  if (code >= 4000) return "Private use";
  if (code >= 3000) return "Registered by a library or framework";
  return "Unassigned";
}

// Returns text such as `1001 Going Away: the server is stopping or restarting, “shutting down”`.
export function describeClose({ code, reason }) {
  const meaning = CODES[code] ? `: ${CODES[code][1]}` : "";
  const words = reason ? `, “${reason}”` : "";
  return `${code} ${nameOf(code)}${meaning}${words}`;
}

// Returns the retry delay in milliseconds from a close reason such as `retry after 3.4 s`; null if
// it has none.
export function retryHint({ reason }) {
  const seconds = /^retry after (\d+(?:\.\d+)?) s$/.exec(reason ?? "")?.[1];
  return seconds === undefined ? null : Number(seconds) * 1_000;
}

// Returns one or two sentences on how an open connection ended.
export function describeEnding({ code, reason, byUser }) {
  if (byUser) {
    return code === 1006
      ? "You closed the connection; the server did not answer the close frame."
      : "You closed the connection, and the server agreed.";
  }
  if (code === 1006) {
    return "The connection was lost without a close frame: the server or the network failed.";
  }
  const meaning = CODES[code] ? `: ${CODES[code][1]}` : "";
  const words = reason ? ` The reason is “${reason}”.` : "";
  return `The server closed the connection with ${code} ${nameOf(code)}${meaning}.${words}`;
}
