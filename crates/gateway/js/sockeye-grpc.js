// A client of the protocol sockeye.grpc.v1, which docs/grpc-websocket-protocol.md defines, for
// browsers and Node. The API is documented in sockeye-grpc.d.ts.

const SUBPROTOCOL = 'sockeye.grpc.v1';
/** The credit of both directions of a call at its beginning, in bytes. */
const INITIAL_CREDIT = 65_536;
/** The length of flags and id in a binary message. */
const BINARY_HEADER = 5;
/** The flag of a binary message after which the client sends no more. */
const HALF_CLOSE = 1;
/** The longest delay of a timer in browsers and Node: 24 days. */
const MAX_TIMER = 2 ** 31 - 1;
const MAX_ID = 2 ** 32 - 1;

const STATUSES = [
  'ok',
  'canceled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'unimplemented',
  'internal',
  'unavailable',
  'data_loss',
  'unauthenticated',
];

const CANCELED = 1;
const DEADLINE_EXCEEDED = 4;
const INTERNAL = 13;
const UNAVAILABLE = 14;

export class GrpcError extends Error {
  constructor({ code, message, details, trailers }) {
    super(message || STATUSES[code]);
    this.name = 'GrpcError';
    this.code = code;
    this.status = STATUSES[code];
    this.details = details;
    this.trailers = trailers;
  }
}

/** Returns the end of a call that the server has not sent. */
function localEnd(code, message) {
  return { code, status: STATUSES[code], message, details: [], trailers: {} };
}

/** Returns the length of a text in UTF-8, in bytes. */
function utf8Length(text) {
  let length = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) {
      // A surrogate pair has two units, and four bytes.
      length += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
    }
  }
  return length;
}

/** One WebSocket, and the calls on it. */
class Connection {
  isOver = false;
  #socket;
  #calls = new Map();
  #lastId = 0;

  constructor(url, options, metadata) {
    const WebSocketClass = options.WebSocket ?? globalThis.WebSocket;
    const socket = new WebSocketClass(url, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.opened = new Promise((resolve) => {
      socket.onopen = () => {
        if (metadata) {
          this.sendMetadata(metadata);
        }
        resolve();
      };
      socket.onclose = ({ code, reason }) => {
        this.#onOver(`the WebSocket was closed with ${code}${reason ? `: ${reason}` : ''}`);
        resolve();
      };
      socket.onerror = () => {
        // An open WebSocket is closed next. Node has no event of closing for one that was not open.
        if (socket.readyState !== 1) {
          this.#onOver('the WebSocket could not be opened');
          resolve();
        }
      };
    });
    socket.onmessage = ({ data }) => this.#onMessage(data);
  }

  get isUsable() {
    return !this.isOver && this.#lastId < MAX_ID;
  }

  /** Adds a call, and returns its id. */
  register(call) {
    this.#lastId += 1;
    this.#calls.set(this.#lastId, call);
    return this.#lastId;
  }

  forget(id) {
    this.#calls.delete(id);
  }

  sendMetadata(metadata) {
    this.send(JSON.stringify({ auth: { metadata } }));
  }

  send(data) {
    if (!this.isOver && this.#socket.readyState === 1) {
      this.#socket.send(data);
    }
  }

  close() {
    this.#socket.close(1000);
    this.#onOver('the client was closed');
  }

  #onOver(message) {
    this.isOver = true;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) {
      call._onEnd(localEnd(UNAVAILABLE, message));
    }
  }

  #onMessage(data) {
    if (typeof data !== 'string') {
      const id = new DataView(data).getUint32(1);
      const message = new Uint8Array(data, BINARY_HEADER);
      this.#calls.get(id)?._onMessage(message, data.byteLength);
      return;
    }
    const frame = JSON.parse(data);
    const call = this.#calls.get(frame.id);
    if (!call) {
      return;
    }
    if ('message' in frame) {
      call._onMessage(frame.message, utf8Length(data));
    } else if (frame.headers) {
      call._onHeaders(frame.headers);
    } else if (frame.credit) {
      call._onCredit(frame.credit);
    } else if (frame.end) {
      this.forget(frame.id);
      call._onEnd(frame.end);
    }
  }
}

export class GrpcClient {
  #url;
  #options;
  #metadata;
  #connection;
  #isClosed = false;

  constructor(url, options = {}) {
    // A relative URL, or one of HTTP, is that of the page.
    const absolute = new URL(url, globalThis.location?.href);
    absolute.protocol = absolute.protocol.replace(/^http/, 'ws');
    this.#url = absolute.href;
    this.#options = options;
    this.#metadata = options.metadata;
  }

  /** Opens the WebSocket, before the first call does. */
  connect() {
    return this._connection().opened;
  }

  setMetadata(metadata) {
    this.#metadata = metadata;
    this.#connection?.sendMetadata(metadata);
  }

  call(method, options = {}) {
    return new Call(this, method, options, undefined);
  }

  async unary(method, message, options = {}) {
    return new Call(this, method, options, { message }).response();
  }

  serverStream(method, message, options = {}) {
    return new Call(this, method, options, { message });
  }

  async clientStream(method, messages, options = {}) {
    const call = this.call(method, options);
    call.sendAll(messages);
    return call.response();
  }

  bidiStream(method, messages, options = {}) {
    const call = this.call(method, options);
    call.sendAll(messages);
    return call;
  }

  close() {
    this.#isClosed = true;
    this.#connection?.close();
  }

  _connection() {
    if (this.#isClosed) {
      throw new GrpcError(localEnd(CANCELED, 'the client was closed'));
    }
    if (!this.#connection?.isUsable) {
      this.#connection = new Connection(this.#url, this.#options, this.#metadata);
    }
    return this.#connection;
  }
}

export class Call {
  headers;
  end;
  #options;
  #connection;
  #id;
  /** Whether the requests have ended. */
  #isHalfClosed;
  #ended;
  /** Resolves with the headers of the response, or when there will be none. */
  #onHeaders;
  #onEnd;
  /** The last request so far: requests are sent one after the other. */
  #sending;
  /** The bytes of requests that the server allows. */
  #credit = INITIAL_CREDIT;
  #onMoreCredit;
  /** The credit that the server begins with, in bytes. */
  #window;
  /** Responses that were not taken, with their lengths. */
  #received = [];
  /** The bytes of responses that were taken since credit was last given. */
  #taken = 0;
  #onReceived;
  #timer;
  #onAbort = () => this.cancel();

  constructor(client, method, options, first) {
    this.#options = options;
    this.#window = options.credit ?? INITIAL_CREDIT;
    this.#isHalfClosed = first !== undefined;
    this.headers = new Promise((resolve) => {
      this.#onHeaders = resolve;
    });
    this.end = new Promise((resolve) => {
      this.#onEnd = resolve;
    });
    const deadline = options.timeout === undefined ? undefined : Date.now() + options.timeout;
    if (deadline !== undefined) {
      this.#timer = setTimeout(
        () => this.#stop(DEADLINE_EXCEEDED, 'the deadline of the call passed'),
        Math.min(options.timeout, MAX_TIMER),
      );
    }
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#sending = this.#start(client, method, first, deadline);
    if (options.signal?.aborted) {
      this.cancel();
    }
  }

  async send(message) {
    if (this.#isHalfClosed) {
      throw new Error('the requests of the call have ended');
    }
    return this.#enqueue(message, false);
  }

  async halfClose() {
    if (!this.#isHalfClosed) {
      this.#isHalfClosed = true;
      await this.#enqueue(undefined, true);
    }
  }

  /** Sends all messages of an iterable, and ends the requests. */
  async sendAll(messages) {
    try {
      for await (const message of messages) {
        if (this.#ended || !(await this.send(message))) {
          return;
        }
      }
      await this.halfClose();
    } catch (error) {
      this.#stop(CANCELED, `the requests failed: ${error.message}`);
    }
  }

  cancel() {
    this.#stop(CANCELED, 'the client cancelled the call');
  }

  /** Returns the only response of a method. */
  async response() {
    let response;
    let count = 0;
    for await (const message of this) {
      response = message;
      count += 1;
    }
    const { trailers } = await this.end;
    if (count !== 1) {
      const message = `the method returned ${count} messages`;
      throw new GrpcError({ ...localEnd(INTERNAL, message), trailers });
    }
    return { message: response, headers: await this.headers, trailers };
  }

  /** Returns the next response, or the end of the iteration. */
  async next() {
    while (this.#received.length === 0) {
      if (this.#ended) {
        if (this.#ended.code !== 0) {
          throw new GrpcError(this.#ended);
        }
        return { value: undefined, done: true };
      }
      await new Promise((resolve) => {
        this.#onReceived = resolve;
      });
    }
    const { message, length } = this.#received.shift();
    this.#taken += length;
    if (!this.#ended && this.#taken >= this.#window / 2) {
      this.#sendText({ credit: this.#taken });
      this.#taken = 0;
    }
    return { value: message, done: false };
  }

  /** Cancels the call when an iteration is left early. */
  async return(value) {
    this.cancel();
    return { value, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async #start(client, method, first, deadline) {
    try {
      this.#connection = client._connection();
    } catch (error) {
      this._onEnd(localEnd(error.code ?? UNAVAILABLE, error.message));
      return;
    }
    await this.#connection.opened;
    if (this.#connection.isOver) {
      this._onEnd(localEnd(UNAVAILABLE, 'the WebSocket could not be opened'));
    }
    if (this.#ended) {
      return;
    }
    this.#id = this.#connection.register(this);
    const { metadata, codec } = this.#options;
    const start = { method, metadata, codec, credit: this.#options.credit };
    if (deadline !== undefined) {
      start.timeout_ms = Math.max(1, Math.ceil(deadline - Date.now()));
    }
    if (first !== undefined && codec !== 'proto') {
      start.message = first.message;
      start.half_close = true;
    }
    const sent = this.#sendText({ start });
    if (start.half_close) {
      this.#credit -= sent;
    } else if (first !== undefined) {
      this.#sendMessage(first.message, true);
    }
  }

  /** Sends a request, or the end of the requests, after those before and once there is credit. */
  #enqueue(message, isEnd) {
    const before = this.#sending;
    const sending = (async () => {
      await before;
      while (!isEnd && !this.#ended && this.#credit <= 0) {
        await new Promise((resolve) => {
          this.#onMoreCredit = resolve;
        });
      }
      if (this.#ended) {
        return false;
      }
      if (isEnd) {
        this.#sendText({ half_close: true });
      } else {
        this.#sendMessage(message, false);
      }
      return true;
    })();
    // A message that cannot be written does not keep those after it from being sent.
    this.#sending = sending.catch(() => {});
    return sending;
  }

  #sendMessage(message, isLast) {
    if (this.#options.codec !== 'proto') {
      this.#credit -= this.#sendText({ message });
      return;
    }
    const frame = new Uint8Array(BINARY_HEADER + message.length);
    frame[0] = isLast ? HALF_CLOSE : 0;
    new DataView(frame.buffer).setUint32(1, this.#id);
    frame.set(message, BINARY_HEADER);
    this.#credit -= frame.length;
    this.#connection.send(frame);
  }

  /** Sends a text message, and returns its length in bytes. */
  #sendText(fields) {
    const text = JSON.stringify({ id: this.#id, ...fields });
    this.#connection.send(text);
    return utf8Length(text);
  }

  /** Ends the call here and at the server. */
  #stop(code, message) {
    if (this.#ended) {
      return;
    }
    if (this.#id !== undefined) {
      this.#sendText({ cancel: true });
      this.#connection.forget(this.#id);
    }
    this._onEnd(localEnd(code, message));
  }

  _onHeaders(headers) {
    this.#onHeaders(headers);
  }

  _onMessage(message, length) {
    this.#received.push({ message, length });
    this.#onReceived?.();
  }

  _onCredit(bytes) {
    this.#credit += bytes;
    this.#onMoreCredit?.();
  }

  _onEnd(end) {
    if (this.#ended) {
      return;
    }
    this.#ended = end;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#onHeaders({});
    this.#onEnd(end);
    this.#onReceived?.();
    this.#onMoreCredit?.();
  }
}
