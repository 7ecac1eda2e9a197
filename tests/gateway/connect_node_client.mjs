// Connect's transports for Node: connect_node_client.mjs PORT DESCRIPTORS [without-get]
import { readFileSync } from 'node:fs';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { connectClient } from './connect_clients.mjs';
import { converse, report } from './conversation.mjs';
import { CLIENT, SERVER, UNARY, readSchema } from './schema.mjs';

const [, , port, descriptors, withoutGet] = process.argv;
const schema = readSchema(readFileSync(descriptors));
const baseUrl = `http://127.0.0.1:${port}`;
// A stream in both directions needs HTTP/2.
const HALF_DUPLEX = [UNARY, SERVER, CLIENT];
const [http1, http2] = [{ baseUrl, httpVersion: '1.1' }, { baseUrl, httpVersion: '2' }];
const gzip = { sendCompression: compressionGzip, acceptCompression: [compressionGzip], compressMinBytes: 0 };

const clients = [
  connectClient('Connect, proto, HTTP/1.1', createConnectTransport({ ...http1, useBinaryFormat: true }), HALF_DUPLEX),
  connectClient('Connect, JSON, HTTP/1.1', createConnectTransport({ ...http1, useBinaryFormat: false }), HALF_DUPLEX),
  connectClient('Connect, proto, HTTP/2', createConnectTransport({ ...http2, useBinaryFormat: true })),
  connectClient('Connect, JSON, HTTP/2', createConnectTransport({ ...http2, useBinaryFormat: false })),
  connectClient('Connect, proto, gzip', createConnectTransport({ ...http2, ...gzip, useBinaryFormat: true })),
  connectClient('Connect, JSON, gzip', createConnectTransport({ ...http2, ...gzip, useBinaryFormat: false })),
  connectClient('gRPC', createGrpcTransport({ baseUrl })),
  connectClient('gRPC, gzip', createGrpcTransport({ baseUrl, ...gzip })),
  connectClient('gRPC-Web, HTTP/1.1', createGrpcWebTransport({ ...http1 }), HALF_DUPLEX),
  connectClient('gRPC-Web, HTTP/2', createGrpcWebTransport({ ...http2 })),
  connectClient('gRPC-Web, gzip', createGrpcWebTransport({ ...http2, ...gzip })),
];

if (!withoutGet) {
  clients.push(connectClient('Connect, GET', createConnectTransport({ ...http1, useHttpGet: true }), [UNARY]));
}

const results = [];
for (const client of clients) results.push(await converse(client, schema));
// Idle connections of HTTP/2 would keep the process.
process.exit(report(results));
