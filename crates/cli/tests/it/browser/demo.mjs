// Drives the gRPC demo in Chromium against the real program, once without its client and once with
// it. The environment is that of chromium.mjs; SCREENSHOTS is the output folder, DEMO the folder
// with the client, SCRATCH a folder to copy the program to.

import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { launch, open, serve, stop } from "./chromium.mjs";

const { SOCKEYE, SCREENSHOTS, SCRATCH, DEMO } = process.env;

// Installs the program with or without the client beside it, whatever was built before.
function install(name, client) {
  const folder = join(SCRATCH, "demo", name);
  rmSync(folder, { recursive: true, force: true });
  // The program searches the parent folder as well.
  mkdirSync(join(folder, "bin"), { recursive: true });
  copyFileSync(SOCKEYE, join(folder, "bin", "sockeye"));
  if (client) cpSync(client, join(folder, "demo"), { recursive: true });
  return join(folder, "bin", "sockeye");
}

const start = (program, listen = "127.0.0.1:0") => serve(program, "--listen", listen);
const demo = (browser, { url }, options, watch) => open(browser, new URL("/demo", url).href, options, watch);
const text = (page, selector) => page.locator(selector).innerText();
const says = (page, selector, words) =>
  page.waitForFunction(([at, pattern]) => new RegExp(pattern).test(document.querySelector(at).textContent), [selector, words]);

async function saysHowToBuild(browser) {
  const running = await start(install("without", null));
  try {
    const page = await demo(browser, running);
    await page.waitForSelector("#absent:not([hidden])");
    assert.match(await text(page, "#absent"), /demo\/build\.sh/);
    assert.equal(await page.locator("#calls-run").isDisabled(), true);
    await page.screenshot({ path: join(SCREENSHOTS, "demo-absent.png"), fullPage: true });
  } finally {
    await stop(running);
  }
}

// Counts the messages that the page's WebSocket for calls sends and receives.
function counting(messages) {
  return (page) =>
    page.on("websocket", (socket) => {
      if (!socket.url().endsWith("/grpc")) return;
      socket.on("framesent", () => (messages.sent += 1));
      socket.on("framereceived", () => (messages.received += 1));
    });
}

// A call takes one message each way; settings and windows take a few more.
function oneEachWay(messages, calls) {
  console.log(`${messages.sent} messages sent and ${messages.received} received for ${calls} calls`);
  for (const count of Object.values(messages)) assert.ok(count >= calls && count < calls * 1.01, count);
}

async function calls(page, messages) {
  Object.assign(messages, { sent: 0, received: 0 });
  await page.click("#calls-run");
  await says(page, "#calls-note", "^8,192 calls in .* times a bare echo\\.$");
  console.log(await text(page, "#calls-note"));
  oneEachWay(messages, 8192);
  assert.equal(await page.locator("#calls-progress").evaluate((bar) => bar.value), 1);
  assert.match(await text(page, "#mean"), /^[\d.]+\s*(µs|ms)$/);
  await page.click("#calls-run");
  await page.click("#calls-cancel:not([disabled])");
  await says(page, "#calls-note", "^Cancelled after [\\d,]+ calls?\\.$");
}

async function chats(page, other) {
  await page.fill("#chat-name", "Ada");
  await page.click("#chat-toggle");
  await other.fill("#chat-name", "Grace");
  await other.click("#chat-toggle");
  // Both have joined once both see a message; a client that joins late does not get earlier
  // messages.
  await other.fill("#chat-text", "Is anybody here?");
  await other.click("#chat-say");
  await says(other, "#lines", "Grace Is anybody here\\?");
  await other.fill("#chat-text", "I am.");
  await other.press("#chat-text", "Enter");
  await says(page, "#lines", "Grace I am\\.");
  await page.click("#chat-toggle");
  await says(page, "#lines", "You left the chat");
  await other.waitForSelector("#chat-toggle:text-is('Leave')");
}

async function ticks(page) {
  await page.click("#ticks-toggle");
  await page.waitForFunction(() => Number(document.querySelector("#tick").textContent) >= 3);
  await page.click("#ticks-toggle");
  await says(page, "#ticks-note", "^Cancelled after [\\d,]+ ticks: the server has stopped too");
}

async function uploads(page) {
  const bytes = Buffer.from(Array.from({ length: 3 << 20 }, (_, at) => (at * 2654435761) >>> 24));
  await page.setInputFiles("#file", { name: "salmon-run.jpg", mimeType: "image/jpeg", buffer: bytes });
  await says(page, "#upload-word", "The server got the same \\(SHA-256 [0-9a-f]{12}…\\)\\. 3 MiB in ");
}

// A call reports that the server is gone; the next call after its return needs no reload.
async function comesBack(page, running, program) {
  await stop(running);
  await page.click("#ticks-toggle");
  await says(page, "#ticks-note", "^Unavailable: ");
  const again = await start(program, new URL(running.url).host);
  await page.waitForFunction(() => {
    const tick = Number(document.querySelector("#tick").textContent);
    const toggle = document.querySelector("#ticks-toggle");
    if (toggle.textContent === "Start") toggle.click();
    return tick >= 2;
  }, undefined, { polling: 500 });
  await page.click("#ticks-toggle");
  return again;
}

mkdirSync(SCREENSHOTS, { recursive: true });
const browser = await launch();
try {
  await saysHowToBuild(browser);
  const program = install("with", DEMO);
  let running = await start(program);
  try {
    const messages = {};
    const wide = { viewport: { width: 1280, height: 900 }, colorScheme: "light" };
    const page = await demo(browser, running, wide, counting(messages));
    await page.waitForSelector("#state[data-phase=open]");
    const other = await demo(browser, running, { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await other.waitForSelector("#state[data-phase=open]");
    await calls(page, messages);
    await chats(page, other);
    await ticks(page);
    await uploads(page);
    const overflow = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px wider than a phone`);
    await page.screenshot({ path: join(SCREENSHOTS, "demo-wide.png"), fullPage: true });
    await other.screenshot({ path: join(SCREENSHOTS, "demo-phone.png"), fullPage: true });
    running = await comesBack(page, running, program);
  } finally {
    running.server.kill("SIGKILL");
  }
  console.log(`screenshots are in ${SCREENSHOTS}`);
} finally {
  await browser.close();
}
