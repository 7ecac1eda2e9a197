// npm `@grpc/grpc-js`, without and with gzip: grpc_js_client.mjs PORT DESCRIPTORS
import { readFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';
import { CallError, converse, report } from './conversation.mjs';
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
  readSchema,
} from './schema.mjs';

const [, , port, descriptors] = process.argv;
const schema = readSchema(readFileSync(descriptors));

function metadataOf(headers = {}) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) {
    metadata.set(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
}

// Returns a function that reads metadata as the conversation expects.
const reader = (metadata) => (name) => {
  const [value] = metadata.get(name);
  return Buffer.isBuffer(value) ? value.toString('base64') : value;
};

function begin(client, method, { headers, timeout }) {
  const encode = (message) => Buffer.from(encodeRequest(method)(message));
  const path = [pathOf(method), encode, decodeResponse(method)];
  const rest = [metadataOf(headers), { deadline: Date.now() + timeout }];
  switch (method.methodKind) {
    case SERVER:
      return { start: (request) => client.makeServerStreamRequest(...path, request, ...rest) };
    case BIDI:
      return { start: () => client.makeBidiStreamRequest(...path, ...rest) };
    case CLIENT:
      return { start: (_, done) => client.makeClientStreamRequest(...path, ...rest, done) };
    default:
      return { start: (request, done) => client.makeUnaryRequest(...path, request, ...rest, done) };
  }
}

async function send(call, requests) {
  for await (const request of requests) call.write(request);
  call.end();
}

async function* invoke(client, method, requests, options) {
  const { onHeaders, onTrailers, signal } = options;
  const first = isClientStream(method) ? undefined : (await requests.next()).value;
  let done;
  const only = new Promise((resolve, reject) => {
    done = (error, response) => (error ? reject(error) : resolve(response));
  });
  only.catch(() => {});
  const call = begin(client, method, options).start(first, done);
  call.on('metadata', (metadata) => onHeaders?.(reader(metadata)));
  const ended = new Promise((resolve) => call.on('status', ({ metadata }) => resolve(metadata)));
  signal?.addEventListener('abort', () => call.cancel());
  // A call that has failed refuses the rest, and the failure is thrown below.
  if (isClientStream(method)) send(call, requests).catch(() => {});
  try {
    if (isServerStream(method)) yield* call;
    else yield await only;
    onTrailers?.(reader(await ended));
  } catch (error) {
    throw new CallError(error.code, error.details ?? error.message);
  }
}

const results = [];
const settings = [
  ['grpc-js', {}],
  ['grpc-js, gzip', { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }],
];
for (const [name, channelOptions] of settings) {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), channelOptions);
  const call = (method, requests, options) => invoke(client, method, requests, options);
  results.push(await converse({ name, kinds: [UNARY, SERVER, CLIENT, BIDI], call }, schema));
  client.close();
}
process.exit(report(results));
