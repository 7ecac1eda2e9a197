// Sockeye's own client of the subprotocol `sockeye.grpc.v1`, in the conversation that the clients of
// other makes have.
import { fromJson, toJson } from '@bufbuild/protobuf';
import { GrpcClient, GrpcError } from './sockeye-grpc.js';
import { CallError } from './conversation.mjs';
import {
  BIDI,
  CLIENT,
  SERVER,
  UNARY,
  decodeResponse,
  encodeRequest,
  isClientStream,
  isServerStream,
  pathOf,
} from './schema.mjs';

export function sockeyeGrpcClient(baseUrl, codec) {
  const client = new GrpcClient(baseUrl);
  const kinds = [UNARY, SERVER, CLIENT, BIDI];
  return { name: `sockeye.grpc.v1, ${codec}`, kinds, call: (...call) => invoke(client, codec, ...call) };
}

async function* map(items, change) {
  for await (const item of items) yield change(item);
}

async function* invoke(client, codec, method, requests, options) {
  const { headers: metadata, timeout, signal, onHeaders, onTrailers } = options;
  const isJson = codec === 'json';
  const encode = isJson ? (message) => toJson(method.input, message) : encodeRequest(method);
  const decode = isJson ? (value) => fromJson(method.output, value) : decodeResponse(method);
  const path = pathOf(method);
  const callOptions = { codec, metadata, timeout, signal };
  const reader = (fields) => (name) => fields[name]?.[0];
  try {
    if (isServerStream(method)) {
      const call = isClientStream(method)
        ? client.bidiStream(path, map(requests, encode), callOptions)
        : client.serverStream(path, encode((await requests.next()).value), callOptions);
      yield* map(call, decode);
      return;
    }
    const { message, headers, trailers } = isClientStream(method)
      ? await client.clientStream(path, map(requests, encode), callOptions)
      : await client.unary(path, encode((await requests.next()).value), callOptions);
    onHeaders?.(reader(headers));
    onTrailers?.(reader(trailers));
    yield decode(message);
  } catch (error) {
    throw error instanceof GrpcError ? new CallError(error.code, error.message) : error;
  }
}
