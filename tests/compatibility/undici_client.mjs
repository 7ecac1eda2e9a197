// undici's WebSocket as a client of an echo server: undici_client.mjs client URL
import { createHash, randomFillSync } from "node:crypto";
import { createRequire } from "node:module";

// NODE_PATH locates the modules, and `import` ignores it.
const { WebSocket } = createRequire(import.meta.url)("undici");

const messages = [
  "grüße, 鮭 🐟",
  "\0",
  "",
  new Uint8Array(0),
  "text ".repeat(64_000),
  ...[300_000, 65_536, 126, 125].map((length) => randomFillSync(new Uint8Array(length))),
];
const digest = (data) => createHash("sha256").update(data).digest("hex");

const ws = new WebSocket(process.argv[3]);
ws.binaryType = "arraybuffer";
const failed = (why) => {
  console.error(why);
  process.exit(1);
};
let sent = 0;
const next = () => (sent < messages.length ? ws.send(messages[sent]) : ws.close(4001, "bye, 鮭"));
ws.onopen = next;
ws.onerror = (event) => failed(event.error ?? event.message ?? "the connection failed");
ws.onmessage = ({ data }) => {
  const message = messages[sent];
  if (typeof data !== typeof message && !(data instanceof ArrayBuffer)) failed("another kind came back");
  if (digest(typeof data === "string" ? data : new Uint8Array(data)) !== digest(message)) {
    failed(`message ${sent} came back changed`);
  }
  sent += 1;
  next();
};
ws.onclose = ({ code, wasClean }) => {
  if (code !== 4001 || !wasClean) failed(`closed with ${code}`);
};
