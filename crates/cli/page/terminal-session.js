// A session of a terminal over sockeye.tty.v1, which docs/exec.md describes: reconnects by itself and
// goes on where it was.

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;
// Output is acknowledged after this many bytes, well within the server's window of 256 KiB.
const ACKNOWLEDGE_BYTES = 32 * 1024;
// A network that is lost without a sign is noticed after both.
const PING_INTERVAL_MS = 10_000;
const PONG_TIMEOUT_MS = 5_000;
// Input is sent in messages of at most this length.
const INPUT_BYTES = 32 * 1024;

const UNAUTHORIZED = 4401;
const NO_SESSION = 4404;
const REPLACED = 4409;

const KEY = "sockeye-terminal";

// Events: `state` with { phase, note, retryAt }, `greeting` with the server's, `screen` with text,
// `output` with bytes and a function to call once they are shown, `size`, `unauthorized`.
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
  #timers = new Set();

  // `size` returns the columns and rows that the page has space for.
  constructor(url, size) {
    super();
    this.#url = url;
    this.#size = size;
    addEventListener("online", () => this.#socket === null && this.#timers.size > 0 && this.connect());
    addEventListener("offline", () => this.#socket && this.#lost("The network is away"));
  }

  connect() {
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

  type(bytes) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < bytes.length; at += INPUT_BYTES) {
      this.#socket.send(bytes.subarray(at, at + INPUT_BYTES));
    }
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
