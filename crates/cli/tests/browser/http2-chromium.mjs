// Opens the page over TLS in Chromium: BROWSER; MODULES (node_modules) has playwright-core.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

import { ECHO, PATIENCE, check, serveTls } from "./http2.mjs";

const { chromium } = createRequire(join(process.env.MODULES, "here.js"))("playwright-core");
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
  "--ignore-certificate-errors",
];

const running = await serveTls();
const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: FLAGS });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(running.url);
  const seen = await page.evaluate(
    ([script, said]) => new Promise((done) => new Function(script)(said, done)),
    [ECHO, "upstream in Chromium"],
  );
  await check(seen, running, "upstream in Chromium");
  // The server stops in order: the page hears 1001 on its stream.
  assert.equal(await running.stop("SIGINT"), 0);
  await page.waitForFunction(() => /^1001/.test(document.querySelector("#last-close").textContent));
} finally {
  await browser.close();
  running.server.kill("SIGKILL");
}
