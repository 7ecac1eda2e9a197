// A client of WebSockets over HTTP/2: Node's HTTP/2, and npm `ws` for the frames.
//
// Each line of the input is a command, {"port", "count", "deflate": true | false}: the client opens
// "count" WebSockets on one connection to the server; each echoes its messages and is closed with
// 4000 plus its index. The answer is {"protocols", "extensions", "codes"}, a list each, or
// {"error"}. The program ends at the end of its input.
'use strict';

const http2 = require('node:http2');
const { createInterface } = require('node:readline');
const { WebSocket, PerMessageDeflate, extension } = require('ws');

const printJson = (report) => console.log(JSON.stringify(report));
const once = (target, name) => new Promise((resolve) => target.once(name, (...all) => resolve(all)));

async function open(session, path, deflate) {
  const headers = {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': path,
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'plain, fish',
  };
  const compression = new PerMessageDeflate({ isServer: false, maxPayload: 0, threshold: 0 });
  if (deflate) headers['sec-websocket-extensions'] = extension.format({ 'permessage-deflate': compression.offer() });
  const stream = session.request(headers);
  const [answer] = await once(stream, 'response');
  if (answer[':status'] !== 200) throw new Error(`status ${answer[':status']}`);
  // `ws` accepts any stream as its transport.
  const connection = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
  connection._isServer = false;
  connection._protocol = answer['sec-websocket-protocol'] ?? '';
  const agreed = answer['sec-websocket-extensions'];
  if (agreed) {
    compression.accept(extension.parse(agreed)['permessage-deflate']);
    connection._extensions['permessage-deflate'] = compression;
  }
  connection.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 0, skipUTF8Validation: false });
  return { connection, agreed: agreed ?? '' };
}

async function converse(connection, index) {
  const binary = (length) => Buffer.from(Array.from({ length }, (_, offset) => (offset * 2654435761 + index) >>> 24));
  const messages = ['', `grüße, 鮭 ${index}`, 'x'.repeat(70_000), binary(0), binary(125), binary(300_000)];
  for (const sent of messages) {
    connection.send(sent);
    const [data, isBinary] = await once(connection, 'message');
    if (isBinary !== Buffer.isBuffer(sent) || !data.equals(Buffer.from(sent))) {
      throw new Error(`${sent.length} came back changed`);
    }
  }
  connection.ping('are you there?');
  await once(connection, 'pong');
  connection.close(4000 + index, 'done, 鮭');
  const [code] = await once(connection, 'close');
  return code;
}

async function run({ port, count, deflate }) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  await once(session, 'remoteSettings');
  if (!session.remoteSettings.enableConnectProtocol) throw new Error('the server allows no WebSockets');
  const opened = await Promise.all(Array.from({ length: count }, (_, index) => open(session, `/${index}`, deflate)));
  const codes = await Promise.all(opened.map(({ connection }, index) => converse(connection, index)));
  session.close();
  await once(session, 'close');
  return {
    protocols: opened.map(({ connection }) => connection.protocol),
    extensions: opened.map(({ agreed }) => agreed),
    codes,
  };
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    run(JSON.parse(line)).then(printJson, (error) => printJson({ error: error.message }));
  })
  .on('close', () => process.exit(0));
