// Chromium, and the program that it is to look at. The environment says where things are: SOCKEYE (the program), BROWSER,
// MODULES (node_modules, which has playwright-core).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(join(process.env.MODULES, "here.js"))("playwright-core");
// As long as a busy machine may need; nothing waits for it on a good day.
const PATIENCE = 120_000;
// Nothing is fetched but the page.
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

// A page of its own that fails the test on any script error or breach of its policy. `watch` sees it before it is loaded.
export async function open(browser, url, options = {}, watch = () => {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(`script error: ${error}`));
  page.on("console", (line) => {
    if (/Content Security Policy/.test(line.text())) assert.fail(line.text());
  });
  watch(page);
  await page.goto(url);
  return page;
}
