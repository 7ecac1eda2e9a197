// Chromium, and the program under test. Environment: SOCKEYE (the program), BROWSER, MODULES
// (node_modules, with playwright-core).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(join(process.env.MODULES, "here.js"))("playwright-core");
// Timeout, long enough for a busy machine.
const TIMEOUT_MS = 120_000;
// No requests besides those of the page.
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
];

export function launch(...flags) {
  return chromium.launch({ executablePath: process.env.BROWSER, args: [...FLAGS, ...flags] });
}

// Starts `program serve` with `flags`, and resolves to its process and printed URL.
export function serve(program, ...flags) {
  const server = spawn(program, ["serve", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    server.stdout.once("data", (line) => resolve({ server, url: String(line).match(/http:\S+/)[0] }));
    server.once("exit", (status) => reject(new Error(`the server exited with ${status}`)));
  });
}

export function stop({ server }, signal = "SIGTERM") {
  const stopped = new Promise((resolve) => server.once("exit", resolve));
  server.kill(signal);
  return stopped;
}

// Opens a page in a new context; a script error or a violation of the page's policy fails the test.
// `watch` receives the page before it is loaded.
export async function open(browser, url, options = {}, watch = () => {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(TIMEOUT_MS);
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(`script error: ${error}`));
  page.on("console", (line) => {
    if (/Content Security Policy/.test(line.text())) assert.fail(line.text());
  });
  watch(page);
  await page.goto(url);
  return page;
}
