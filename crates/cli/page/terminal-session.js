// A session of a terminal over sockeye.tty.v1, which docs/exec.md describes: reconnects by itself and
// goes on where it was, both ways.

import { InputBuffer } from "./terminal-input.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;
// Output is acknowledged after this many bytes, well within the server's window of 64 KiB.
const ACKNOWLEDGE_BYTES = 16 * 1024;
// A network that is lost without a sign is noticed after both.
const PING_INTERVAL_MS = 10_000;
const PONG_TIMEOUT_MS = 5_000;

const UNAUTHORIZED = 4401;
const NO_SESSION = 4404;
const REPLACED = 4409;

// A host may have several terminals, each below a path of its own.
const FOLDER = new URL(".", location.href).pathname;
const KEY = `sockeye-terminal ${FOLDER}`;
// Holds what was typed and not acknowledged while the page is loaded again.
const INPUT_KEY = `sockeye-terminal-input ${FOLDER}`;

// Events: `state` with { phase, note, retryAt }, `greeting` with the server's, `screen` with text,
// `output` with bytes and a function to call once they are shown, `size`, `unauthorized`, `lost` with
// { bytes, reason } when input does not reach the terminal: "full", "ended" or "unknown".
export class TerminalSession extends EventTarget {
  #url;
  #size;
  #socket = null;
  #session = sessionStorage.getItem(KEY);
  // The offset after the output received; null until the terminal shows a screen.
  #received = null;
  #shown = 0;
  #acknowledged = 0;
  #attempts = 0;
  #input = new InputBuffer();
  // The number that the session has for the input; null before the first connection.
  #keyboard = null;
  #isGreeted = false;
  #timers = new Set();

  // `size` returns the columns and rows that the page has space for.
  constructor(url, size) {
    super();
    this.#url = url;
    this.#size = size;
    addEventListener("online", () => this.#socket === null && this.#timers.size > 0 && this.connect());
    addEventListener("pagehide", () => this.#save());
    addEventListener("pageshow", ({ persisted }) => persisted && sessionStorage.removeItem(INPUT_KEY));
    addEventListener("offline", () => this.#socket && this.#lost("The network is away"));
  }

  // The number of bytes that were typed and have not reached the terminal, as far as is known.
  get unsent() {
    return this.#input.length;
  }

  connect() {
    this.#restore();
    this.#drop();
    this.#emit("state", { phase: "connecting", note: "" });
    const socket = new WebSocket(this.#url, "sockeye.tty.v1");
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const hello = { type: "hello", ...this.#size() };
      if (this.#session) {
        hello.session = this.#session;
        if (this.#received !== null) hello.offset = this.#received;
        if (this.#keyboard !== null) hello.keyboard = this.#keyboard;
      }
      this.#send(hello);
    };
    socket.onmessage = ({ data }) => {
      this.#expectPing();
      if (typeof data === "string") this.#control(JSON.parse(data));
      else this.#output(data);
    };
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.#expectPing();
  }

  // Begins a new session.
  restart() {
    this.#forget();
    this.connect();
  }

  // Sends input, or keeps it until the connection is there again.
  type(bytes) {
    if (!this.#input.push(bytes)) this.#emit("lost", { bytes: bytes.length, reason: "full" });
    this.#sendInput();
  }

  resize(size) {
    this.#send({ type: "resize", ...size });
  }

  #control(message) {
    switch (message.type) {
      case "session":
        this.#attempts = 0;
        this.#session = message.session;
        if (message.linger !== null) sessionStorage.setItem(KEY, message.session);
        if (message.offset !== this.#received) this.#begin(message.offset);
        this.#acknowledged = message.offset;
        this.#emit("state", { phase: "open", note: "" });
        this.#emit("greeting", message);
        this.#beginInput(message);
        break;
      case "ack":
        this.#input.acknowledge(message.offset);
        break;
      case "screen":
        this.#begin(message.offset);
        this.#emit("screen", message.data);
        break;
      case "size":
        this.#emit("size", message);
        break;
    }
  }

  #beginInput({ writes, keyboard, input }) {
    if (!writes) {
      this.#loseInput("ended");
      return;
    }
    if (keyboard === this.#keyboard) {
      this.#input.resume(input);
    } else {
      const uncertain = this.#input.renumber(input);
      if (uncertain > 0) this.#emit("lost", { bytes: uncertain, reason: "unknown" });
      this.#keyboard = keyboard;
    }
    this.#isGreeted = true;
    this.#sendInput();
  }

  #sendInput() {
    if (!this.#isGreeted || this.#socket?.readyState !== WebSocket.OPEN) return;
    for (let message = this.#input.next(); message !== null; message = this.#input.next()) {
      this.#socket.send(message);
    }
  }

  #loseInput(reason) {
    const bytes = this.#input.clear();
    this.#keyboard = null;
    if (bytes > 0) this.#emit("lost", { bytes, reason });
  }

  // What is on its way when the page is loaded again is for the page that comes.
  #save() {
    if (this.#input.length === 0 || this.#session === null) return;
    const saved = { session: this.#session, keyboard: this.#keyboard, input: this.#input.save(), bytes: this.#input.length };
    sessionStorage.setItem(INPUT_KEY, JSON.stringify(saved));
  }

  #restore() {
    const saved = JSON.parse(sessionStorage.getItem(INPUT_KEY));
    sessionStorage.removeItem(INPUT_KEY);
    if (saved === null) return;
    if (saved.input === null) {
      this.#emit("lost", { bytes: saved.bytes, reason: "unknown" });
      return;
    }
    this.#session = saved.session;
    this.#keyboard = saved.keyboard;
    this.#input.restore(saved.input);
  }

  #begin(offset) {
    this.#received = this.#shown = offset;
  }

  #output(data) {
    const offset = Number(new DataView(data).getBigUint64(0));
    const bytes = new Uint8Array(data, 8);
    this.#received = offset + bytes.length;
    const end = this.#received;
    this.#emit("output", {
      bytes,
      shown: () => {
        this.#shown = Math.max(this.#shown, end);
        if (this.#shown - this.#acknowledged >= ACKNOWLEDGE_BYTES) {
          this.#acknowledged = this.#shown;
          this.#send({ type: "ack", offset: this.#shown });
        }
      },
    });
  }

  #closed(code, reason) {
    this.#drop();
    const exit = /^(exit|signal) (\d+)$/.exec(reason);
    if (exit && (code === 1000 || code >= 4000)) {
      this.#forget();
      const failed = code !== 1000;
      const note = exit[1] === "exit" ? `Exited with ${exit[2]}` : `Ended by signal ${exit[2]}`;
      this.#emit("state", { phase: failed ? "failed" : "closed", note, action: "restart" });
    } else if (code === UNAUTHORIZED) {
      this.#emit("state", { phase: "failed", note: "A token is needed" });
      this.#emit("unauthorized");
    } else if (code === NO_SESSION) {
      this.#forget();
      this.#emit("state", { phase: "closed", note: "The session has ended", action: "restart" });
    } else if (code === REPLACED) {
      this.#emit("state", { phase: "closed", note: "Opened in another window", action: "connect" });
    } else {
      this.#retry(reason || (code === 1006 ? "Connection lost" : `Closed with ${code}`));
    }
  }

  #lost(note) {
    this.#drop();
    this.#retry(note);
  }

  #retry(note) {
    const delay = Math.min(FIRST_DELAY_MS * 2 ** this.#attempts, LONGEST_DELAY_MS);
    this.#attempts += 1;
    const wait = delay * (0.75 + Math.random() / 2);
    this.#after(wait, () => this.connect());
    this.#emit("state", { phase: "waiting", note, retryAt: performance.now() + wait, action: "connect" });
  }

  #forget() {
    this.#loseInput("ended");
    this.#session = null;
    this.#received = null;
    sessionStorage.removeItem(KEY);
  }

  // Any message shows that the server is there; after a silence it is asked.
  #expectPing() {
    this.#clear();
    this.#after(PING_INTERVAL_MS, () => {
      this.#send({ type: "ping" });
      this.#after(PONG_TIMEOUT_MS, () => this.#lost("The server is silent"));
    });
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #drop() {
    this.#clear();
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    this.#isGreeted = false;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #after(delay, act) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delay);
    this.#timers.add(timer);
  }

  #clear() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
