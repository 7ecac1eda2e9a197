// The clients that run in a page of another origin than the gateway's: browser_client.mjs bundles
// this file and calls `run` with the gateway's URL and the encoded descriptors, in base64.
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { connectClient } from './connect_clients.mjs';
import { converse } from './conversation.mjs';
import { grpcWebClient, niceGrpcWebClient } from './grpc_web_clients.mjs';
import { talkJson } from './json_websocket.mjs';
import { SERVER, UNARY, readSchema } from './schema.mjs';
import { sockeyeGrpcClient } from './sockeye_grpc_clients.mjs';

// `fetch` of browsers cannot send a request while it reads the response.
const FETCH_KINDS = [UNARY, SERVER];

const methods = new Set();
const recordMethod = (url, options) => {
  methods.add(options.method);
  return fetch(url, options);
};

globalThis.run = async (baseUrl, descriptors) => {
  const schema = readSchema(Uint8Array.from(atob(descriptors), (char) => char.charCodeAt(0)));
  const connect = (options) => createConnectTransport({ baseUrl, ...options });
  const clients = [
    connectClient('connect-web, proto', connect({ useBinaryFormat: true }), FETCH_KINDS),
    connectClient('connect-web, JSON', connect({ useBinaryFormat: false }), FETCH_KINDS),
    connectClient('connect-web, GET', connect({ useHttpGet: true, fetch: recordMethod }), [UNARY]),
    connectClient('connect-web, gRPC-Web', createGrpcWebTransport({ baseUrl }), FETCH_KINDS),
    grpcWebClient(baseUrl, 'text'),
    grpcWebClient(baseUrl, 'binary'),
    niceGrpcWebClient(baseUrl, 'fetch'),
    niceGrpcWebClient(baseUrl, 'WebSocket'),
    sockeyeGrpcClient(baseUrl, 'json'),
    sockeyeGrpcClient(baseUrl, 'proto'),
  ];
  const results = [];
  for (const client of clients) results.push(await converse(client, schema));
  results.push(await talkJson(baseUrl));
  if (!methods.has('GET')) throw new Error('no call was made by GET');
  return results;
};
