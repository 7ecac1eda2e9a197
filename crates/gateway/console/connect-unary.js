// Unary calls of Connect, with JSON.

import { atHalfClose, headersOf, metadataOf, parseJson } from "./http-call.js";
import { OK, ofConnect, status } from "./status.js";

export function connectUnary({ method, metadata, time, base }, on) {
  return atHalfClose(async ([message], signal, end) => {
    const headers = headersOf(metadata, { "content-type": "application/json", ...protocol(time) });
    const request = { method: "POST", headers, body: JSON.stringify(message), signal };
    await answer(await fetch(new URL(method.path.slice(1), base), request), on, end);
  }, on);
}

// Calls by GET, which caches may answer.
export function connectGet({ method, metadata, time, base }, on) {
  return atHalfClose(async ([message], signal, end) => {
    const url = new URL(method.path.slice(1), base);
    url.search = new URLSearchParams({ connect: "v1", encoding: "json", message: JSON.stringify(message) });
    const headers = headersOf(metadata, time ? { "connect-timeout-ms": String(time) } : {});
    await answer(await fetch(url, { headers, signal }), on, end);
  }, on);
}

function protocol(time) {
  return { "connect-protocol-version": "1", ...(time && { "connect-timeout-ms": String(time) }) };
}

async function answer(response, on, end) {
  const { leading, trailing } = metadataOf(response.headers, "trailer-");
  on.headers(leading, `HTTP ${response.status}`);
  const text = await response.text();
  const body = parseJson(text);
  if (response.ok && body !== null) {
    on.message(body, text.length);
    end(OK, trailing);
  } else {
    end(body ? ofConnect(body) : status(2, `The response is not JSON: ${text.slice(0, 200)}`), trailing);
  }
}
