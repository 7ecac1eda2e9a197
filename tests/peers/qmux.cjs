// Sessions of npm `@moq/qmux` over npm `ws`.
//
// Each line of the input is a command and is answered by a line:
//   {"serve": true}    starts an echo server: {"port"}. The end of a session is reported by
//                      {"closed": port, "code", "reason"} or {"closed": port, "error"}.
//   {"connect": URL}   talks to an echo server: {"ok": true} or {"error"}.
// The program ends at the end of its input.
//
// An echo server returns the data of a bidirectional stream on the same stream, a reset by a reset
// with the same code, the data of a unidirectional stream on a new one, and datagrams.
'use strict';

const { createInterface } = require('node:readline');
const { pathToFileURL } = require('node:url');
const { WebSocket, WebSocketServer } = require('ws');

const STREAMS = 4;
const STREAM_LENGTH = 2_500_000;
const UNI_LENGTH = 1_000_000;
const RESET_CODE = 41;

// The package uses what Node has since version 22.
globalThis.WebSocket ??= WebSocket;
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const printJson = (report) => console.log(JSON.stringify(report));

function bytes(seed, length) {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) % 251);
}

async function readAll(readable) {
  const chunks = [];
  for await (const chunk of readable) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function writeAll(writable, data) {
  const writer = writable.getWriter();
  for (let begin = 0; begin < data.length; begin += 50_000) {
    await writer.write(data.subarray(begin, begin + 50_000));
  }
  await writer.close();
}

function check(condition, message) {
  if (!condition) throw new Error(message);
}

async function echoStreams(session) {
  for await (const { readable, writable } of session.incomingBidirectionalStreams) {
    readable.pipeTo(writable).catch(() => {});
  }
}

async function echoUniStreams(session) {
  for await (const readable of session.incomingUnidirectionalStreams) {
    const data = await readAll(readable);
    await writeAll(await session.createUnidirectionalStream(), data);
  }
}

async function echo(session) {
  const ignore = () => {};
  echoStreams(session).catch(ignore);
  echoUniStreams(session).catch(ignore);
  session.datagrams.readable.pipeTo(session.datagrams.writable).catch(ignore);
  return session.closed;
}

async function talk(session, StreamError) {
  await session.ready;
  const streams = Array.from({ length: STREAMS }, async (_, seed) => {
    const { readable, writable } = await session.createBidirectionalStream();
    const data = bytes(seed, STREAM_LENGTH);
    const [echoed] = await Promise.all([readAll(readable), writeAll(writable, data)]);
    check(echoed.equals(data), `stream ${seed} came back changed`);
  });
  await Promise.all(streams);

  const data = bytes(100, UNI_LENGTH);
  await writeAll(await session.createUnidirectionalStream(), data);
  const incoming = session.incomingUnidirectionalStreams.getReader();
  const { value: readable } = await incoming.read();
  check((await readAll(readable)).equals(data), 'the unidirectional stream came back changed');

  const { readable: answer, writable } = await session.createBidirectionalStream();
  const [reader, writer] = [answer.getReader(), writable.getWriter()];
  await writer.write(bytes(0, 1));
  check((await reader.read()).value.length === 1, 'a byte came back as another length');
  await writer.abort(new StreamError(RESET_CODE));
  const error = await reader.read().catch((error) => error);
  check(error.streamErrorCode === RESET_CODE, `${error} in place of a reset`);

  const [sender, receiver] = [session.datagrams.writable, session.datagrams.readable];
  await sender.getWriter().write(bytes(0, 1000));
  const { value: datagram } = await receiver.getReader().read();
  check(Buffer.from(datagram).equals(bytes(0, 1000)), 'the datagram came back changed');
  session.close({ closeCode: 7, reason: 'done' });
  await session.closed;
}

function serve({ default: Session, selectSubprotocol }) {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    handleProtocols: (offered) => selectSubprotocol([...offered]) ?? false,
  });
  const { promise, resolve } = Promise.withResolvers();
  server.on('listening', () => resolve({ port: server.address().port }));
  server.on('connection', (socket) => {
    const closed = server.address().port;
    echo(Session.accept(socket)).then(
      ({ closeCode, reason }) => printJson({ closed, code: closeCode, reason }),
      (error) => printJson({ closed, error: String(error) }),
    );
  });
  return promise;
}

async function answer(command) {
  const qmux = await import(pathToFileURL(require.resolve('@moq/qmux')));
  if (command.serve) return serve(qmux);
  await talk(new qmux.default(command.connect), qmux.StreamError);
  return { ok: true };
}

const commands = createInterface({ input: process.stdin });
commands.on('line', (line) =>
  answer(JSON.parse(line)).then(printJson, (error) => printJson({ error: String(error?.stack) })),
);
commands.on('close', () => process.exit(0));
