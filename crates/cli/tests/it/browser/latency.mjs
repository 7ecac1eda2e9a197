// Measures the calls of the demo's page, in Chromium or in Firefox, against the program with the
// client beside it: see ci/latency.sh. The environment is that of the browser's module; ROUNDS is
// the number of rounds of 8,192 calls, LIMIT the maximum of the median of their means, in multiples
// of a bare echo.

import assert from "node:assert/strict";

import { serve, stop } from "./chromium.mjs";

const { SOCKEYE, ROUNDS, LIMIT } = process.env;

// Runs in the page: presses the button, and returns the result that the page shows.
const CALLS = `
  const done = arguments[arguments.length - 1];
  const text = (id) => document.getElementById(id).innerText.replace("\\n", " ");
  const when = (ready, then) => {
    const timer = setInterval(() => { if (ready()) { clearInterval(timer); then(); } }, 200);
  };
  const run = document.getElementById("calls-run");
  when(() => !run.disabled, () => {
    run.click();
    when(() => !run.disabled, () => {
      const statistics = ["bare", "mean", "median", "p99"].map((name) => name + " " + text(name));
      done({ statistics: statistics.join(", "), note: text("calls-note") });
    });
  });
`;

const browsers = {
  async chromium(url) {
    const { launch, open } = await import("./chromium.mjs");
    const browser = await launch();
    const page = await open(browser, url);
    const run = (script) => page.evaluate((body) => new Promise((done) => new Function(body)(done)), script);
    return { version: browser.version(), run, close: () => browser.close() };
  },
  async firefox(url) {
    const { launch } = await import("./firefox.mjs");
    const browser = await launch();
    await browser.open(url);
    const agent = await browser.run("arguments[0](navigator.userAgent)");
    return { version: agent.match(/Firefox\/(\S+)/)[1], run: browser.run, close: browser.close };
  },
};

const name = process.argv[2];
const running = await serve(SOCKEYE, "--listen", "127.0.0.1:0");
const browser = await browsers[name](new URL("/demo", running.url).href);
const ratios = [];
try {
  for (let round = 1; round <= Number(ROUNDS); round += 1) {
    const { statistics, note } = await browser.run(CALLS);
    const ratio = note.match(/([\d.]+) times a bare echo/)?.[1];
    assert.ok(ratio, note);
    ratios.push(Number(ratio));
    console.log(`${name} ${browser.version}: ${statistics}: ${ratio} times`);
  }
} finally {
  await browser.close();
  await stop(running);
}
const median = ratios.sort((a, b) => a - b)[Math.floor(ratios.length / 2)];
console.log(`${name} ${browser.version}: the median of ${ratios.length} means is ${median} times a bare echo`);
assert.ok(median <= Number(LIMIT), `more than ${LIMIT} times`);
