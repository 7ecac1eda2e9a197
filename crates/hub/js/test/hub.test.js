// Tests of the client against a server of the hub, whose port is in HUB_PORT: the Rust test
// `the_javascript_client_works_in_node` runs them.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';
import { Hub, HubError } from '../sockeye-hub.js';

const PORT = Number(process.env.HUB_PORT);
const DIRECT = `ws://127.0.0.1:${PORT}/`;
const FAST = { base: 20, cap: 100, timeout: 5_000 };

// A test that hangs must not hang the tests of the crate.
setTimeout(() => process.exit(1), 120_000).unref();

const open = new Set();
after(() => open.forEach((hub) => hub.close()));

function connect(url = DIRECT, options = {}) {
  const hub = new Hub(url, { ...FAST, ...options });
  open.add(hub);
  return hub;
}

/** Waits for an event that fulfils a condition. */
function event(emitter, type, condition = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${type} in time`)), 10_000);
    const off = emitter.on(type, (value) => {
      if (!condition(value)) return;
      off();
      clearTimeout(timer);
      resolve(value);
    });
  });
}

const state = (hub, wanted) => event(hub, 'state', (value) => value.state === wanted);

/** A TCP proxy to the server, whose connections can be cut, and whose answers can be held back. */
class Proxy {
  #sockets = new Set();
  #server = net.createServer((client) => this.#onConnection(client));
  isUp = true;
  holdsAnswers = false;

  static async start() {
    const proxy = new Proxy();
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.#server.unref();
    proxy.url = `ws://127.0.0.1:${proxy.#server.address().port}/`;
    return proxy;
  }

  #onConnection(client) {
    if (!this.isUp) return client.destroy();
    const server = net.connect(PORT, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        server.destroy();
        this.#sockets.delete(socket);
      });
    }
    client.on('data', (data) => server.write(data));
    server.on('data', (data) => this.holdsAnswers || client.write(data));
  }

  cut() {
    this.isUp = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  restore() {
    this.isUp = true;
    this.holdsAnswers = false;
  }
}

/** Signs a token with HMAC. */
function sign(claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', process.env.HUB_SECRET).update(text).digest('base64url')}`;
}

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

test('publications arrive with position, id, publisher and tags', async () => {
  const hub = connect();
  const room = hub.room('log:basics');
  assert.equal(hub.room('log:basics'), room);
  const joined = await room.join();
  assert.equal(typeof joined.position, 'string');
  const arrival = event(room, 'publication');
  const position = await room.publish({ text: 'hello' }, { id: 'one', tags: { level: 'info' } });
  const publication = await arrival;
  assert.deepEqual(publication, {
    data: { text: 'hello' },
    position,
    id: 'one',
    publisher: hub.session,
    tags: { level: 'info' },
  });
  assert.equal(room.position, position);
  const bytes = event(room, 'publication');
  await room.publish(new Uint8Array([0, 255]));
  assert.deepEqual((await bytes).data, new Uint8Array([0, 255]));
});

/** Returns a WebSocket class that adds the messages that it sends to a list. */
const recorder = (sent) =>
  class extends WebSocket {
    send(text) {
      sent.push(JSON.parse(text));
      super.send(text);
    }
  };

test('rooms that are joined in one turn are joined by one command', async () => {
  const sent = [];
  const hub = connect(DIRECT, { WebSocket: recorder(sent) });
  await state(hub, 'open');
  await Promise.all(['a', 'b', 'c'].map((name) => hub.room(name).join()));
  const joins = sent.filter((message) => message.join);
  assert.deepEqual(joins.map((message) => message.join.map(({ room }) => room)), [['a', 'b', 'c']]);
});

test('after a dropped connection everything is recovered once and in order', async () => {
  const proxy = await Proxy.start();
  const hub = connect(proxy.url);
  const room = hub.room('log:recovery');
  const received = [];
  const missed = [];
  room.on('publication', ({ data }) => received.push(data));
  room.on('missed', (value) => missed.push(value));
  await room.join();
  await room.publish(0);

  const publisher = connect().room('log:recovery');
  await publisher.join();
  const waiting = state(hub, 'waiting');
  proxy.cut();
  await waiting;
  assert.equal(room.joined, false);
  for (let number = 1; number <= 1000; number++) await publisher.publish(number);
  // Without a connection, it waits for one.
  const own = room.publish(1001);
  const rejoined = event(room, 'joined');
  proxy.restore();
  assert.equal((await rejoined).recovered, true);
  await own;
  await publisher.publish(1002);
  if (received.length < 1003) await event(room, 'publication', ({ data }) => data === 1002);
  assert.deepEqual(received, Array.from({ length: 1003 }, (_, number) => number));
  assert.deepEqual(missed, []);
});

test('publications that wait are sent after the rooms are joined again', async () => {
  const proxy = await Proxy.start();
  const hub = connect(proxy.url, { token: sign({ sub: 'ada', exp: inSeconds(60) }) });
  const room = hub.room('members:order');
  await room.join({
    token: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return sign({ sub: 'ada', channel: 'members:order', exp: inSeconds(60) });
    },
  });
  const waiting = state(hub, 'waiting');
  proxy.cut();
  await waiting;
  const received = [];
  room.on('publication', ({ data }) => received.push(data));
  const published = [1, 2].map((number) => room.publish(number));
  const isOpen = state(hub, 'open');
  hub.on('state', ({ state }) => state === 'open' && published.push(room.publish(3)));
  proxy.restore();
  await isOpen;
  published.push(room.publish(4));
  await Promise.all(published);
  if (received.length < 4) await event(room, 'publication', ({ data }) => data === 4);
  assert.deepEqual(received, [1, 2, 3, 4]);
});

test('joins are divided by the length of a command', async () => {
  const proxy = await Proxy.start();
  const sent = [];
  const token = sign({ sub: 'ada', exp: inSeconds(60) });
  const hub = connect(proxy.url, { token, WebSocket: recorder(sent) });
  const rooms = Array.from({ length: 100 }, (_, number) => hub.room(`lobby:${number}`));
  const claims = { sub: 'ada', exp: inSeconds(60), note: 'x'.repeat(1_000) };
  const join = (room) => room.join({ token: () => sign({ ...claims, channel: room.name }) });
  await Promise.all(rooms.map(join));
  const waiting = state(hub, 'waiting');
  proxy.cut();
  await waiting;
  const joined = Promise.all(rooms.map((room) => event(room, 'joined')));
  proxy.restore();
  await joined;
  const lengths = sent.filter(({ join }) => join).map((message) => JSON.stringify(message).length);
  assert.ok(Math.max(...lengths) < 17_000, `${lengths}`);
});

test('data that is not JSON is refused, and stops nothing else', async () => {
  const cycle = {};
  cycle.self = cycle;
  const hub = connect();
  const room = hub.room('lobby:cycle');
  const refuse = async () => {
    await assert.rejects(hub.rpc('echo', cycle), TypeError);
    await assert.rejects(hub.send(cycle), TypeError);
    await assert.rejects(room.publish(cycle), TypeError);
    await assert.rejects(room.join({ info: cycle }), TypeError);
    await assert.rejects(room.setFilter(cycle), TypeError);
    await assert.rejects(room.update(10n), TypeError);
  };
  assert.throws(() => new Hub(DIRECT, { data: cycle }), TypeError);
  await refuse();
  const answered = hub.rpc('echo', 1);
  await room.join();
  assert.equal(await answered, 1);
  await refuse();
  await room.publish(1);
});

test('a publication whose reply was lost is repeated and stored once', async () => {
  const proxy = await Proxy.start();
  const hub = connect(proxy.url);
  const room = hub.room('log:acknowledgement');
  await room.join();
  const observer = connect().room('log:acknowledgement');
  const seen = [];
  observer.on('publication', (publication) => seen.push(publication));
  await observer.join();

  proxy.holdsAnswers = true;
  const published = room.publish('once');
  const { position } = await event(observer, 'publication');
  proxy.cut();
  proxy.restore();
  assert.equal(await published, position);
  await observer.publish('end');
  if (seen.length < 2) await event(observer, 'publication', ({ data }) => data === 'end');
  assert.deepEqual(seen.map(({ data }) => data), ['once', 'end']);
});

test('in a room without history, a publication whose reply was lost fails', async () => {
  const proxy = await Proxy.start();
  const hub = connect(proxy.url);
  await hub.room('lobby:lost').join();
  proxy.holdsAnswers = true;
  const published = hub.room('lobby:lost').publish('?');
  proxy.cut();
  await assert.rejects(published, { code: 'lost' });
});

test('a gap is an event with its reason', async () => {
  const proxy = await Proxy.start();
  const hub = connect(proxy.url);
  const room = hub.room('short:gap');
  await room.join();
  const waiting = state(hub, 'waiting');
  proxy.cut();
  await waiting;
  const publisher = connect().room('short:gap');
  for (let number = 0; number < 50; number++) await publisher.publish(number);
  const missed = event(room, 'missed');
  proxy.restore();
  const { reason, position } = await missed;
  assert.equal(reason, 'trimmed');
  assert.equal(room.position, position);
  const next = event(room, 'publication');
  await publisher.publish('next');
  assert.equal((await next).data, 'next');
});

test('members and users are kept up to date', async () => {
  const tokenOf = (sub) => sign({ sub, exp: inSeconds(60) });
  const ada = connect(DIRECT, { token: tokenOf('ada') });
  const room = ada.room('lobby:presence');
  await room.join({ presence: true, info: { name: 'Ada' } });
  const grace = connect(DIRECT, { token: async () => tokenOf('grace') });
  const names = () => [...room.members.values()].map(({ info }) => info.name).sort();
  const become = async (expected) => {
    const deadline = Date.now() + 10_000;
    while (names().join() !== expected.join()) {
      assert.ok(Date.now() < deadline, `members ${names()}`);
      await event(room, 'presence');
    }
  };
  await become(['Ada']);
  await grace.room('lobby:presence').join({ info: { name: 'Grace' } });
  await become(['Ada', 'Grace']);
  assert.deepEqual([...room.users].sort(), ['ada', 'grace']);
  assert.equal(grace.user, 'grace');
  await grace.room('lobby:presence').update({ name: 'Grace Hopper' });
  await become(['Ada', 'Grace Hopper']);
  assert.deepEqual(await room.counts(), { sessions: 2, users: 2 });
  await grace.room('lobby:presence').leave();
  await become(['Ada']);
});

test('changes are not lost when the list of members fails', async () => {
  const grace = connect();
  await state(grace, 'open');
  let onChange;
  const changed = new Promise((resolve) => (onChange = resolve));
  class Observer extends WebSocket {
    constructor(...options) {
      super(...options);
      const isChange = (data) => data.includes('"presence"') && data.includes(grace.session);
      // The client handles the message before this timer fires.
      this.addEventListener('message', ({ data }) => isChange(data) && setTimeout(onChange));
    }
  }
  const room = connect(DIRECT, { WebSocket: Observer }).room('lobby:failing');
  room.listMembers = async () => {
    await changed;
    throw new HubError({ code: 100, message: 'no list' });
  };
  await room.join({ presence: true });
  const presence = event(room, 'presence', () => room.members.has(grace.session));
  await grace.room('lobby:failing').join();
  await presence;
});

test('RPCs are answered, and refusals are errors', async () => {
  const hub = connect();
  assert.deepEqual(await hub.rpc('echo', { a: [1] }), { a: [1] });
  const error = await hub.rpc('dance').catch((error) => error);
  assert.ok(error instanceof HubError);
  assert.equal(error.code, 404);
  const message = event(hub, 'message');
  await hub.send({ ping: 1 });
  assert.deepEqual(await message, { ping: 1 });

  const secret = hub.room('secret');
  const refused = event(secret, 'refused');
  await assert.rejects(secret.join(), { code: 103, message: 'members only' });
  assert.equal((await refused).code, 103);
});

test('history is read in pages', async () => {
  const room = connect().room('log:pages');
  await room.join();
  for (let number = 0; number < 5; number++) await room.publish(number);
  const page = await room.history({ limit: 3, reverse: true });
  assert.deepEqual(page.publications.map(({ data }) => data), [4, 3, 2]);
  assert.equal(page.more, true);
  const rest = await room.history({ from: page.publications.at(-1).position, reverse: true });
  assert.deepEqual(rest.publications.map(({ data }) => data), [1, 0]);
  assert.equal(rest.more, false);
});

test('a room that the server chooses is an event', async () => {
  const hub = connect();
  const invited = event(hub, 'room');
  await hub.rpc('invite');
  const room = await invited;
  assert.equal(room.name, 'log:invited');
  const arrival = event(room, 'publication');
  await room.publish('hi');
  assert.equal((await arrival).data, 'hi');
});

test('close codes decide whether the client returns, and when', async () => {
  for (const code of [4500, 3500, 1008, 1000]) {
    const hub = connect();
    const closed = state(hub, 'closed');
    await hub.rpc('close', [code, 'bye']).catch(() => {});
    const value = await closed;
    assert.deepEqual([value.code, value.reason], [code, 'bye']);
    await assert.rejects(hub.rpc('echo'), { code: 'closed' });
  }
  for (const [code, reason, least, most] of [
    [4000, 'again', 0, 20],
    [3502, 'stale', 0, 20],
    [1012, 'retry after 0.1 s', 100, 120],
    [1013, '', 5_000, 5_020],
  ]) {
    const hub = connect(DIRECT, { cap: 30_000 });
    const waiting = state(hub, 'waiting');
    await hub.rpc('close', [code, reason]).catch(() => {});
    const { delay } = await waiting;
    assert.ok(delay >= least && delay <= most, `${code}: ${delay}`);
    if (delay < 1_000) await state(hub, 'open');
    hub.close();
  }
});

test('without a server, commands are bounded in number and time', async () => {
  const proxy = await Proxy.start();
  proxy.cut();
  const hub = connect(proxy.url, { maxPending: 2, timeout: 200 });
  const room = hub.room('lobby');
  const waiting = [room.publish(1), room.publish(2)];
  await assert.rejects(room.publish(3), { code: 'full' });
  for (const publish of waiting) await assert.rejects(publish, { code: 'timeout' });
  hub.close();
  await assert.rejects(room.join(), { code: 'closed' });
});

test('attempts end after their maximum number', async () => {
  const proxy = await Proxy.start();
  proxy.cut();
  const hub = connect(proxy.url, { maxAttempts: 3 });
  const states = [];
  hub.on('state', ({ state }) => states.push(state));
  await state(hub, 'closed');
  assert.equal(states.filter((state) => state === 'connecting').length, 3);
});

test('tokens are replaced before they expire', async () => {
  let tokens = 0;
  let roomTokens = 0;
  const hub = connect(DIRECT, {
    token: () => {
      tokens += 1;
      return sign({ sub: 'ada', exp: inSeconds(2) });
    },
  });
  const room = hub.room('log:token');
  await room.join({
    token: async () => {
      roomTokens += 1;
      return sign({ sub: 'ada', channel: 'log:token', exp: inSeconds(2) });
    },
  });
  const ended = [];
  hub.on('state', ({ state }) => ended.push(state));
  room.on('left', (value) => ended.push(value));
  hub.on('error', (error) => ended.push(error));
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  assert.deepEqual(ended, []);
  assert.ok(tokens > 1 && roomTokens > 1, `${tokens}, ${roomTokens}`);
  await room.publish('still here');
});

test('the token of a room is not replaced after the room was left', async () => {
  const hub = connect(DIRECT, { token: sign({ sub: 'ada', exp: inSeconds(60) }) });
  const errors = [];
  hub.on('error', (error) => errors.push(error));
  const room = hub.room('lobby:left');
  let tokens = 0;
  const token = () => {
    tokens += 1;
    return sign({ sub: 'ada', channel: 'lobby:left', exp: inSeconds(3) });
  };
  for (let number = 0; number < 3; number++) {
    await room.join({ token });
    await room.leave();
  }
  await room.join({ token });
  // A token is replaced after half of its time, which is 1 s to 1.5 s.
  await new Promise((resolve) => setTimeout(resolve, 1_800));
  assert.deepEqual([tokens, errors], [5, []]);
});

test('a silent server is left', async () => {
  // The proxy keeps the connection open, but nothing arrives any more.
  const proxy = await Proxy.start();
  const hub = connect(proxy.url, { timeout: 300 });
  proxy.holdsAnswers = true;
  const { reason } = await state(hub, 'waiting');
  assert.equal(reason, 'silence');
});

test('an exception of a listener does not stop the client', async () => {
  const uncaught = [];
  const { queueMicrotask } = globalThis;
  globalThis.queueMicrotask = (task) =>
    queueMicrotask(() => {
      try {
        task();
      } catch (error) {
        uncaught.push(error.message);
      }
    });
  try {
    const room = connect().room('lobby:listener');
    room.on('publication', () => {
      throw new Error('of the program');
    });
    await room.join();
    const arrival = event(room, 'publication');
    await room.publish(1);
    assert.equal((await arrival).data, 1);
    await new Promise((resolve) => setTimeout(resolve));
    assert.deepEqual(uncaught, ['of the program']);
  } finally {
    globalThis.queueMicrotask = queueMicrotask;
  }
});
