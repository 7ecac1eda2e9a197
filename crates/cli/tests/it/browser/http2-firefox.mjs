// Opens the page over TLS in Firefox. The environment is that of firefox.mjs.

import assert from "node:assert/strict";

import { launch } from "./firefox.mjs";
import { ECHO, check, serveTls } from "./http2.mjs";

const LAST_CLOSE = `
  const done = arguments[arguments.length - 1];
  const last = () => document.querySelector("#last-close").textContent;
  const timer = setInterval(() => { if (/^\\d/.test(last())) { clearInterval(timer); done(last()); } }, 20);
`;

const running = await serveTls();
const firefox = await launch();
try {
  await firefox.open(running.url);
  const said = "upstream in Firefox";
  await check(await firefox.run(ECHO, said), running, said);
  // Graceful shutdown of the server: the page receives 1001 on its stream.
  assert.equal(await running.stop("SIGINT"), 0);
  assert.match(await firefox.run(LAST_CLOSE), /^1001/);
} finally {
  running.server.kill("SIGKILL");
  await firefox.close();
}
