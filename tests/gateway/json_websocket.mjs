// A plain WebSocket of a browser to the gateway's routes, as clients of grpc-gateway's WebSocket
// proxy use it: one JSON value in each text message, `{"result"}` or `{"error"}` back.

const LIMIT = 10_000; // milliseconds
const zeros = (length) => btoa('\0'.repeat(length));

function open(url) {
  const socket = new WebSocket(url);
  const [received, waiting] = [[], []];
  const settle = (item) => (waiting.length > 0 ? waiting.shift()(item) : received.push(item));
  socket.addEventListener('message', ({ data }) => settle({ value: JSON.parse(data) }));
  socket.addEventListener('close', ({ code, reason }) => settle({ closed: { code, reason } }));
  return {
    opened: new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error('the WebSocket was refused')));
    }),
    send: (value) => socket.send(JSON.stringify(value)),
    next: () =>
      received.length > 0 ? Promise.resolve(received.shift()) : new Promise((resolve) => waiting.push(resolve)),
    close: () => socket.close(),
  };
}

function expect(actual, expected) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${left} instead of ${right}`);
}

const sizeOf = ({ value }) => value?.result?.payload?.body;

const CASES = {
  // The request of a stream from the server is the first message.
  async serverStreaming(base) {
    const socket = open(`${base}/v1/output?method=POST`);
    await socket.opened;
    socket.send({ responseParameters: [{ size: 5 }, { size: 700 }] });
    expect(sizeOf(await socket.next()), zeros(5));
    expect(sizeOf(await socket.next()), zeros(700));
    socket.close();
  },

  async pingPong(base) {
    const socket = open(`${base}/v1/duplex?method=POST`);
    await socket.opened;
    for (const size of [3, 1_000, 9]) {
      socket.send({ responseParameters: [{ size }] });
      expect(sizeOf(await socket.next()), zeros(size));
    }
    socket.close();
  },

  // Without a route: the path of the method.
  async methodByPath(base) {
    const socket = open(`${base}/grpc.testing.TestService/FullDuplexCall`);
    await socket.opened;
    socket.send({ responseParameters: [{ size: 4 }] });
    expect(sizeOf(await socket.next()), zeros(4));
    socket.close();
  },

  async statusOfStream(base) {
    const socket = open(`${base}/v1/output?method=POST`);
    await socket.opened;
    socket.send({ responseParameters: [{ size: 1 }], responseStatus: { code: 5, message: 'no such fish' } });
    expect(sizeOf(await socket.next()), zeros(1));
    const { value } = await socket.next();
    expect([value?.error?.code, value?.error?.message], [5, 'no such fish']);
    socket.close();
  },

  async refusedWithoutRoute(base) {
    const socket = open(`${base}/v1/nothing`);
    const refused = await socket.opened.then(() => false, () => true);
    expect(refused, true);
  },
};

export async function talkJson(baseUrl) {
  const base = baseUrl.replace(/^http/, 'ws');
  const failures = [];
  for (const [name, run] of Object.entries(CASES)) {
    const limit = new Promise((_, reject) => setTimeout(() => reject(new Error('did not end in time')), LIMIT));
    try {
      await Promise.race([run(base), limit]);
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    }
    limit.catch(() => {});
  }
  return { name: 'WebSocket with JSON', cases: Object.keys(CASES).length, failures };
}
