// A client made with npm `ws` that tests echo servers, by commands on standard input.
//
// Each line of the input is a command,
//
//   {"url", "deflate": null | {parameters of permessage-deflate}, "close": null | [code, reason]}
//
// (without "close" the client sends nothing and waits for the server to close) and is answered by
// {"extensions", "subprotocol", "close_code", "close_reason", "received"}, where "received" counts
// the bytes of the transport; or by {"status"} if the handshake is refused; or by {"error"}. The
// program ends at the end of its input.
'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const { createInterface } = require('node:readline');
const { WebSocket } = require('ws');

const DEADLINE_MS = 20_000;

// `ws` represents an offer without `client_max_window_bits` as `false`, and one without its value
// as `true`.
function settings(deflate) {
  return {
    serverNoContextTakeover: deflate.server_no_context_takeover || undefined,
    clientNoContextTakeover: deflate.client_no_context_takeover || undefined,
    serverMaxWindowBits: deflate.server_max_window_bits ?? undefined,
    clientMaxWindowBits: deflate.client_max_window_bits ?? false,
    threshold: 0,
  };
}

function messages() {
  const list = ['', Buffer.alloc(0), 'x', Buffer.from('x'), 'grüße, 鮭 🐟', '\0'];
  for (const length of [125, 126, 127, 65_535, 65_536]) {
    list.push('text '.repeat(length / 5) + 'x'.repeat(length % 5), randomBytes(length));
  }
  list.push('swims upstream, '.repeat(20_000), randomBytes(300_000));
  // With context takeover, all but the first are references to the one before.
  list.push(...Array(50).fill(randomBytes(2_000)));
  return list;
}

const FRAGMENTED = [
  ['one ', '', 'two ', '🐟🐟🐟', ''],
  [Buffer.alloc(0), Buffer.alloc(300), Buffer.alloc(70_000), Buffer.from('end')],
];

async function echoed(connection, message) {
  const [data, binary] = await once(connection, 'message');
  assert.equal(binary, typeof message !== 'string');
  assert.ok(data.equals(Buffer.from(message)), `${message.length} sent, ${data.length} echoed`);
}

async function converse(connection) {
  for (const message of messages()) {
    connection.send(message);
    await echoed(connection, message);
  }
  for (const pieces of FRAGMENTED) {
    const binary = typeof pieces[0] !== 'string';
    pieces.forEach((piece, index) =>
      connection.send(piece, { binary, fin: index === pieces.length - 1 }),
    );
    await echoed(connection, binary ? Buffer.concat(pieces) : pieces.join(''));
  }
  const many = new Promise((resolve) => {
    let count = 0;
    connection.on('message', (data) => {
      assert.equal(data.toString(), 'many at once');
      count += 1;
      if (count === 100) resolve();
    });
  });
  for (let count = 0; count < 100; count += 1) connection.send('many at once');
  connection.ping('are you there?');
  const [pong] = await once(connection, 'pong');
  assert.equal(pong.toString(), 'are you there?');
  await many;
}

async function runCommand(command, signal) {
  const connection = new WebSocket(command.url, ['fowl', 'fish'], {
    perMessageDeflate: command.deflate && settings(command.deflate),
  });
  signal.addEventListener('abort', () => connection.terminate());
  const closed = new Promise((resolve) => {
    connection.on('close', (code, reason) => resolve([code, reason]));
  });
  const response = await new Promise((resolve, reject) => {
    connection.on('upgrade', (upgraded) => connection.on('open', () => resolve(upgraded)));
    connection.on('unexpected-response', (request, refused) => resolve(refused));
    connection.on('error', reject);
  });
  if (response.statusCode !== 101) {
    connection.terminate();
    return { status: response.statusCode };
  }

  if (command.close) {
    await Promise.race([converse(connection), closed]);
    connection.close(...command.close);
  }
  const [code, reason] = await closed;
  return {
    extensions: response.headers['sec-websocket-extensions'] ?? null,
    subprotocol: connection.protocol,
    close_code: code,
    close_reason: reason.toString(),
    received: response.socket.bytesRead,
  };
}

async function report(command) {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), DEADLINE_MS);
  try {
    return await runCommand(command, deadline.signal);
  } catch (error) {
    return { error: `${error.message}` };
  } finally {
    clearTimeout(timer);
  }
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await report(JSON.parse(line))));
  }
}

main();
