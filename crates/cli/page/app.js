// The page in front of `sockeye serve`: one module per panel, joined here.

import { connectionPanel } from "./connection-panel.js";
import { EchoConnection, socketUrl } from "./connection.js";
import { echoPanel } from "./echo-panel.js";
import { filesPanel } from "./files-panel.js";
import { size } from "./format.js";
import { latencyPanel } from "./latency-panel.js";

const url = socketUrl("/echo");

let maxMessage = Infinity;
const limit = () => maxMessage;
const connection = new EchoConnection(url);

connectionPanel(connection);
latencyPanel(connection);
echoPanel(connection, limit);
filesPanel(url, limit);
otherClients();
connection.connect();
// The server may have restarted with other limits.
connection.addEventListener("change", () => connection.phase === "open" && learnLimits());

async function learnLimits() {
  try {
    const server = await (await fetch("/server.json", { cache: "no-store" })).json();
    maxMessage = server.maxMessage;
    document.getElementById("limit-note").textContent = `up to ${size(maxMessage)} each`;
    const version = document.getElementById("version");
    version.textContent = `version ${server.version}`;
    version.hidden = false;
  } catch {
    // The connection was lost again; the connection panel reports that.
  }
}

function otherClients() {
  const address = document.getElementById("command-url");
  const copy = document.getElementById("copy");
  address.textContent = url;
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(url);
      copy.textContent = "Copied";
      document.getElementById("copied").textContent = "Address copied";
    } catch {
      getSelection().selectAllChildren(address);
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), 2_000);
  };
}
