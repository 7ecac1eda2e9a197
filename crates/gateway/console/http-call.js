// Parts of calls over `fetch`.

import { CANCELED, status } from "./status.js";

// Headers that HTTP or the gateway adds to each response.
const NOT_METADATA = /^(access-control-.*|content-length|content-type|content-encoding|date|vary|cache-control|connection|transfer-encoding|keep-alive|x-accel-buffering)$/;

// Makes a call whose requests leave together when they end. `run` makes it: a function of the
// messages and a signal that cancels it, which returns when the response is over.
export function atHalfClose(run, on) {
  const messages = [];
  const controller = new AbortController();
  let isOver = false;
  const end = (...result) => {
    if (!isOver) on.end(...result);
    isOver = true;
  };
  const make = async () => {
    try {
      await run(messages, controller.signal, end);
    } catch (error) {
      end(controller.signal.aborted ? CANCELED : status(14, `The request failed: ${error.message}`), []);
    }
  };
  return {
    send: (value) => messages.push(value),
    halfClose: () => void make(),
    cancel() {
      controller.abort();
      end(CANCELED, []);
    },
  };
}

// Returns the headers of a request.
export function headersOf(metadata, others) {
  const headers = new Headers(others);
  for (const { name, value } of metadata) if (name) headers.append(name, value);
  return headers;
}

// Returns the metadata of a response, split by the prefix that trailers have.
export function metadataOf(headers, trailerPrefix) {
  const [leading, trailing] = [[], []];
  for (const [name, value] of headers) {
    if (trailerPrefix && name.startsWith(trailerPrefix)) trailing.push([name.slice(trailerPrefix.length), value]);
    else if (!NOT_METADATA.test(name)) leading.push([name, value]);
  }
  return { leading, trailing };
}

export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
