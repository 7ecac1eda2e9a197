// Echo servers of WebSockets over HTTP/2: Node's HTTP/2, and npm `ws` for the frames.
//
// Each line of the input is a command, {"deflate": true | false, "allowed": true | false}, and is
// answered by {"port"} or {"error"}; a server that is not "allowed" does not offer WebSockets. A
// client of the path /bye is closed at once. Each WebSocket is reported by a line at its end:
// {"closed": port, "close_code", "close_reason", "path"}. The program ends at the end of its input.
//
// A message is sent back whole, or in three fragments with a ping between them if it is longer than
// FRAGMENTED_FROM.
'use strict';

const http2 = require('node:http2');
const { createInterface } = require('node:readline');
const { WebSocket, PerMessageDeflate, extension } = require('ws');

const FRAGMENTED_FROM = 10_000;
const SUBPROTOCOL = 'fish';

const printJson = (report) => console.log(JSON.stringify(report));

function echo(connection, data, binary) {
  if (data.length <= FRAGMENTED_FROM) {
    connection.send(data, { binary });
    return;
  }
  const third = Math.floor(data.length / 3);
  connection.send(data.subarray(0, third), { binary, fin: false });
  connection.ping();
  connection.send(data.subarray(third, 2 * third), { fin: false });
  connection.send(data.subarray(2 * third), { fin: true });
}

function accept(port, deflate, stream, headers) {
  if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') {
    stream.respond({ ':status': 400 }, { endStream: true });
    return;
  }
  const answer = { ':status': 200 };
  // `ws` accepts any stream as its transport; without an address the WebSocket is a server's.
  const connection = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
  connection._protocol = SUBPROTOCOL;
  if ((headers['sec-websocket-protocol'] ?? '').split(/, */).includes(SUBPROTOCOL)) {
    answer['sec-websocket-protocol'] = SUBPROTOCOL;
  }
  const offered = headers['sec-websocket-extensions'];
  if (deflate && offered) {
    const compression = new PerMessageDeflate({ isServer: true, maxPayload: 0, threshold: 0 });
    compression.accept(extension.parse(offered)['permessage-deflate']);
    connection._extensions['permessage-deflate'] = compression;
    answer['sec-websocket-extensions'] = extension.format({ 'permessage-deflate': [compression.params] });
  }
  stream.respond(answer);
  connection.on('message', (data, binary) => echo(connection, data, binary));
  connection.on('error', (error) => console.error(error.message));
  connection.on('close', (code, reason) =>
    printJson({ closed: port, close_code: code, close_reason: reason.toString(), path: headers[':path'] }),
  );
  connection.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 0, skipUTF8Validation: false });
  if (headers[':path'] === '/bye') connection.close(4001, 'bye, 鮭');
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { deflate, allowed = true } = JSON.parse(line);
    const server = http2.createServer({ settings: { enableConnectProtocol: allowed } });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      accept(server.address().port, deflate, stream, headers);
    });
    server.on('error', (error) => printJson({ error: error.message }));
    server.listen(0, '127.0.0.1', () => printJson({ port: server.address().port }));
  })
  .on('close', () => process.exit(0));
