// A client of the protocol sockeye.hub.v1, which docs/hub-protocol.md defines, for browsers and Node.
// The API is documented in sockeye-hub.d.ts.

const SUBPROTOCOL = 'sockeye.hub.v1';
/** The rooms in one `join`: the server's limit. */
const MAX_BATCH = 100;
/** The characters in one `join`. At most 3 bytes each, they stay below the server's 64 KiB. */
const MAX_BATCH_LENGTH = 16_000;
/** The members and users on a page of a list: the server's limit. */
const PAGE = 1000;
/** The members and users that are listed after a join. Chosen: some megabytes. */
const MAX_LISTED = 10_000;
/** The time that a connection must have been open for its loss to begin a new series of attempts. */
const RESET_AFTER = 10_000;
/** The longest delay of a timer in browsers and Node: 24 days. */
const MAX_TIMER = 2 ** 31 - 1;
/** Close codes with which a new connection would be closed as well. */
const PERMANENT = [1000, 1002, 1003, 1007, 1008, 1009, 1010];
/** The code of the refusal of a malformed command. */
const MALFORMED = 107;
/** The close code for a client that sent no `connect` in time: the next one may be faster. */
const STALE = 3502;

export class HubError extends Error {
  constructor({ code, message, temporary = false }) {
    super(message);
    this.name = 'HubError';
    this.code = code;
    this.temporary = temporary;
  }
}

class Emitter {
  #listeners = new Map();

  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  _emit(type, event) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        // An exception of the program must not stop the client: it is reported as uncaught.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

export class Hub extends Emitter {
  state = 'connecting';
  session;
  user;
  #url;
  #options;
  #rooms = new Map();
  /** Commands by id that wait for a connection or a reply. */
  #pending = new Map();
  #lastId = 0;
  #socket;
  /** Changes with each attempt to connect: what belongs to an earlier one is ignored. */
  #attempt = 0;
  /** Attempts since the last connection that lasted. */
  #attempts = 0;
  #openSince;
  #connectId;
  #silenceLimit;
  #retryTimer;
  #silenceTimer;
  /** The refreshes of the tokens of rooms, by name, and of the connection, by `undefined`. */
  #refreshes = new Map();
  /** Rooms to join with the next command. */
  #joins = new Set();
  /** Whether the joins of a new connection were sent: other commands follow them. */
  #ready = false;
  #readyTimer;
  #online = () => this.reconnect();

  constructor(url, options = {}) {
    super();
    // Throws for data that is not JSON.
    JSON.stringify(options.data);
    this.#url = url;
    this.#options = {
      base: 1_000,
      cap: 30_000,
      maxAttempts: Infinity,
      timeout: 20_000,
      maxPending: 100,
      WebSocket: globalThis.WebSocket,
      ...options,
    };
    globalThis.addEventListener?.('online', this.#online);
    // The program adds its listeners first.
    queueMicrotask(() => this.state === 'connecting' && this.#connect());
  }

  room(name) {
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new Room(this, name)));
    return room;
  }

  async rpc(method, data) {
    return (await this._request('rpc', { method, data })).data;
  }

  async send(data) {
    await this._request('send', toPayload(data));
  }

  reconnect() {
    if (this.state === 'waiting') this.#connect();
  }

  close(code = 1000, reason = '') {
    if (this.state === 'closed') return;
    // Throws for a code or reason that is not allowed.
    this.#socket?.close(code, reason);
    this.#stop(code, reason);
  }

  // Commands

  /** Sends a command, now or when connected. `repeat` says whether a lost one is sent again. */
  async _request(name, content, repeat) {
    return this.#submit(name, JSON.stringify(content), repeat);
  }

  #submit(name, content, repeat = () => false) {
    const { maxPending, timeout } = this.#options;
    if (this.state === 'closed') return Promise.reject(failure('closed', 'the hub is closed'));
    // Joins are bounded by the number of rooms, and those of a new connection precede what waits.
    if (name !== 'join' && this.#pending.size >= maxPending) {
      return Promise.reject(failure('full', `${maxPending} commands wait already`));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(failure('timeout', `no reply to ${name} within ${timeout} ms`));
      }, timeout);
      const request = { name, content, repeat, resolve, reject, timer, sent: false };
      this.#pending.set(id, request);
      // Leaving precedes a join that follows it.
      const isFirst = name === 'join' || name === 'leave';
      if (this.state === 'open' && (this.#ready || isFirst)) this.#transmit(id, request);
    });
  }

  #transmit(id, request) {
    request.sent = true;
    this.#write(`{"id":${id},"${request.name}":${request.content}}`);
  }

  #write(text) {
    // A socket that is closing drops it: the end of the connection follows.
    this.#socket.send(text);
  }

  #take(id) {
    const request = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(request?.timer);
    return request;
  }

  /** Joins a room together with all others that are joined in this turn of the event loop. */
  _join(room) {
    if (this.state !== 'open') return;
    if (this.#joins.size === 0) queueMicrotask(() => this.#flushJoins());
    this.#joins.add(room);
  }

  async #flushJoins() {
    const attempt = this.#attempt;
    const joins = [...this.#joins].filter((room) => room._wanted);
    this.#joins.clear();
    const commands = [];
    await Promise.all(
      joins.map(async (room) => {
        try {
          const token = await tokenOf(room._options.token);
          commands.push([room, token]);
        } catch (error) {
          if (attempt === this.#attempt) room._onRefused(tokenFailure(error));
        }
      }),
    );
    if (attempt !== this.#attempt || this.state !== 'open') return;
    let batch = [];
    let length = 0;
    const flush = () => {
      if (batch.length > 0) this.#sendJoins(batch);
      [batch, length] = [[], 0];
    };
    for (const [room, token] of commands) {
      if (!room._wanted) continue;
      let text;
      try {
        text = JSON.stringify(room._command(token));
      } catch (error) {
        // The program has changed its options since it called `join`.
        room._onRefused(new HubError({ code: MALFORMED, message: error.message }));
        continue;
      }
      if (batch.length === MAX_BATCH || length + text.length > MAX_BATCH_LENGTH) flush();
      batch.push([room, text]);
      length += text.length + 1;
    }
    flush();
  }

  #sendJoins(batch) {
    const content = `[${batch.map(([, text]) => text).join()}]`;
    this.#submit('join', content).catch((error) => {
      // Every wanted room is joined after a lost connection.
      if (error.code === 'lost' || error.code === 'closed') return;
      for (const [room] of batch) room._onRefused(error);
    });
  }

  // Connections

  async #connect() {
    clearTimeout(this.#retryTimer);
    const attempt = ++this.#attempt;
    this.#attempts += 1;
    this.#setState({ state: 'connecting' });
    let token;
    try {
      token = await tokenOf(this.#options.token);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this._emit('error', tokenFailure(error));
      return this.#onLost(undefined, 'no token');
    }
    if (attempt !== this.#attempt) return;
    let socket;
    try {
      socket = new this.#options.WebSocket(this.#url, [SUBPROTOCOL]);
    } catch (error) {
      // The URL is invalid, or there is no WebSocket.
      return this.#stop(undefined, error.message);
    }
    this.#socket = socket;
    this.#silenceLimit = this.#options.timeout;
    this.#heard();
    socket.onopen = () => this.#sendConnect(token);
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onclose = ({ code, reason }) => this.#onLost(code, reason);
    // Node 20 reports a failed attempt by this event alone.
    socket.onerror = () => this.#onLost(1006, 'the connection failed');
  }

  #sendConnect(token) {
    const resume = [...this.#rooms.values()]
      .filter((room) => room._byServer && room.position !== undefined)
      .map((room) => ({ room: room.name, from: room.position }));
    this.#connectId = ++this.#lastId;
    const { data } = this.#options;
    const connect = { token, data, client: 'sockeye-hub-js', resume };
    this.#write(JSON.stringify({ id: this.#connectId, connect }));
  }

  #onConnected({ error, connect }) {
    if (error) {
      const renewable = isRenewable(error.code) && typeof this.#options.token === 'function';
      if (error.temporary || renewable) return this.#onLost(undefined, error.message);
      this._emit('error', new HubError(error));
      return this.#stop(undefined, error.message);
    }
    const { session, user, data, ping, timeout, expires } = connect;
    this.session = session;
    this.user = user;
    this.#openSince = Date.now();
    this.#silenceLimit = ping ? ping + timeout : undefined;
    this.#heard();
    if (expires !== undefined) this._refreshIn(expires, this.#options.token);
    for (const room of this.#rooms.values()) if (room._wanted && !room._byServer) this.#joins.add(room);
    const attempt = this.#attempt;
    this.#setState({ state: 'open', session, user, data });
    if (attempt !== this.#attempt) return;
    const onReady = () => attempt === this.#attempt && this.#onReady();
    // A token function that does not return delays the other commands no longer.
    this.#readyTimer = setTimeout(onReady, this.#options.timeout);
    this.#flushJoins().then(onReady);
  }

  /** Sends the commands that wait, after the joins: some need a membership. */
  #onReady() {
    if (this.#ready) return;
    clearTimeout(this.#readyTimer);
    this.#ready = true;
    for (const [id, request] of this.#pending) if (!request.sent) this.#transmit(id, request);
  }

  #onMessage(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.#onLost(undefined, 'the server sent a message that is not JSON');
    }
    this.#heard();
    if (message.id === undefined) {
      for (const type in message) this.#onEvent(type, message[type]);
    } else if (message.id === this.#connectId) {
      this.#onConnected(message);
    } else {
      const request = this.#take(message.id);
      if (message.error) request?.reject(new HubError(message.error));
      else request?.resolve(message[request.name]);
    }
  }

  #onEvent(type, event) {
    if (type === 'ping') return this.#write('{"pong":{}}');
    if (type === 'message') return this._emit('message', fromPayload(event));
    if (type === 'error') return this._emit('error', new HubError(event));
    if (type === 'joined' && !this.#rooms.get(event.room)?._isAwaited()) return this.#onForced(event);
    this.#rooms.get(event?.room)?._on(type, event);
  }

  /** Handles that the server has made this client join a room. */
  #onForced(event) {
    const room = this.room(event.room);
    if (room._leaving > 0) return;
    const isNew = !room._wanted;
    room._wanted = true;
    room._byServer = true;
    if (isNew) this._emit('room', room);
    room._on('joined', event);
  }

  /** Notes that the server is alive; after a silence, the connection counts as lost. */
  #heard() {
    clearTimeout(this.#silenceTimer);
    if (this.#silenceLimit === undefined) return;
    this.#silenceTimer = setTimeout(() => this.#onLost(undefined, 'silence'), this.#silenceLimit);
  }

  #onLost(code, reason) {
    const lasted = this.#openSince !== undefined && Date.now() - this.#openSince >= RESET_AFTER;
    this.#drop();
    if (isPermanent(code)) return this.#stop(code, reason);
    if (lasted) this.#attempts = 0;
    const { base, cap, maxAttempts } = this.#options;
    if (this.#attempts >= maxAttempts) return this.#stop(code, reason);
    const delay = Math.min(requestedDelay(code, reason), cap) + jitter(base, cap, this.#attempts - 1);
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    this.#setState({ state: 'waiting', delay, code, reason });
  }

  /** Ends the connection, or the attempt. */
  #drop() {
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#readyTimer);
    for (const name of [...this.#refreshes.keys()]) this._endRefresh(name);
    this.#joins.clear();
    this.#ready = false;
    const socket = this.#socket;
    this.#socket = this.#openSince = this.session = this.user = undefined;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
    for (const room of this.#rooms.values()) room._onDisconnected();
    for (const [id, { sent, repeat }] of this.#pending) {
      if (!sent) continue;
      if (repeat()) this.#pending.get(id).sent = false;
      else this.#take(id).reject(failure('lost', 'the connection was lost before the reply'));
    }
  }

  #stop(code, reason) {
    this.state = 'closed';
    globalThis.removeEventListener?.('online', this.#online);
    this.#drop();
    const error = () => failure('closed', reason || 'the hub is closed');
    for (const id of [...this.#pending.keys()]) this.#take(id).reject(error());
    for (const room of this.#rooms.values()) room._onClosed(error());
    this.#setState({ state: 'closed', code, reason });
  }

  #setState(event) {
    this.state = event.state;
    this._emit('state', event);
  }

  // Tokens

  /**
   * Replaces a token before it expires; this ends the refresh of an earlier one. Without a function
   * for it, the server decides what follows.
   */
  _refreshIn(expires, source, room) {
    this._endRefresh(room);
    if (typeof source !== 'function') return;
    const delay = Math.min(Math.max(expires - 10_000, expires / 2), MAX_TIMER);
    const refresh = {};
    this.#refreshes.set(room, refresh);
    const isCurrent = () => this.#refreshes.get(room) === refresh;
    refresh.timer = setTimeout(async () => {
      if (expires > MAX_TIMER) return this._refreshIn(expires - delay, source, room);
      try {
        const token = await source();
        if (!isCurrent()) return;
        const reply = await this._request('refresh', { token, room });
        if (isCurrent() && reply.expires !== undefined) this._refreshIn(reply.expires, source, room);
      } catch (error) {
        if (!isCurrent()) return;
        this._emit('error', error instanceof HubError ? error : tokenFailure(error));
      }
    }, delay);
  }

  /** Ends the refresh of a room's token, or of that of the connection. */
  _endRefresh(room) {
    clearTimeout(this.#refreshes.get(room)?.timer);
    this.#refreshes.delete(room);
  }
}

export class Room extends Emitter {
  joined = false;
  position;
  members = new Map();
  users = new Set();
  _options = {};
  /** Whether the client is to be in the room. */
  _wanted = false;
  /** Whether the server has made it join. */
  _byServer = false;
  /** Commands to leave that wait for their replies. */
  _leaving = 0;
  #hub;
  /** The promises of `join`. */
  #waiting = [];
  /** Failed attempts to join in a row. */
  #failures = 0;
  #retryTimer;
  /** Changes that have arrived while the members are listed. */
  #changes;

  constructor(hub, name) {
    super();
    this.#hub = hub;
    this.name = name;
  }

  join(options = {}) {
    try {
      assertJson(options.filter, options.info);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.joined) {
      // In a room of the server's choice, presence is asked for afterwards.
      if (this._byServer && options.presence && !this._options.presence) {
        this._options = options;
        this.#list();
      }
      return Promise.resolve({ position: this.position });
    }
    this._options = options;
    if (options.from !== undefined) this.position = options.from;
    this._wanted = true;
    return new Promise((resolve, reject) => {
      if (this.#hub.state === 'closed') return reject(failure('closed', 'the hub is closed'));
      this.#waiting.push({ resolve, reject });
      if (this.#waiting.length === 1) this.#hub._join(this);
    });
  }

  async leave() {
    const isOpen = this.#hub.state === 'open';
    this.#reset(failure('closed', 'the room was left'));
    if (!isOpen) return;
    this._leaving += 1;
    try {
      await this.#hub._request('leave', [this.name]);
    } catch (error) {
      // With the connection, the server has ended the membership as well.
      if (error.code !== 'lost') throw error;
    } finally {
      this._leaving -= 1;
    }
  }

  async publish(data, { id, tags, key } = {}) {
    // The server of a room with history stores a publication once for each id.
    const repeat = () => this.position !== undefined;
    if (repeat()) id ??= randomId();
    const content = { room: this.name, ...toPayload(data), id, tags, key };
    const reply = await this.#hub._request('publish', content, () => id !== undefined && repeat());
    return reply.position;
  }

  async setFilter(filter) {
    assertJson(filter);
    this._options = { ...this._options, filter };
    await this.#hub._request('filter', { room: this.name, filter });
  }

  async update(info) {
    assertJson(info);
    this._options = { ...this._options, info };
    await this.#hub._request('update', { room: this.name, info });
  }

  async history({ from, limit, reverse } = {}) {
    const content = { room: this.name, from, limit, reverse };
    const { publications = [], position, more = false, gap } = await this.#hub._request('history', content);
    return { publications: publications.map(toPublication), position, more, gap };
  }

  async listMembers({ after, limit } = {}) {
    const reply = await this.#hub._request('members', { room: this.name, after, limit });
    return { members: reply.members ?? [], next: reply.next };
  }

  async listUsers({ after, limit } = {}) {
    const reply = await this.#hub._request('users', { room: this.name, after, limit });
    return { users: reply.users ?? [], next: reply.next };
  }

  counts() {
    return this.#hub._request('counts', { room: this.name });
  }

  // Called by the hub

  /** Returns whether a `joined` event answers a command of this client. */
  _isAwaited() {
    return this._wanted && !this._byServer;
  }

  _command(token) {
    const { filter, info, presence } = this._options;
    return { room: this.name, from: this.position, filter, info, token, presence };
  }

  _on(type, event) {
    if (type === 'refused') return this._onRefused(new HubError(event));
    if (!this._wanted) return;
    if (type === 'joined') this.#onJoined(event);
    else if (type === 'publication') this.#onPublication(event);
    else if (type === 'missed') this.#onMissed(event);
    else if (type === 'presence') this.#onPresence(toChange(event));
    else if (type === 'left') this.#onLeft(event);
  }

  _onRefused(error) {
    // The server may have made the client join meanwhile.
    if (!this._wanted || this.joined) return;
    const renewable = isRenewable(error.code) && typeof this._options.token === 'function';
    if (error.temporary || renewable) {
      const delay = jitter(1_000, 30_000, this.#failures++);
      clearTimeout(this.#retryTimer);
      this.#retryTimer = setTimeout(() => this._wanted && this.#hub._join(this), delay);
      return;
    }
    this.#reset(error);
    this._emit('refused', error);
  }

  _onDisconnected() {
    this.joined = false;
    clearTimeout(this.#retryTimer);
  }

  _onClosed(error) {
    const { position } = this;
    this.#reset(error);
    // Kept for a later page view.
    this.position = position;
  }

  #onJoined({ position, recovered, gap, publications = [], expires }) {
    this.joined = true;
    this.#failures = 0;
    this.position = position;
    const joined = { position, recovered, gap };
    for (const { resolve } of this.#waiting.splice(0)) resolve(joined);
    this._emit('joined', joined);
    if (gap) this._emit('missed', { reason: gap, position });
    publications.forEach((publication) => this.#onPublication(publication));
    // A listener may have left the room.
    if (!this.joined) return;
    if (expires === undefined) this.#hub._endRefresh(this.name);
    else this.#hub._refreshIn(expires, this._options.token, this.name);
    if (this._options.presence) this.#list();
  }

  #onPublication(event) {
    const publication = toPublication(event);
    if (publication.position !== undefined) this.position = publication.position;
    this._emit('publication', publication);
  }

  #onMissed({ reason, count, position }) {
    if (position !== undefined) this.position = position;
    this._emit('missed', { reason, count, position });
  }

  #onLeft({ code, reason }) {
    const { _options, position } = this;
    this.#reset(failure('closed', reason || 'the server has ended the membership'));
    this._emit('left', { code, reason });
    // An expired token can be replaced, unless the program has decided otherwise by now.
    if (code === 109 && typeof _options.token === 'function' && !this._wanted) {
      this.join({ ..._options, from: position }).catch(() => {});
    }
  }

  /** Lists the members and users, and applies what has changed meanwhile. */
  async #list() {
    const changes = (this.#changes = []);
    const members = await this.#all('listMembers', 'members');
    const users = members && (await this.#all('listUsers', 'users'));
    if (this.#changes !== changes) return;
    this.#changes = undefined;
    if (!users) return changes.forEach((change) => this.#onPresence(change));
    this.members = new Map(members.map((member) => [member.session, member]));
    this.users = new Set(users);
    const listed = { joined: members, updated: [], left: [], usersJoined: users, usersLeft: [] };
    this._emit('presence', listed);
    changes.forEach((change) => this.#onPresence(change));
  }

  async #all(method, field) {
    const items = [];
    let after;
    try {
      do {
        const page = await this[method]({ after, limit: PAGE });
        items.push(...page[field]);
        after = page.next;
      } while (after !== undefined && items.length < MAX_LISTED);
      return items;
    } catch (error) {
      if (error.code !== 'lost' && error.code !== 'closed') this.#hub._emit('error', error);
    }
  }

  #onPresence(change) {
    if (this.#changes) return this.#changes.push(change);
    for (const member of [...change.joined, ...change.updated]) this.members.set(member.session, member);
    for (const { session } of change.left) this.members.delete(session);
    for (const user of change.usersJoined) this.users.add(user);
    for (const user of change.usersLeft) this.users.delete(user);
    this._emit('presence', change);
  }

  #reset(error) {
    clearTimeout(this.#retryTimer);
    this.#hub._endRefresh(this.name);
    this.joined = this._wanted = this._byServer = false;
    this.position = this.#changes = undefined;
    this.#failures = 0;
    this.members = new Map();
    this.users = new Set();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

const failure = (code, message) => new HubError({ code, message, temporary: code !== 'closed' });

/** Throws for values that are not JSON. */
const assertJson = (...values) => JSON.stringify(values);

const isRenewable = (code) => code === 109 || code === 113;

const tokenFailure = (error) => failure('token', `no token: ${error?.message ?? error}`);

const tokenOf = async (source) => (typeof source === 'function' ? source() : source);

const isPermanent = (code) =>
  PERMANENT.includes(code) ||
  (code >= 3500 && code < 4000 && code !== STALE) ||
  (code >= 4500 && code < 5000);

/** Returns the delay that a close frame requests, in ms. */
function requestedDelay(code, reason) {
  const hint = /^retry after (\d+(?:\.\d+)?) s$/.exec(reason ?? '');
  if (hint) return Number(hint[1]) * 1_000;
  return code === 1012 || code === 1013 ? 5_000 : 0;
}

/** Exponential backoff with full jitter: clients that were lost together return one by one. */
const jitter = (base, cap, earlier) => Math.random() * Math.min(base * 2 ** earlier, cap);

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return toBase64(bytes);
}

const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const toPayload = (data) =>
  data instanceof Uint8Array ? { data: toBase64(data), binary: true } : { data };

const fromPayload = ({ data, binary }) => (binary ? fromBase64(data) : data);

function toPublication(event) {
  const { position, id, publisher, tags } = event;
  return { data: fromPayload(event), position, id, publisher, tags };
}

const toChange = ({ joined = [], updated = [], left = [], users_joined = [], users_left = [] }) => ({
  joined,
  updated,
  left,
  usersJoined: users_joined,
  usersLeft: users_left,
});
