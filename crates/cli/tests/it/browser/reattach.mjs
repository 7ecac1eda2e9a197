// Measures how soon Chromium has the screen of `sockeye exec --pty` back after it has attached again,
// and how soon Ctrl-C stops a flood. Prints medians and maxima, and fails beyond LIMIT_MS (100), to
// which a busy machine needs more. The environment is that of chromium.mjs; AWAY_S is the length of the
// network's losses in seconds (20).

import assert from "node:assert/strict";

import { launch, open } from "./chromium.mjs";
import { connected, exec, network, shows, stopAll, types } from "./terminal-server.mjs";

const LIMIT_MS = Number(process.env.LIMIT_MS ?? 100);
const AWAY_S = Number(process.env.AWAY_S ?? 20);
const RELOADS = 10;
const LOSSES = 2;
// A full screen of coloured text, with its last line.
const SCREEN = "for i in $(seq 48); do printf '\\033[3%dm%0100d\\033[0m\\n' $((i % 7 + 1)) $i; done; echo screen en''d";

// Notes when a WebSocket opened, and when a frame first showed the text that the page waits for.
function instrument() {
  const Native = WebSocket;
  window.WebSocket = class extends Native {
    constructor(...words) {
      super(...words);
      this.addEventListener("open", () => { window.attached = performance.now(); });
    }
  };
  window.watch = (text) => {
    window.seen = null;
    const look = () => {
      const shown = document.querySelector(".xterm-rows")?.textContent.replaceAll("\u00a0", " ") ?? "";
      if (shown.includes(text)) window.seen = performance.now();
      else requestAnimationFrame(look);
    };
    look();
  };
  if (sessionStorage.getItem("watched")) addEventListener("DOMContentLoaded", () => window.watch(sessionStorage.getItem("watched")));
}

async function took(page) {
  await page.waitForFunction(() => window.seen && window.attached && window.seen >= window.attached);
  return page.evaluate(() => window.seen - window.attached);
}

function report(name, values) {
  const sorted = [...values].sort((a, b) => a - b);
  const [median, most] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  console.log(`${name}: median ${median.toFixed(0)} ms, maximum ${most.toFixed(0)} ms, of ${values.length}`);
  assert.ok(most <= LIMIT_MS, `${name}: ${most} ms`);
}

const browser = await launch();
try {
  const running = await exec();
  const wire = await network(running.url);
  const watch = (page) => page.addInitScript(instrument);
  const page = await open(browser, wire.url, { viewport: { width: 1400, height: 900 } }, watch);
  await connected(page);
  await types(page, SCREEN);
  await shows(page, "screen end");

  const reloads = [];
  await page.evaluate(() => sessionStorage.setItem("watched", "screen end"));
  for (let round = 0; round < RELOADS; round += 1) {
    await page.reload();
    reloads.push(await took(page));
  }
  report("after a reload", reloads);

  const losses = [];
  for (let round = 0; round < LOSSES; round += 1) {
    // About 400 KB are missed.
    await types(page, `sleep 1; seq 1 60000; echo loss ${round} en''d`);
    await shows(page, "sleep 1");
    wire.cut();
    await page.waitForTimeout(AWAY_S * 1000);
    await page.evaluate((text) => { window.attached = null; window.watch(text); }, `loss ${round} end`);
    wire.mend();
    await page.click("#again");
    losses.push(await took(page));
  }
  report(`after ${AWAY_S} s without a network`, losses);

  const stops = [];
  for (let round = 0; round < 5; round += 1) {
    await types(page, "trap : INT; yes; echo stopped");
    await shows(page, "y\ny\ny\ny");
    await page.waitForTimeout(1000);
    await page.evaluate(() => {
      addEventListener("keydown", () => { window.attached = performance.now(); }, { once: true, capture: true });
      window.watch("stopped");
    });
    await page.keyboard.press("Control+c");
    stops.push(await took(page));
    await types(page, "clear");
    await page.waitForFunction(() => !document.querySelector(".xterm-rows").textContent.includes("stopped"));
  }
  report("Ctrl-C under yes", stops);
  await page.context().close();
  wire.close();
} finally {
  stopAll();
  await browser.close();
}
