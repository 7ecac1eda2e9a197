// Streams of Connect over `fetch`: envelopes of a flag, a length of four bytes, and JSON. Browsers
// send the requests of a stream together when they end.

import { atHalfClose, headersOf, metadataOf, parseJson } from "./http-call.js";
import { OK, ofConnect, status } from "./status.js";

const PREFIX = 5;
const END = 0x02;

export function connectStream({ method, metadata, time, base }, on) {
  return atHalfClose(async (messages, signal, end) => {
    const others = { "content-type": "application/connect+json", "connect-protocol-version": "1" };
    if (time) others["connect-timeout-ms"] = String(time);
    const body = new Blob(messages.map((message) => envelope(JSON.stringify(message))));
    const request = { method: "POST", headers: headersOf(metadata, others), body, signal };
    const response = await fetch(new URL(method.path.slice(1), base), request);
    on.headers(metadataOf(response.headers).leading, `HTTP ${response.status}`);
    if (!response.ok) {
      const text = await response.text();
      end(parseJson(text) ? ofConnect(parseJson(text)) : status(2, `HTTP ${response.status}: ${text.slice(0, 200)}`), []);
      return;
    }
    for await (const { flags, text } of envelopes(response.body)) {
      const value = parseJson(text);
      if (flags & END) {
        const trailers = Object.entries(value?.metadata ?? {}).flatMap(([name, values]) => values.map((item) => [name, item]));
        end(value?.error ? ofConnect(value.error) : OK, trailers);
        return;
      }
      on.message(value, text.length);
    }
    end(status(14, "The stream ended without a status."), []);
  }, on);
}

export function envelope(text) {
  const payload = new TextEncoder().encode(text);
  const bytes = new Uint8Array(PREFIX + payload.length);
  new DataView(bytes.buffer).setUint32(1, payload.length);
  bytes.set(payload, PREFIX);
  return bytes;
}

// Yields the envelopes of a stream of bytes.
export async function* envelopes(stream) {
  const reader = stream.getReader();
  let buffer = new Uint8Array();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer = concatenate(buffer, value);
      while (buffer.length >= PREFIX) {
        const end = PREFIX + new DataView(buffer.buffer, buffer.byteOffset).getUint32(1);
        if (buffer.length < end) break;
        yield { flags: buffer[0], text: new TextDecoder().decode(buffer.subarray(PREFIX, end)) };
        buffer = buffer.subarray(end);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function concatenate(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
