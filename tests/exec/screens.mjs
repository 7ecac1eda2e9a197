// Compares the screens of two terminals of xterm.js on a shared `sockeye exec --pty`: one was attached
// from the start, the other attaches late and gets the server's screen. Programs: shell output, tmux
// (which also says by itself what it shows) and vttest. The environment is that of viewer.mjs; with
// SHOW, prints the screens that differ.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

import { Viewer, start } from "./viewer.mjs";

const FLAGS = ["--pty", "--shared", "--env", "PS1=$ ", "--env", "LANG=C.UTF-8"];

// The server's screen has tab stops at every eighth column, wherever a program puts them.
const KNOWN = ["vttest 2, page 2"];

const failures = [];

// Compares the viewer with one that attaches now.
async function compare(served, viewer, step) {
  await viewer.settle();
  const late = await Viewer.attach(served, viewer.terminal.cols, viewer.terminal.rows);
  await late.settle();
  const [expected, shown] = [viewer.state(), late.state()];
  late.close();
  try {
    assert.deepEqual(shown.modes, expected.modes);
    assert.deepEqual(shown.buffer, expected.buffer);
    for (const [row, cells] of expected.rows.entries()) assert.deepEqual(shown.rows[row], cells, `row ${row}`);
    assert.deepEqual(shown.cursor, expected.cursor);
    console.log(`${step}: same`);
  } catch (error) {
    if (!KNOWN.includes(step)) failures.push(step);
    console.log(`${step}: differs: ${error.message.split("\n").filter((line) => /^[+-] |row/.test(line.trim())).slice(0, 6).join(" ")}`);
    if (process.env.SHOW) console.log(`--- from the start\n${viewer.text()}\n--- late\n${late.text()}`);
  }
}

async function shell() {
  const served = await start(FLAGS, "sh");
  const viewer = await Viewer.attach(served);
  for (const [step, keys] of [
    ["colours and wide characters", "printf '\\033[1;31mred\\033[0m \\033[48;5;24m世界\\033[0m \\033[38;2;1;2;3;4mе́ 🐟\\033[0m\\n'\r"],
    ["more lines than rows", "seq 100\r"],
    ["modes of keys, pastes and the mouse", "printf '\\033[?1h\\033[?2004h\\033[?1002h\\033[?1006h'\r"],
    ["line drawing", "printf '\\033(0lqqqk\\033(B\\n'\r"],
    ["a scroll region", "printf '\\033[5;10r\\033[10;1Ha\\nb\\nc'\r"],
    ["the alternate screen", "printf '\\033[r\\033[?1049h\\033[2J\\033[Hin\\033[7mverse'\r"],
    ["the primary screen again", "printf '\\033[0m\\033[?1049l'\r"],
  ]) {
    viewer.type(keys);
    await compare(served, viewer, step);
  }
  viewer.close();
  served.server.kill();
}

async function tmux() {
  const name = `sockeye-screens-${process.pid}`;
  const served = await start(FLAGS, "tmux", "-u", "-L", name, "-f", "/dev/null", "new-session", "sh");
  const viewer = await Viewer.attach(served, 90, 28);
  await viewer.settle();
  viewer.type("tmux -L " + name + " set -g mouse on\r");
  await compare(served, viewer, "tmux with the mouse");
  viewer.type("printf '\\033[32m世界 wörld\\033[0m\\n'; seq 5\r");
  await compare(served, viewer, "tmux with wide characters");
  viewer.type("\x02%");
  await viewer.settle();
  viewer.type("ls /\r\x02\"");
  await compare(served, viewer, "tmux with three panes");
  viewer.resize(110, 34);
  await compare(served, viewer, "tmux with another size");
  const panes = execFileSync("tmux", ["-L", name, "capture-pane", "-p", "-t", "0"], { encoding: "utf8" });
  for (const line of panes.split("\n").map((line) => line.trim()).filter(Boolean)) {
    assert.ok(viewer.text().includes(line), `tmux shows ${line}:\n${viewer.text()}`);
  }
  console.log("what tmux says that it shows: same");
  execFileSync("tmux", ["-L", name, "kill-server"]);
  viewer.close();
  served.server.kill();
}

async function vttest() {
  const served = await start(FLAGS, "vttest", "80x24.132");
  const viewer = await Viewer.attach(served);
  await viewer.settle();
  // Cursor movements, screen features, character sets; a key shows the next page.
  for (const [menu, pages] of [["1", 5], ["2", 13]]) {
    viewer.type(`${menu}\r`);
    for (let page = 1; page <= pages; page += 1) {
      await compare(served, viewer, `vttest ${menu}, page ${page}`);
      viewer.type("\r");
    }
    await viewer.settle();
  }
  viewer.close();
  served.server.kill();
}

for (const test of [shell, tmux, vttest]) await test();
if (failures.length > 0) {
  console.log(`${failures.length} screens differ: ${failures.join("; ")}`);
  process.exit(1);
}
