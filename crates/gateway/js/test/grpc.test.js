// Tests of the client against a gateway before the service of the tests, whose URL is in
// GATEWAY_URL: the Rust test `the_javascript_client_works_in_node` runs them.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { GrpcClient, GrpcError } from '../sockeye-grpc.js';

const ECHO = 'sockeye.gateway.testing.Echo';

// A test that hangs must not hang the tests of the crate.
setTimeout(() => process.exit(1), 60_000).unref();

const client = new GrpcClient(process.env.GATEWAY_URL);
after(() => client.close());

async function collect(call) {
  const messages = [];
  for await (const message of call) {
    messages.push(message);
  }
  return messages;
}

test('all four kinds of calls pass', async () => {
  const { message, headers, trailers } = await client.unary(`${ECHO}/Unary`, { text: 'né €𝄞' });
  assert.equal(message.text, 'né €𝄞');
  assert.equal(typeof headers, 'object');
  assert.deepEqual(trailers, {});
  const replies = await collect(client.serverStream(`${ECHO}/Repeat`, { text: 'x', number: 3 }));
  assert.deepEqual(replies.map(({ number }) => number), ['0', '1', '2']);
  const all = await client.clientStream(`${ECHO}/Collect`, [{ text: 'a' }, { text: 'b' }]);
  assert.deepEqual([all.message.text, all.message.number], ['ab', '2']);
  const chat = await collect(client.bidiStream(`${ECHO}/Chat`, [{ text: 'a' }, { text: 'b' }]));
  assert.deepEqual(chat.map(({ text }) => text), ['a', 'b']);
});

test('messages may be bytes', async () => {
  // The field `text` of the request, "hi".
  const bytes = new Uint8Array([0x0a, 2, 0x68, 0x69]);
  const { message } = await client.unary(`${ECHO}/Unary`, bytes, { codec: 'proto' });
  assert.deepEqual(message, bytes);
  const chat = client.bidiStream(`${ECHO}/Chat`, [bytes, bytes], { codec: 'proto' });
  assert.deepEqual(await collect(chat), [bytes, bytes]);
});

test('a reply may come before the next request', async () => {
  const call = client.call(`${ECHO}/Chat`);
  for (const text of ['a', 'b']) {
    assert.equal(await call.send({ text }), true);
    const { value } = await call.next();
    assert.equal(value.text, text);
  }
  await call.halfClose();
  assert.deepEqual(await call.next(), { value: undefined, done: true });
  assert.equal((await call.end).code, 0);
  await assert.rejects(call.send({}));
});

test('an error has code, status, message, details and trailers', async () => {
  const failure = { code: 5, message: 'no', detail: { text: 'why' } };
  await assert.rejects(client.unary(`${ECHO}/FailUnary`, failure), (error) => {
    assert.ok(error instanceof GrpcError);
    assert.deepEqual([error.code, error.status, error.message], [5, 'not_found', 'no']);
    assert.equal(error.details[0].text, 'why');
    assert.deepEqual(error.trailers['x-failure'], ['yes']);
    return true;
  });
  const stream = client.serverStream(`${ECHO}/Fail`, { ...failure, number: 2 });
  assert.equal((await stream.next()).value.number, '0');
  assert.equal((await stream.next()).value.number, '1');
  await assert.rejects(stream.next(), { code: 5 });
  await assert.rejects(client.unary('no.Service/Method', {}), { code: 12 });
});

test('metadata are those of the client and of the call', async () => {
  client.setMetadata({ authorization: 'Bearer t', 'x-tag': 'client' });
  const metadata = { 'x-tag': ['a', 'b'] };
  const { message, headers } = await client.unary(`${ECHO}/Metadata`, {}, { metadata });
  const values = (name) =>
    message.entries.filter((entry) => entry.name === name).map(({ value }) => value);
  assert.deepEqual(values('authorization'), ['Bearer t']);
  assert.deepEqual(values('x-tag'), ['a', 'b']);
  assert.deepEqual(headers['x-echo'], ['from the server']);
});

test('a call is cancelled, by a method, by a signal and by leaving its iteration', async () => {
  const call = client.serverStream(`${ECHO}/Stall`, {});
  await call.next();
  call.cancel();
  await assert.rejects(call.next(), { code: 1 });
  const controller = new AbortController();
  const waiting = client.unary(`${ECHO}/Wait`, { number: 60_000 }, { signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, { code: 1 });
  await assert.rejects(client.unary(`${ECHO}/Unary`, {}, { signal: AbortSignal.abort() }), {
    code: 1,
  });
  const left = client.serverStream(`${ECHO}/Stall`, {});
  for await (const message of left) {
    assert.ok(message);
    break;
  }
  assert.equal((await left.end).code, 1);
});

test('a timeout ends the call', async () => {
  const waiting = client.unary(`${ECHO}/Wait`, { number: 60_000 }, { timeout: 50 });
  await assert.rejects(waiting, { code: 4, status: 'deadline_exceeded' });
});

test('a reader that is slow delays no other call, and loses nothing', async () => {
  const text = 'x'.repeat(1000);
  const slow = client.serverStream(`${ECHO}/Repeat`, { text, number: 1000 });
  await slow.next();
  const { message } = await client.unary(`${ECHO}/Unary`, { text: 'y' });
  assert.equal(message.text, 'y');
  const numbers = (await collect(slow)).map(({ number }) => Number(number));
  assert.deepEqual(numbers, Array.from({ length: 999 }, (_, index) => index + 1));
});

test('more is sent than the first credit allows', async () => {
  const text = 'é'.repeat(5000);
  async function* requests() {
    for (let count = 0; count < 100; count += 1) {
      yield { text };
    }
  }
  const { message } = await client.clientStream(`${ECHO}/Collect`, requests());
  assert.equal(message.text.length, 500_000);
});

test('requests that fail cancel the call', async () => {
  async function* requests() {
    yield { text: 'a' };
    throw new Error('broken');
  }
  await assert.rejects(client.clientStream(`${ECHO}/Collect`, requests()), { code: 1 });
});

test('calls in progress end with the client, and a closed one makes none', async () => {
  const other = new GrpcClient(process.env.GATEWAY_URL);
  const call = other.serverStream(`${ECHO}/Stall`, {});
  await call.next();
  other.close();
  await assert.rejects(call.next(), { code: 14 });
  await assert.rejects(other.unary(`${ECHO}/Unary`, {}), { code: 1 });
});

test('a gateway that cannot be reached is unavailable', async () => {
  const nowhere = new GrpcClient('ws://127.0.0.1:1/');
  await assert.rejects(nowhere.unary(`${ECHO}/Unary`, {}), { code: 14 });
});
