// The gRPC demo: loads the WebAssembly client, connects, and attaches the panels to it.

import { callsPanel } from "./calls-panel.js";
import { chatPanel } from "./chat-panel.js";
import { socketUrl } from "./connection.js";
import { ticksPanel } from "./ticks-panel.js";
import { uploadPanel } from "./upload-panel.js";

const element = (id) => document.getElementById(id);
const panels = [callsPanel(socketUrl("/echo")), chatPanel(), ticksPanel(), uploadPanel()];

for (const place of document.querySelectorAll(".socket-url")) place.textContent = socketUrl("/grpc");
element("connect").onclick = connect;
begin();

async function begin() {
  const server = await fetch("/server.json", { cache: "no-store" }).then((answer) => answer.json(), () => null);
  if (!server) return show("waiting", "The server does not answer.", true);
  element("version").textContent = `version ${server.version}`;
  element("version").hidden = false;
  if (!server.demo) {
    element("absent").hidden = false;
    return show("closed", "There is nothing to connect with until the client is built.");
  }
  await connect();
}

async function connect() {
  show("connecting", "Loading the client, and connecting.");
  try {
    // Not a literal path: the file is not part of the program.
    const path = "/demo/client.js";
    const client = await import(path);
    await client.default();
    const begun = performance.now();
    const demo = await client.Demo.connect(socketUrl("/grpc"));
    const took = Math.round(performance.now() - begun);
    show("open", `Connected in ${took} ms. If the connection is lost, the next call opens it again.`);
    for (const panel of panels) panel(demo);
  } catch (problem) {
    show("waiting", `It did not work: ${problem.message ?? problem}`, true);
  }
}

const STATE_LABELS = { connecting: "Connecting", open: "Open", waiting: "Failed", closed: "Not built" };

function show(phase, story, again = false) {
  element("state").dataset.phase = phase;
  element("state").textContent = STATE_LABELS[phase];
  element("story").textContent = story;
  element("again").hidden = !again;
}
