// A TLS server whose log is read, and the steps of the page, for any browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

// Timeout, long enough for a busy machine.
const TIMEOUT_MS = 60_000;

// Starts the server; `logged` resolves with the next line of the server's log that matches.
export async function serveTls() {
  const server = spawn(process.env.SOCKEYE, ["serve", "--listen", "127.0.0.1:0", "--self-signed", "-v"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, RUST_LOG: "" },
  });
  const [lines, waiting] = [[], []];
  createInterface({ input: server.stderr }).on("line", (line) => {
    lines.push(line);
    for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve(line);
  });
  const logged = (pattern) => {
    const line = lines.find((one) => pattern.test(one));
    if (line) return Promise.resolve(line);
    return new Promise((resolve, reject) => {
      waiting.push({ pattern, resolve });
      setTimeout(() => reject(new Error(`the log never said ${pattern}:\n${lines.join("\n")}`)), TIMEOUT_MS).unref();
    });
  };
  const url = await new Promise((resolve, reject) => {
    server.stdout.once("data", (line) => resolve(String(line).match(/https:\S+/)[0]));
    server.once("exit", (status) => reject(new Error(`the server exited with ${status}`)));
  });
  const stop = (signal) => {
    const stopped = new Promise((resolve) => server.once("exit", resolve));
    server.kill(signal);
    return stopped;
  };
  return { server, url, logged, stop };
}

// Runs in the page: waits for the echo of a message, and returns the HTTP version that the page was
// loaded with.
export const ECHO = `
  const [said, done] = [arguments[0], arguments[arguments.length - 1]];
  const until = (test) => new Promise((resolve) => {
    const timer = setInterval(() => { if (test()) { clearInterval(timer); resolve(); } }, 20);
  });
  (async () => {
    await until(() => document.querySelector("#state").dataset.phase === "open");
    document.querySelector("#message").value = said;
    document.querySelector("#message-form").requestSubmit();
    await until(() => document.querySelector(".exchange .leg.back:not(.pending) .leg-body"));
    done({
      echoed: document.querySelector(".exchange .leg.back .leg-body").innerText,
      page: performance.getEntriesByType("navigation")[0].nextHopProtocol,
      shown: document.querySelector("#http").innerText,
      extensions: document.querySelector("#extensions").innerText,
    });
  })();
`;

// Checks the page and the log after ECHO.
export async function check(seen, running, said) {
  assert.equal(seen.echoed, said);
  assert.equal(seen.page, "h2");
  assert.equal(seen.shown, "HTTP/2");
  assert.match(seen.extensions, /^permessage-deflate/);
  console.log(await running.logged(/version=HTTP\/2.*WebSocket opened/));
}
