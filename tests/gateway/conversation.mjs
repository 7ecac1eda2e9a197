// The conversation that every JavaScript client has with the test service through the gateway.
//
// A client is `{ name, kinds, call }`. `kinds` are the kinds of methods that it can call, and
// `call(method, requests, options)` returns the responses as they arrive: an async iterable, which
// throws `CallError`. `requests` is an async iterable. The options:
//
//   headers     metadata, an object; values of names that end with -bin are base64
//   timeout     in milliseconds
//   signal      cancels the call
//   onHeaders, onTrailers
//               called with a function that returns the value of a name. Values of names that end
//               with -bin are base64
import { BIDI, CLIENT, SERVER, UNARY, methodOf, requestOf } from './schema.mjs';

export class CallError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const CANCELLED = 1;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const UNIMPLEMENTED = 12;

const LIMIT = 20_000; // milliseconds, for every call that is not to end by itself
const LARGE_REQUEST = 271_828;
const LARGE_RESPONSE = 314_159;
const INPUT_SIZES = [27_182, 8, 1_828, 45_904];
const OUTPUT_SIZES = [31_415, 9, 2_653, 58_979];
const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';
const TRAILING_VALUE = 'q6ur';
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

function assertEqual(actual, expected, what) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left?.slice(0, 200)} instead of ${right.slice(0, 200)}`);
}

async function expectStatus(responses, code, message) {
  try {
    for await (const _ of responses);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    assertEqual(error.code, code, `code of ${JSON.stringify(error.message)}`);
    if (message !== undefined) assertEqual(error.message, message, 'message');
    return;
  }
  throw new Error(`succeeded instead of code ${code}`);
}

const payload = (size) => ({ body: new Uint8Array(size) });
const sizeOf = (response) => response.payload?.body.length;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function* each(requests) {
  yield* requests;
}

// Requests that are sent one at a time, whenever the conversation says so.
function requestQueue() {
  const queue = [];
  let wake = () => {};
  const push = (item) => {
    queue.push(item);
    wake();
  };
  async function* requests() {
    for (;;) {
      while (queue.length === 0) await new Promise((resolve) => (wake = resolve));
      const item = queue.shift();
      if (item === null) return;
      yield item;
    }
  }
  return { requests: requests(), send: push, end: () => push(null) };
}

class Conversation {
  constructor(client, schema) {
    this.client = client;
    this.schema = schema;
  }

  start(name, requests, options = {}) {
    const method = methodOf(this.schema.test, name);
    const messages = requests.map((fields) => requestOf(method, fields));
    return this.client.call(method, each(messages), { timeout: LIMIT, ...options });
  }

  async one(name, fields, options) {
    const all = [];
    for await (const response of this.start(name, [fields], options)) all.push(response);
    assertEqual(all.length, 1, 'number of responses');
    return all[0];
  }

  async emptyUnary() {
    await this.one('EmptyCall', {});
  }

  async largeUnary() {
    const request = { responseSize: LARGE_RESPONSE, payload: payload(LARGE_REQUEST) };
    assertEqual(sizeOf(await this.one('UnaryCall', request)), LARGE_RESPONSE, 'size');
  }

  async unaryWithoutSideEffects() {
    assertEqual(sizeOf(await this.one('CacheableUnaryCall', { responseSize: 1_000 })), 1_000, 'size');
  }

  async serverStreaming() {
    const sizes = [];
    const request = { responseParameters: OUTPUT_SIZES.map((size) => ({ size })) };
    for await (const response of this.start('StreamingOutputCall', [request])) sizes.push(sizeOf(response));
    assertEqual(sizes, OUTPUT_SIZES, 'sizes');
  }

  async clientStreaming() {
    const requests = INPUT_SIZES.map((size) => ({ payload: payload(size) }));
    for await (const response of this.start('StreamingInputCall', requests)) {
      assertEqual(response.aggregatedPayloadSize, 74_922, 'sum');
    }
  }

  async pingPong() {
    const method = methodOf(this.schema.test, 'FullDuplexCall');
    const { requests, send, end } = requestQueue();
    const responses = this.client.call(method, requests, { timeout: LIMIT })[Symbol.asyncIterator]();
    for (const [index, size] of OUTPUT_SIZES.entries()) {
      send(requestOf(method, { responseParameters: [{ size }], payload: payload(INPUT_SIZES[index]) }));
      const { value, done } = await responses.next();
      assertEqual([done, value && sizeOf(value)], [false, size], 'response');
    }
    end();
    assertEqual((await responses.next()).done, true, 'end');
  }

  async emptyStream() {
    for await (const _ of this.start('FullDuplexCall', [])) throw new Error('a response to no request');
  }

  async customMetadata() {
    const seen = {};
    const options = {
      headers: { [INITIAL]: 'test_initial_metadata_value', [TRAILING]: TRAILING_VALUE },
      onHeaders: (valueOf) => (seen.initial = valueOf(INITIAL)),
      onTrailers: (valueOf) => (seen.trailing = valueOf(TRAILING)),
    };
    await this.one('UnaryCall', { responseSize: 10, payload: payload(10) }, options);
    assertEqual([seen.initial, seen.trailing], ['test_initial_metadata_value', TRAILING_VALUE], 'metadata');
  }

  async statusCodeAndMessage() {
    const responseStatus = { code: UNKNOWN, message: 'test status message' };
    await expectStatus(this.start('UnaryCall', [{ responseStatus }]), UNKNOWN, responseStatus.message);
  }

  async statusOfStream() {
    const responseStatus = { code: UNKNOWN, message: 'test status message' };
    const request = { responseParameters: [{ size: 7 }], responseStatus };
    const responses = this.start('StreamingOutputCall', [request]);
    await expectStatus(responses, UNKNOWN, responseStatus.message);
  }

  async specialStatusMessage() {
    const responseStatus = { code: UNKNOWN, message: SPECIAL };
    await expectStatus(this.start('UnaryCall', [{ responseStatus }]), UNKNOWN, SPECIAL);
  }

  async unimplementedMethod() {
    await expectStatus(this.start('UnimplementedCall', [{}]), UNIMPLEMENTED);
  }

  async unimplementedService() {
    const method = methodOf(this.schema.unimplemented, 'UnimplementedCall');
    await expectStatus(this.client.call(method, each([requestOf(method, {})]), { timeout: LIMIT }), UNIMPLEMENTED);
  }

  async timeoutOnSleepingServer() {
    const request = { responseParameters: [{ size: 1, intervalUs: 30_000_000 }] };
    await expectStatus(this.start('StreamingOutputCall', [request], { timeout: 100 }), DEADLINE_EXCEEDED);
    await this.nothingRuns();
  }

  async cancelAfterFirstResponse() {
    const cancel = new AbortController();
    const request = { responseParameters: [{ size: 1 }, { size: 1, intervalUs: 30_000_000 }] };
    const responses = this.start('StreamingOutputCall', [request], { signal: cancel.signal });
    const iterator = responses[Symbol.asyncIterator]();
    assertEqual((await iterator.next()).done, false, 'end before the first response');
    cancel.abort();
    await expectStatus({ [Symbol.asyncIterator]: () => iterator }, CANCELLED);
    await this.nothingRuns();
  }

  // Waits until the upstream has ended its streams as well.
  async nothingRuns() {
    const method = methodOf(this.schema.observer, 'Running');
    const end = Date.now() + LIMIT / 2;
    for (;;) {
      let count;
      try {
        for await (const reply of this.client.call(method, each([requestOf(method, {})]), { timeout: LIMIT })) {
          count = reply.count;
        }
      } catch (error) {
        // Not every upstream has this service.
        if (error.code === UNIMPLEMENTED) return;
        throw error;
      }
      if (count === 0) return;
      if (Date.now() > end) throw new Error(`the upstream still has ${count} streams`);
      await pause(20);
    }
  }
}

const CASES = [
  [UNARY, 'emptyUnary'],
  [UNARY, 'largeUnary'],
  [UNARY, 'unaryWithoutSideEffects'],
  [SERVER, 'serverStreaming'],
  [CLIENT, 'clientStreaming'],
  [BIDI, 'pingPong'],
  [BIDI, 'emptyStream'],
  [UNARY, 'customMetadata'],
  [UNARY, 'statusCodeAndMessage'],
  [SERVER, 'statusOfStream'],
  [UNARY, 'specialStatusMessage'],
  [UNARY, 'unimplementedMethod'],
  [UNARY, 'unimplementedService'],
  [SERVER, 'timeoutOnSleepingServer'],
  [SERVER, 'cancelAfterFirstResponse'],
];

// Returns the number of cases, and the failures as `case: reason`.
export async function converse(client, schema) {
  const conversation = new Conversation(client, schema);
  const failures = [];
  let cases = 0;
  for (const [kind, name] of CASES) {
    if (!client.kinds.includes(kind)) continue;
    cases += 1;
    try {
      await withLimit(conversation[name]());
    } catch (error) {
      failures.push(`${name}: ${error.message || error}`);
    }
  }
  return { name: client.name, cases, failures };
}

async function withLimit(work) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('did not end in time')), LIMIT);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

// Prints the results of several clients, and returns the exit status.
export function report(results) {
  for (const { name, cases, failures } of results) {
    console.log(`${name}: ${cases - failures.length} of ${cases} cases`);
    for (const failure of failures) console.log(`  ${failure}`);
  }
  return results.some(({ failures }) => failures.length > 0) || results.length === 0 ? 1 : 0;
}
