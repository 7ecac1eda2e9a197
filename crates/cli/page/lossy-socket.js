// A WebSocket class whose connections can be lost on request, to show how a client recovers.

// Returns a subclass of WebSocket, and two functions: `lose` loses its connections, those that are
// open end, and new ones fail until the time is over; `restore` ends that time.
export function lossySocket() {
  const open = new Set();
  let lostUntil = 0;

  class LossySocket extends WebSocket {
    constructor(url, protocols) {
      if (performance.now() < lostUntil) return new FailedSocket(url);
      super(url, protocols);
      open.add(this);
      this.addEventListener("close", () => open.delete(this));
    }
  }

  const lose = (milliseconds) => {
    lostUntil = performance.now() + milliseconds;
    for (const socket of open) socket.close();
  };
  const restore = () => (lostUntil = 0);
  return { LossySocket, lose, restore };
}

// A connection that fails as one does without a network: after a moment, without a close frame.
class FailedSocket extends EventTarget {
  readyState = WebSocket.CONNECTING;
  protocol = "";
  extensions = "";
  bufferedAmount = 0;
  binaryType = "blob";
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;

  constructor(url) {
    super();
    this.url = String(url);
    setTimeout(() => this.#fail());
  }

  send() {}

  close() {}

  #fail() {
    this.readyState = WebSocket.CLOSED;
    for (const event of [new Event("error"), new CloseEvent("close", { code: 1006 })]) {
      this[`on${event.type}`]?.(event);
      this.dispatchEvent(event);
    }
  }
}
