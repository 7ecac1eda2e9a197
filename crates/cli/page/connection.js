// An echo connection that reconnects automatically.
//
//   connecting ──open──► open ──drop──► waiting ──time or retryNow()──► connecting
//                          └─disconnect()─► closing ──► closed ──connect()──► connecting

import { retryHint } from "./closing.js";

export const SUBPROTOCOL = "echo.sockeye";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
// Maximum delay that a server may request, in milliseconds.
const LONGEST_HINT = 30_000;
// Lifetime of a connection, in milliseconds, after which the next retry delay is short again.
const STEADY = 5_000;

export class EchoConnection extends EventTarget {
  phase = "closed";
  openedAt = 0;
  retryAt = 0;
  // The end of the last connection that had been open, and the number of attempts that failed
  // since.
  ending = null;
  failures = 0;
  sent = { messages: 0, bytes: 0 };
  received = { messages: 0, bytes: 0 };
  #socket = null;
  #outstanding = [];
  #attempts = 0;
  #timer = 0;

  constructor(url) {
    super();
    this.url = url;
  }

  get subprotocol() {
    return this.#socket?.protocol ?? "";
  }

  get extensions() {
    return this.#socket?.extensions ?? "";
  }

  // Returns the milliseconds since the oldest unanswered message was sent; 0 if all are answered.
  get silence() {
    return this.#outstanding.length ? performance.now() - this.#outstanding[0].sentAt : 0;
  }

  get outstanding() {
    return this.#outstanding.length;
  }

  connect() {
    clearTimeout(this.#timer);
    if (this.phase !== "closed" && this.phase !== "waiting") return;
    const socket = new WebSocket(this.url, [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.openedAt = performance.now();
      this.failures = 0;
      this.#enter("open");
    };
    socket.onmessage = (event) => this.#answer(event.data, performance.now());
    socket.onclose = ({ code, reason }) => this.#end({ code, reason, wasOpen });
    this.#enter("connecting");
  }

  disconnect() {
    clearTimeout(this.#timer);
    if (this.phase === "waiting") {
      this.#enter("closed");
    } else if (this.phase === "open" || this.phase === "connecting") {
      this.#enter("closing");
      this.#socket.close(1000, "closed from the page");
    }
  }

  retryNow() {
    if (this.phase === "waiting") this.connect();
  }

  // Sends a string or Uint8Array; resolves to its echo and the round-trip time in milliseconds. The
  // server answers in order, so an echo always belongs to the oldest unanswered message.
  echo(data) {
    if (this.phase !== "open") return Promise.reject(new Error("The connection is not open."));
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject, sentAt: performance.now() };
      this.#outstanding.push(waiting);
      this.#socket.send(data);
      this.sent.messages += 1;
      this.sent.bytes += lengthOf(data);
    });
  }

  #answer(data, now) {
    const echo = typeof data === "string" ? data : new Uint8Array(data);
    this.received.messages += 1;
    this.received.bytes += lengthOf(echo);
    const waiting = this.#outstanding.shift();
    waiting?.resolve({ data: echo, away: now - waiting.sentAt });
  }

  #end({ code, reason, wasOpen }) {
    const byUser = this.phase === "closing";
    if (wasOpen) this.ending = { code, reason, byUser };
    else this.failures += 1;
    const lost = this.#outstanding;
    this.#outstanding = [];
    for (const waiting of lost) waiting.reject(new Error("The connection ended before the echo came."));
    if (byUser) {
      this.#attempts = 0;
      this.failures = 0;
      this.#enter("closed");
      return;
    }
    if (wasOpen && performance.now() - this.openedAt > STEADY) this.#attempts = 0;
    const ceiling = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempts);
    this.#attempts += 1;
    // Jitter over the upper half, so that many pages do not return to a restarted server all at
    // once.
    const own = ceiling * (0.5 + Math.random() / 2);
    // A server that stops already spreads the retry delays of its clients.
    const hint = wasOpen ? retryHint({ reason }) : null;
    const wait = hint === null ? own : Math.min(LONGEST_HINT, hint);
    this.retryAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#enter("waiting");
  }

  #enter(phase) {
    this.phase = phase;
    this.dispatchEvent(new Event("change"));
  }
}

const encoder = new TextEncoder();

export function lengthOf(data) {
  return typeof data === "string" ? encoder.encode(data).length : data.byteLength;
}

// Returns the WebSocket URL of `path` on the server that the page came from.
export function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
