// Calls over the WebSocket of the page, which all calls share.

import { GrpcClient } from "./sockeye-grpc.js";
import { ofRest } from "./status.js";

let client = null;

export function websocket({ method, metadata, time, base }, on) {
  client ??= new GrpcClient(base);
  const call = client.call(method.fullName, { metadata: grouped(metadata), timeout: time ?? undefined });
  void receive(call, on);
  return {
    send: (value) => call.send(value),
    halfClose: () => void call.halfClose(),
    cancel: () => call.cancel(),
  };
}

async function receive(call, on) {
  let hasHeaders = false;
  call.headers.then((headers) => {
    hasHeaders = true;
    on.headers(entries(headers));
  });
  try {
    for await (const message of call) {
      if (!hasHeaders) await call.headers;
      on.message(message, JSON.stringify(message).length);
    }
  } catch {
    // The end says why.
  }
  const end = await call.end;
  on.end(ofRest(end), entries(end.trailers));
}

function grouped(metadata) {
  const names = {};
  for (const { name, value } of metadata) if (name) (names[name] ??= []).push(value);
  return names;
}

function entries(metadata) {
  return Object.entries(metadata).flatMap(([name, values]) => values.map((value) => [name, value]));
}
