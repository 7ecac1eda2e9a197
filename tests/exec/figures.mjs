// Measures `sockeye exec`: the memory that ten seconds of `yes` add, the time that Ctrl-C takes, and the
// processes that a thousand connections leave. Fails beyond the limits. The environment is that of
// viewer.mjs.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";

import { Viewer, WebSocket, start } from "./viewer.mjs";

const FLOOD_MS = 10_000;
const MAX_GROWTH = 8 * 1024 * 1024;
// A busy machine needs more.
const MAX_STOP_MS = Number(process.env.LIMIT_MS ?? 100);
const CONNECTIONS = 1000;
// Connections at a time.
const WIDTH = 20;
const PAGE = 4096;

const pause = (duration) => new Promise((resolve) => setTimeout(resolve, duration));
const resident = ({ server }) => Number(readFileSync(`/proc/${server.pid}/statm`, "utf8").split(" ")[1]) * PAGE;

async function flood(name, reads) {
  const served = await start(["--pty"], "sh", "-c", "trap 'echo; echo stop''ped; exec cat' INT; yes");
  const viewer = await Viewer.attach(served);
  await pause(1000);
  const before = resident(served);
  if (!reads) viewer.close();
  await pause(FLOOD_MS);
  const growth = resident(served) - before;
  console.log(`yes for ${FLOOD_MS / 1000} s ${name}: ${(growth / 1024 / 1024).toFixed(1)} MiB more`);
  assert.ok(growth <= MAX_GROWTH);
  if (reads) {
    const pressed = performance.now();
    viewer.type("\x03");
    while (!viewer.text().includes("stopped")) await pause(1);
    const took = performance.now() - pressed;
    console.log(`Ctrl-C under yes: ${took.toFixed(0)} ms until a terminal of xterm.js showed its effect`);
    assert.ok(took <= MAX_STOP_MS);
    viewer.close();
  }
  served.server.kill();
}

// Returns the numbers of the processes whose parent, or session, is among those given.
function descendants(parents) {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid, parent, session }];
    } catch {
      return [];
    }
  });
  return processes.filter(({ parent, session }) => parents.has(parent) || parents.has(session)).map(({ pid }) => pid);
}

async function connectAndKill() {
  const work = "echo $$; trap '' TERM; sleep 1000 & cat; sleep 1000";
  const served = await start(["--grace", "50ms", "--max-processes", "100"], "sh", "-c", work);
  const sessions = new Set([String(served.server.pid)]);
  let made = 0;
  const connect = async () => {
    while (made < CONNECTIONS) {
      made += 1;
      const number = made;
      const socket = new WebSocket(served.url);
      socket.on("error", () => {});
      const greeted = new Promise((resolve) => {
        socket.once("message", (text) => resolve(String(text).trim()));
        socket.once("close", () => resolve(null));
      });
      const opened = await new Promise((resolve) => {
        socket.once("open", () => resolve(true));
        socket.once("error", () => resolve(false));
      });
      if (!opened) {
        // Too many processes are still ending.
        made -= 1;
        await pause(20);
        continue;
      }
      // Some leave before their process has said anything.
      const greeting = number % 3 === 0 ? null : await greeted;
      if (greeting !== null) sessions.add(greeting);
      if (number % 2 === 0) socket.terminate();
      else socket.close();
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, connect));
  const deadline = Date.now() + 20_000;
  while (descendants(sessions).length > 0 && Date.now() < deadline) await pause(50);
  console.log(`${CONNECTIONS} connections made and killed: ${descendants(sessions).length} processes left`);
  assert.deepEqual(descendants(sessions), []);
  served.server.kill();
}

await flood("with a viewer", true);
await flood("without a viewer", false);
await connectAndKill();
