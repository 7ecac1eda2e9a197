// Echo servers made with npm `ws`, one for each command on standard input.
//
// Each line of the input is a command, {"deflate": null | {parameters of permessage-deflate}}, and
// is answered by {"port"} or {"error"}. Each connection is reported by a line at its end:
// {"closed": port, "close_code", "close_reason", "received"}, where "received" counts the bytes of
// the transport. The program ends at the end of its input.
//
// A message is sent back whole, or in three fragments with a ping between them if it is longer than
// FRAGMENTED_FROM. A client of the path /bye is closed at once.
'use strict';

const { createInterface } = require('node:readline');
const { WebSocketServer } = require('ws');

const FRAGMENTED_FROM = 10_000;
const SUBPROTOCOL = 'fish';

const printJson = (report) => console.log(JSON.stringify(report));

// `ws` refuses offers of a parameter set to `false`: parameters not wanted stay undefined.
function settings(deflate) {
  return {
    serverNoContextTakeover: deflate.server_no_context_takeover || undefined,
    clientNoContextTakeover: deflate.client_no_context_takeover || undefined,
    serverMaxWindowBits: deflate.server_max_window_bits ?? undefined,
    clientMaxWindowBits: deflate.client_max_window_bits ?? undefined,
    threshold: 0,
  };
}

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

function serve(connection, request) {
  const port = request.socket.localPort;
  connection.on('message', (data, binary) => echo(connection, data, binary));
  connection.on('error', (error) => console.error(error.message));
  connection.on('close', (code, reason) =>
    printJson({
      closed: port,
      close_code: code,
      close_reason: reason.toString(),
      received: request.socket.bytesRead,
    }),
  );
  if (request.url === '/bye') connection.close(4001, 'bye, 鮭');
}

function start(command) {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: command.deflate && settings(command.deflate),
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });
  server.on('connection', serve);
  server.on('error', (error) => printJson({ error: error.message }));
  server.on('listening', () => printJson({ port: server.address().port }));
}

const commands = createInterface({ input: process.stdin });
commands.on('line', (line) => start(JSON.parse(line)));
commands.on('close', () => process.exit(0));
