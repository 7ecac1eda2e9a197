// Clients of the conversation on npm `grpc-web` and npm `nice-grpc-web`. They run in a page.
import grpcWeb from 'grpc-web';
import { ClientError, FetchTransport, Metadata, WebsocketTransport, createChannel, createClient } from 'nice-grpc-web';
import { CallError } from './conversation.mjs';
import {
  BIDI,
  CLIENT,
  SERVER,
  UNARY,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  isClientStream,
  isServerStream,
  pathOf,
} from './schema.mjs';

// npm `grpc-web`. `format` is `text` or `binary`; in binary, XMLHttpRequest gives no message of a
// stream before its end.
export function grpcWebClient(baseUrl, format) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const kinds = format === 'text' ? [UNARY, SERVER] : [UNARY];
  return { name: `grpc-web, ${format}`, kinds, call: (...call) => callGrpcWeb(client, baseUrl, ...call) };
}

async function* callGrpcWeb(client, baseUrl, method, requests, options) {
  const { headers, timeout, signal, onHeaders, onTrailers } = options;
  const isStream = isServerStream(method);
  const descriptor = new grpcWeb.MethodDescriptor(
    pathOf(method),
    isStream ? grpcWeb.MethodType.SERVER_STREAMING : grpcWeb.MethodType.UNARY,
    Object,
    Object,
    encodeRequest(method),
    decodeResponse(method),
  );
  const metadata = { ...headers, deadline: String(Date.now() + timeout) };
  const request = (await requests.next()).value;
  const url = baseUrl + pathOf(method);
  const { push, fail, end, items } = itemQueue();
  const failed = ({ code, message }) => fail(new CallError(code, message));
  const responses = isStream
    ? client.serverStreaming(url, request, metadata, descriptor)
    : client.rpcCall(url, request, metadata, descriptor, (error, response) => {
        if (error) failed(error);
        else push(response);
      });
  const reader = (fields) => (name) => fields?.[name];
  responses.on('metadata', (fields) => onHeaders?.(reader(fields)));
  responses.on('status', ({ code, metadata: trailers }) => code === 0 && onTrailers?.(reader(trailers)));
  responses.on('end', end);
  if (isStream) {
    responses.on('data', push);
    responses.on('error', failed);
  }
  signal?.addEventListener('abort', () => {
    responses.cancel();
    // This client says nothing after `cancel`.
    fail(new CallError(1, 'cancelled'));
  });
  yield* items;
}

// What callbacks give, for one reader.
function itemQueue() {
  const queue = [];
  let wake = () => {};
  const add = (item) => {
    queue.push(item);
    wake();
  };
  async function* items() {
    for (;;) {
      while (queue.length === 0) await new Promise((resolve) => (wake = resolve));
      const { value, error } = queue.shift();
      if (error) throw error;
      if (value === undefined) return;
      yield value;
    }
  }
  return {
    push: (value) => add({ value }),
    fail: (error) => add({ error }),
    end: () => add({}),
    items: items(),
  };
}

// npm `nice-grpc-web` on `fetch`, or on WebSockets of the subprotocol `grpc-websockets`.
export function niceGrpcWebClient(baseUrl, transport) {
  const isWebSocket = transport === 'WebSocket';
  const channel = createChannel(baseUrl, isWebSocket ? WebsocketTransport() : FetchTransport());
  const kinds = isWebSocket ? [UNARY, SERVER, CLIENT, BIDI] : [UNARY, SERVER];
  return { name: `nice-grpc-web, ${transport}`, kinds, call: (...call) => callNiceGrpcWeb(channel, ...call) };
}

async function* callNiceGrpcWeb(channel, method, requests, options) {
  const { headers = {}, timeout, signal, onHeaders, onTrailers } = options;
  const definition = {
    path: pathOf(method),
    requestStream: isClientStream(method),
    responseStream: isServerStream(method),
    requestSerialize: encodeRequest(method),
    requestDeserialize: decodeRequest(method),
    responseSerialize: encodeResponse(method),
    responseDeserialize: decodeResponse(method),
    options: {},
  };
  const { invoke } = createClient({ invoke: definition }, channel);
  const metadata = new Metadata({ 'grpc-timeout': `${timeout}m` });
  for (const [name, value] of Object.entries(headers)) {
    metadata.set(name, name.endsWith('-bin') ? Uint8Array.from(atob(value), (char) => char.charCodeAt(0)) : value);
  }
  const reader = (notify) =>
    notify &&
    ((fields) =>
      notify((name) => {
        const value = fields.get(name);
        return value instanceof Uint8Array ? btoa(String.fromCharCode(...value)) : value;
      }));
  const callOptions = { metadata, signal, onHeader: reader(onHeaders), onTrailer: reader(onTrailers) };
  const input = isClientStream(method) ? requests : (await requests.next()).value;
  try {
    if (isServerStream(method)) yield* invoke(input, callOptions);
    else yield await invoke(input, callOptions);
  } catch (error) {
    if (error instanceof ClientError) throw new CallError(error.code, error.details);
    if (error.name === 'AbortError') throw new CallError(1, 'cancelled');
    throw error;
  }
}
