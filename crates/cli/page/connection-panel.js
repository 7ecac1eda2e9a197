// The connection panel: the state of the connection, in words.

import { describeClose, describeEnding } from "./closing.js";
import { count, elapsed, size } from "./format.js";

const STATE_LABELS = { connecting: "Connecting", open: "Open", closing: "Closing", waiting: "Dropped", closed: "Closed" };
// Delay of an echo from which it is reported, in milliseconds; on any healthy network it takes a
// fraction.
const OVERDUE_DELAY = 3_000;

export function connectionPanel(connection) {
  const element = (id) => document.getElementById(id);
  const write = (id, text) => {
    const target = element(id);
    if (target.textContent !== text) target.textContent = text;
  };

  write("address", connection.url);
  write("http", httpVersion());
  element("toggle").onclick = () => (isOff(connection) ? connection.connect() : connection.disconnect());
  element("retry-now").onclick = () => connection.retryNow();
  window.addEventListener("online", () => connection.retryNow());

  const show = () => {
    const { phase } = connection;
    element("state").dataset.phase = phase;
    write("state", STATE_LABELS[phase]);
    element("retry").hidden = phase !== "waiting";
    // Highlights the useful button: Connect when closed, Try now while waiting.
    element("toggle").classList.toggle("quiet", !isOff(connection));
    write("toggle", phase === "waiting" ? "Stop trying" : isOff(connection) ? "Connect" : "Disconnect");
    element("toggle").disabled = phase === "closing";
    if (phase === "open") {
      write("subprotocol", connection.subprotocol || "none: the server chose not to name one");
      write("extensions", connection.extensions || "none: messages travel uncompressed");
    }
    if (connection.ending) write("last-close", describeClose(connection.ending));
    tick();
  };

  const tick = () => {
    const { phase, ending } = connection;
    const now = performance.now();
    const open = phase === "open";
    write("story", describeState(connection, ending));
    write("countdown", `${Math.max(0, Math.ceil((connection.retryAt - now) / 1000))} s`);
    write("uptime", open ? elapsed(Math.floor((now - connection.openedAt) / 1000)) : "not open");
    write("sent", describeTraffic(connection.sent));
    write("received", describeTraffic(connection.received));
  };

  connection.addEventListener("change", show);
  setInterval(tick, 250);
  show();
}

// Returns the HTTP version that the page was loaded with. With HTTP/2, browsers open the WebSocket
// on a stream of the same connection, but do not report the version of the WebSocket itself.
function httpVersion() {
  const name = performance.getEntriesByType("navigation")[0]?.nextHopProtocol;
  return { h2: "HTTP/2", "http/1.1": "HTTP/1.1" }[name] ?? "unknown";
}

function describeDrop({ failures }, ending) {
  if (!ending) return "The server could not be reached. It may be stopped, or something in between refuses WebSockets.";
  if (!failures) return describeEnding(ending);
  return `${describeEnding(ending)} Since then it could not be reached, in ${count(failures, "attempt")}.`;
}

function isOff({ phase }) {
  return phase === "closed";
}

function describeTraffic({ messages, bytes }) {
  return `${count(messages, "message")}, ${size(bytes)}`;
}

function describeState(connection, ending) {
  switch (connection.phase) {
    case "connecting":
      return ending || connection.failures ? "Trying again." : "Opening the connection.";
    case "open":
      if (connection.silence > OVERDUE_DELAY) return "The connection is open, but the echoes have stopped coming.";
      return ending && !ending.byUser ? "Back again: the server answers." : "The server answers.";
    case "closing":
      return "Waiting for the server to agree to the close.";
    case "closed":
      return ending?.byUser ? describeEnding(ending) : "No longer trying. Press Connect to go on.";
    default:
      return describeDrop(connection, ending);
  }
}
