// A call in progress, or one that is over: what was sent and received, and when.

import { dialectOf } from "./dialects.js";
import { status } from "./status.js";
import { milliseconds } from "./timeout.js";

// Messages that are kept: a stream that never ends must not fill the memory of the page.
const MAX_KEPT = 1_000;

export class RunningCall extends EventTarget {
  // The messages in order: `{ kind: "sent" | "received", number, at, value, size }`.
  messages = [];
  sent = 0;
  received = 0;
  receivedBytes = 0;
  headers = null;
  headersAt = null;
  note = "";
  trailers = [];
  // The status, once the call is over.
  status = null;
  duration = null;
  requestsEnded = false;
  // Messages that wait until the server takes them.
  waiting = 0;
  #begun = performance.now();
  #transport;

  constructor(catalog, call, base) {
    super();
    this.call = call;
    this.dialect = dialectOf(call.method, call.dialect);
    const on = {
      headers: (entries, note = "") => this.#update(() => ([this.headers, this.headersAt, this.note] = [entries, this.#now(), note])),
      message: (value, size) => this.#update(() => this.#receive(value, size)),
      end: (result, trailers) => this.#end(result, trailers),
    };
    try {
      const { method, metadata } = call;
      this.#transport = this.dialect.start({ catalog, method, metadata, time: milliseconds(call.timeout), base }, on);
    } catch (error) {
      this.#end(status(3, error.message), []);
    }
  }

  get isOver() {
    return this.status !== null;
  }

  // Sends a message.
  async send(value) {
    if (this.isOver || this.requestsEnded) return;
    this.sent += 1;
    this.#keep({ kind: "sent", number: this.sent, at: this.#now(), value, size: JSON.stringify(value).length });
    this.#update(() => (this.waiting += 1));
    try {
      await this.#transport.send(value);
    } catch {
      // The call has ended, which its status says.
    }
    this.#update(() => (this.waiting -= 1));
  }

  // Ends the requests.
  halfClose() {
    if (this.isOver || this.requestsEnded) return;
    this.#update(() => (this.requestsEnded = true));
    this.#transport.halfClose();
  }

  cancel() {
    if (!this.isOver) this.#transport.cancel();
  }

  // Resolves when the call is over.
  over() {
    if (this.isOver) return Promise.resolve();
    return new Promise((resolve) => this.addEventListener("end", resolve, { once: true }));
  }

  #now() {
    return performance.now() - this.#begun;
  }

  #receive(value, size) {
    this.received += 1;
    this.receivedBytes += size;
    this.#keep({ kind: "received", number: this.received, at: this.#now(), value, size });
  }

  #keep(message) {
    this.messages.push(message);
    if (this.messages.length > MAX_KEPT) this.messages.shift();
  }

  #update(change) {
    if (this.isOver) return;
    change();
    this.dispatchEvent(new Event("change"));
  }

  #end(result, trailers) {
    if (this.isOver) return;
    [this.status, this.trailers, this.duration, this.waiting] = [result, trailers, this.#now(), 0];
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("end"));
  }
}
