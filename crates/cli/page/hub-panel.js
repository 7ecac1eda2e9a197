// The panel of this client: its name, its token if the server wants one, and its connection.

import { describeClose } from "./closing.js";
import { socketUrl } from "./connection.js";
import { shortId } from "./format.js";
import { lossySocket } from "./lossy-socket.js";
import { Hub } from "./sockeye-hub.js";

const STATE_LABELS = { connecting: "Connecting", open: "Open", waiting: "Dropped", closed: "Closed", off: "Off" };
// Duration of a loss that the user asks for, in milliseconds; /chat?loss=30000 sets another.
const LOSS = Number(new URLSearchParams(location.search).get("loss")) || 5_000;
const NAME = "sockeye.chat.name";

const REFUSALS = {
  off: "The hub is off, because this server is not for this machine alone. Its operator can turn it on with --hub-secret-file, --hub-jwks-file or --no-auth.",
  unreachable: "The server does not answer.",
};

export function hubPanel(admission, { onConnection, onName }) {
  const element = (id) => document.getElementById(id);
  const name = element("name");
  const { LossySocket, lose, restore } = lossySocket();
  let hub = null;
  let retryAt = 0;
  let last = null;
  // The time until which the user has cut the connection.
  let cutUntil = 0;

  name.value = localStorage.getItem(NAME) ?? `guest ${Math.floor(1000 + Math.random() * 9000)}`;
  onName(name.value);
  name.onchange = () => {
    name.value = name.value.trim() || "somebody";
    localStorage.setItem(NAME, name.value);
    onName(name.value);
  };

  const show = (phase, story) => {
    element("state").dataset.phase = phase === "off" ? "closed" : phase;
    element("state").textContent = STATE_LABELS[phase];
    element("story").textContent = story;
    element("lose").disabled = phase !== "open";
    element("reconnect").hidden = phase !== "waiting";
  };

  const onState = (event) => {
    last = event;
    retryAt = performance.now() + (event.delay ?? 0);
    if (event.state === "closed") element("token-form").hidden = admission !== "token";
    tell();
  };

  const tell = () => {
    const { state, code, reason, session } = last;
    const cut = Math.ceil((cutUntil - performance.now()) / 1000);
    if (cut > 0 && (state === "waiting" || state === "connecting")) {
      show("waiting", `You have cut the connection for ${cut} s more. What is said meanwhile is recovered.`);
      return;
    }
    switch (state) {
      case "connecting":
        return show(state, "Opening the connection.");
      case "open":
        element("token-form").hidden = true;
        return show(state, `Connected to server ${nodeOf(session)}${hub.user ? ` as ${hub.user}` : ""}.`);
      case "waiting": {
        const seconds = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
        const why = code ? `The connection is gone (${describeClose({ code, reason })}).` : "The connection is gone.";
        return show(state, `${why} Next attempt in ${seconds} s. What is said meanwhile is recovered.`);
      }
      default:
        return show("closed", `The server refused the connection${reason ? `: ${reason}` : ""}.`);
    }
  };

  const connect = (token) => {
    hub?.close();
    hub = new Hub(socketUrl("/hub"), { token, WebSocket: LossySocket });
    hub.on("state", onState);
    hub.on("error", (error) => (element("story").textContent = error.message));
    last = { state: hub.state };
    tell();
    onConnection(hub);
  };

  element("lose").onclick = () => {
    cutUntil = performance.now() + LOSS;
    lose(LOSS);
    setTimeout(() => hub.reconnect(), LOSS + 50);
  };
  element("reconnect").onclick = () => {
    cutUntil = 0;
    restore();
    hub.reconnect();
  };
  element("token-form").onsubmit = (event) => {
    event.preventDefault();
    const token = element("token").value.trim();
    if (token) connect(token);
  };
  setInterval(() => last?.state === "waiting" && tell(), 250);

  if (admission === "anybody") {
    connect();
  } else if (admission === "token") {
    element("token-form").hidden = false;
    show("closed", "This server admits clients with a token.");
  } else {
    show("off", REFUSALS[admission]);
  }
}

// A session names the server that it is on.
function nodeOf(session) {
  return shortId(session?.split("-")[0] ?? "");
}
