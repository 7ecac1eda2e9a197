// The ways in which the page can call a method.

import { connectGet, connectUnary } from "./connect-unary.js";
import { connectStream } from "./connect-stream.js";
import { isStream } from "./catalog.js";
import { rest } from "./rest.js";
import { websocket } from "./websocket.js";

// Returns the dialects of a method, the best one first: an id, a name, and `start`, a function that
// begins a call. `isLive` says that messages leave as they are sent, not together at the end.
export function dialectsOf(method) {
  const { clientStreaming, serverStreaming } = method;
  const socket = { id: "websocket", name: "WebSocket (sockeye.grpc.v1)", isLive: true, start: websocket };
  const routes = method.routes
    .map((route, index) => ({ id: `rest:${index}`, name: `REST: ${route.method} ${route.path}`, start: rest(route) }))
    // Browsers send no requests while a response arrives, unless it is a WebSocket.
    .filter(() => !(clientStreaming && serverStreaming));
  if (clientStreaming && serverStreaming) return [socket];
  if (isStream(method)) return [socket, { id: "connect", name: "Connect stream", start: connectStream }, ...routes];
  const unary = { id: "connect", name: "Connect (JSON)", start: connectUnary };
  const get = method.safe ? [{ id: "connect-get", name: "Connect by GET", start: connectGet }] : [];
  return [unary, ...get, socket, ...routes];
}

export function dialectOf(method, id) {
  const all = dialectsOf(method);
  return all.find((dialect) => dialect.id === id) ?? all[0];
}
