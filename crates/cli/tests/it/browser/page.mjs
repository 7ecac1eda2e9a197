// Drives the page in Chromium against the real program. The environment is that of chromium.mjs;
// SCREENSHOTS is the output folder.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { launch, open, serve, stop } from "./chromium.mjs";

const { SOCKEYE, SCREENSHOTS } = process.env;

const start = (listen) => serve(SOCKEYE, "--listen", listen, "--max-message", "2MiB");

async function connected(browser, { url }, options) {
  const page = await open(browser, url, options);
  await page.waitForSelector("#state[data-phase=open]");
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();

async function echoesMessages(page) {
  await page.fill("#message", "Hello, river");
  await page.keyboard.press("Enter");
  const row = page.locator(".exchange").first();
  await row.locator(".leg.back:not(.pending)").waitFor();
  assert.equal(await row.locator(".leg.back .leg-body").innerText(), "Hello, river");
  assert.match(await row.locator(".leg.back .leg-fact").innerText(), /^[\d.]+ (µs|ms|s)$/);

  await page.check("input[value=binary]", { force: true });
  await page.fill("#message", "de ad be e");
  await page.click("#send");
  assert.match(await text(page, "#message-problem"), /two hexadecimal digits/);
  await page.fill("#message", "de ad be ef 53 6f 63 6b 65 79 65");
  await page.click("#send");
  await row.locator(".leg.back:not(.pending)").waitFor();
  assert.match(await row.locator(".leg.back .leg-body").innerText(), /^de ad be ef 53 6f 63 6b/);
}

async function measures(page) {
  for (const figure of ["#min", "#median", "#p99"]) {
    await page.waitForFunction((id) => /\d/.test(document.querySelector(id).textContent), figure);
    assert.match(await text(page, figure), /^[\d.]+\s*(µs|ms|s)$/);
  }
  const inked = await page.locator("#plot").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value) => value !== 0);
  });
  assert.ok(inked, "the plot is empty");
  await page.click("#pause");
  assert.match(await text(page, "#latency-note"), /^Paused/);
  await page.click("#pause");
}

async function knowsTheConnection(page) {
  assert.equal(await text(page, "#subprotocol"), "echo.sockeye");
  assert.match(await text(page, "#extensions"), /^permessage-deflate/);
  assert.match(await text(page, "#address"), /^ws:\/\/127\.0\.0\.1:\d+\/echo$/);
}

async function sendsFiles(page) {
  const noise = Buffer.from(Array.from({ length: 1 << 20 }, (_, at) => (at * 2654435761) >>> 24));
  await page.waitForFunction(() => document.querySelector("#limit-note").textContent.includes("2 MiB"));
  await page.setInputFiles("#file", [
    { name: "salmon-run.jpg", mimeType: "image/jpeg", buffer: noise },
    { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) },
    { name: "whole-ocean.iso", mimeType: "application/octet-stream", buffer: Buffer.alloc((2 << 20) + 1) },
  ]);
  const file = (name) => page.locator(".transfer", { hasText: name });
  await file("salmon-run.jpg").and(page.locator("[data-outcome=same]")).waitFor();
  assert.match(await file("salmon-run.jpg").innerText(), /Came back the same \(SHA-256 [0-9a-f]{12}…\)/);
  await file("empty.txt").and(page.locator("[data-outcome=same]")).waitFor();
  await file("whole-ocean.iso").and(page.locator("[data-outcome=failed]")).waitFor();
  assert.match(await file("whole-ocean.iso").innerText(), /the server takes 2 MiB in one message at most, and this is 1 byte more/);
}

// Stops the server with `signal`, expects `words` on the page, and a reconnect once the server runs
// again.
async function comesBack(page, running, signal, words) {
  await stop(running, signal);
  await page.waitForSelector("#state[data-phase=waiting], #state[data-phase=connecting]");
  await page.waitForFunction((pattern) => new RegExp(pattern).test(document.querySelector("#story").textContent), words);
  await page.waitForSelector("#retry:not([hidden])");
  await page.screenshot({ path: join(SCREENSHOTS, `dropped-by-${signal}.png`), fullPage: true });
  const again = await start(new URL(running.url).host);
  await page.waitForSelector("#state[data-phase=open]");
  return again;
}

// The page waits as long as a closing server requests, and distinguishes a retry hint from other
// reasons.
async function heedsRetryHints(page) {
  const hints = await page.evaluate(async () => {
    const { retryHint } = await import("/closing.js");
    return ["retry after 3.4 s", "retry after 0.0 s", "retry after inf s", "shutting down", ""].map((reason) => retryHint({ reason }));
  });
  assert.deepEqual(hints, [3400, 0, null, null, null]);
  const waits = await page.evaluate(async () => {
    const { EchoConnection } = await import("/connection.js");
    const sockets = [];
    const wait = (code, reason) => {
      const connection = new EchoConnection("ws://unused.invalid/");
      const Real = window.WebSocket;
      window.WebSocket = class { constructor() { sockets.push(this); } };
      connection.connect();
      window.WebSocket = Real;
      const socket = sockets.pop();
      socket.onopen();
      socket.onclose({ code, reason });
      const left = connection.retryAt - performance.now();
      connection.disconnect();
      return left;
    };
    return [wait(1012, "retry after 8.0 s"), wait(1001, "retry after 9999.0 s"), wait(1001, "")];
  });
  assert.ok(waits[0] > 7_000 && waits[0] <= 8_000, `${waits}`);
  assert.ok(waits[1] > 29_000 && waits[1] <= 30_000, `${waits}`);
  assert.ok(waits[2] <= 500, `${waits}`);
}

async function closesOnRequest(page) {
  await page.click("#toggle");
  await page.waitForSelector("#state[data-phase=closed]");
  assert.match(await text(page, "#last-close"), /^1000 Normal Closure/);
  await page.click("#toggle");
  await page.waitForSelector("#state[data-phase=open]");
}

mkdirSync(SCREENSHOTS, { recursive: true });
let running = await start("127.0.0.1:0");
const browser = await launch();
try {
  const wide = await connected(browser, running, { viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  await knowsTheConnection(wide);
  await echoesMessages(wide);
  await sendsFiles(wide);
  await measures(wide);
  await wide.screenshot({ path: join(SCREENSHOTS, "wide.png"), fullPage: true });
  running = await comesBack(wide, running, "SIGTERM", "1001 Going Away.*the server is stopping");
  running = await comesBack(wide, running, "SIGKILL", "lost without a close frame");
  await closesOnRequest(wide);
  await heedsRetryHints(wide);

  const phone = await connected(browser, running, {
    viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark", hasTouch: true,
  });
  await echoesMessages(phone);
  await sendsFiles(phone);
  await measures(phone);
  const overflow = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px wider than a phone`);
  await phone.screenshot({ path: join(SCREENSHOTS, "phone.png"), fullPage: true });
  console.log(`screenshots are in ${SCREENSHOTS}`);
} finally {
  await browser.close();
  running.server.kill("SIGKILL");
}
