// Opens the page over TLS in Chromium. The environment is that of chromium.mjs.

import assert from "node:assert/strict";

import { launch, open } from "./chromium.mjs";
import { ECHO, check, serveTls } from "./http2.mjs";

const running = await serveTls();
const browser = await launch("--ignore-certificate-errors");
try {
  const page = await open(browser, running.url);
  const seen = await page.evaluate(
    ([script, said]) => new Promise((done) => new Function(script)(said, done)),
    [ECHO, "upstream in Chromium"],
  );
  await check(seen, running, "upstream in Chromium");
  // Graceful shutdown of the server: the page receives 1001 on its stream.
  assert.equal(await running.stop("SIGINT"), 0);
  await page.waitForFunction(() => /^1001/.test(document.querySelector("#last-close").textContent));
} finally {
  await browser.close();
  running.server.kill("SIGKILL");
}
