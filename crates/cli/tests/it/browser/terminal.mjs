// Drives the page of `sockeye exec --pty` in Chromium against the real program. The environment is
// that of chromium.mjs; SCREENSHOTS is the output folder.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { launch, open, stop } from "./chromium.mjs";
import { below, connected, exec, network, shows, stopAll, types } from "./terminal-server.mjs";

const { SCREENSHOTS, SCRATCH } = process.env;

const lines = (page) => page.locator(".xterm-rows").innerText();

const screenshot = (page, name) => page.screenshot({ path: join(SCREENSHOTS, `terminal-${name}.png`) });

async function worksAndEnds(browser) {
  const running = await exec();
  const page = await open(browser, running.url, { viewport: { width: 1280, height: 800 }, colorScheme: "light" });
  await connected(page);
  await types(page, "printf '\\033[1;32mgreen\\033[0m \\033[34mblue\\033[0m wörld 世界\\n'; seq 1 5; echo $((40 + 2))");
  await shows(page, "42");
  await types(page, "stty size");
  const size = await page.waitForFunction(() => /\n(\d+) (\d+)/.exec(document.querySelector(".xterm-rows").innerText.replaceAll("\u00a0", " "))?.[0]);
  const [rows, columns] = (await size.jsonValue()).trim().split(" ").map(Number);
  assert.ok(rows > 30 && columns > 100, `${rows} ${columns}`);
  await screenshot(page, "wide");

  // A page that is loaded again has its screen.
  await page.reload();
  await connected(page);
  await shows(page, "42");
  await shows(page, "wörld 世界");
  const took = await page.evaluate(() => performance.now());
  console.log(`the screen was back ${took.toFixed(0)} ms after the page was requested`);

  // A flood is stopped at once.
  await types(page, "yes");
  await shows(page, "y\ny\ny");
  await page.keyboard.press("Control+c");
  await types(page, "echo still he''re");
  await shows(page, "still here");

  await types(page, "exit 3");
  await page.waitForSelector("#state[data-phase=failed]");
  assert.equal(await page.locator("#state").innerText(), "Exited with 3");
  await screenshot(page, "ended");
  await page.click("#again");
  await connected(page);
  await types(page, "echo ag''ain");
  await shows(page, "again");
  await page.context().close();
  await stop(running);
}

async function survivesTheNetwork(browser) {
  const running = await exec();
  const wire = await network(running.url);
  const page = await open(browser, wire.url, { viewport: { width: 900, height: 560 }, colorScheme: "dark" });
  await connected(page);
  await types(page, "echo be''fore");
  await shows(page, "before");
  await types(page, "echo beg''un; sleep 3; echo mean''while");
  await shows(page, "begun");
  wire.cut();
  // These keys are on the way, and those that follow are typed while the page knows.
  await types(page, "echo on the w''ay");
  await page.waitForSelector("#state[data-phase=waiting]");
  await types(page, "echo typed bl''ind");
  await page.waitForFunction(() => document.querySelector("#note").textContent.includes("bytes typed are kept"));
  await screenshot(page, "reconnecting");
  wire.mend();
  await connected(page);
  await shows(page, "meanwhile");
  assert.equal((await lines(page)).match(/before/g).length, 1, "nothing is doubled");
  await shows(page, "typed blind");
  await types(page, "echo af''ter");
  await shows(page, "after");
  for (const line of ["on the way", "typed blind"]) {
    assert.equal((await lines(page)).split(line).length, 2, `${line}: once`);
  }
  assert.equal(await page.locator(".xterm").count(), 1);
  assert.ok(await page.locator("#loss").isHidden());

  // Keys that are on the way when the page is loaded again are those of the page that comes.
  wire.freeze();
  await types(page, "echo through a rel''oad");
  await page.reload();
  await connected(page);
  await shows(page, "through a reload");
  assert.equal((await lines(page)).split("through a reload").length, 2);
  await page.context().close();
  wire.close();
  await stop(running);
}

// What cannot reach the terminal is said.
async function reportsLosses(browser) {
  const running = await exec("--linger", "100ms");
  const wire = await network(running.url);
  const page = await open(browser, wire.url, { viewport: { width: 900, height: 560 }, colorScheme: "light" });
  await connected(page);
  await shows(page, "$");
  wire.cut();
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("lost");
  await page.waitForSelector("#state[data-phase=waiting]");
  // The session has ended meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  wire.mend();
  await page.waitForSelector("#state[data-phase=closed], #state[data-phase=failed]");
  assert.equal(await page.locator("#loss-text").innerText(), "The last 4 bytes typed did not reach the terminal.");
  await screenshot(page, "lost");
  await page.click("#loss-seen");
  assert.ok(await page.locator("#loss").isHidden());
  await page.click("#again");
  await connected(page);

  // More than is kept is refused whole.
  await shows(page, "$");
  wire.cut();
  const pasted = (length) => page.evaluate((count) => {
    const data = new DataTransfer();
    data.setData("text/plain", "x".repeat(count));
    const paste = new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
    document.querySelector(".xterm-helper-textarea").dispatchEvent(paste);
  }, length);
  await pasted(5 * 1024 * 1024);
  await page.waitForFunction(() => /^The terminal takes no input: \d+ KiB were not typed\.$/.test(document.querySelector("#loss-text").textContent));
  await page.context().close();
  wire.close();
  await stop(running);
}

async function worksOnAPhone(browser) {
  const token = "0123456789abcdef-phone";
  const file = join(SCRATCH, "terminal-tokens.txt");
  writeFileSync(file, `${token}\n`);
  const running = await exec("--token-file", file);
  const options = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark", hasTouch: true, isMobile: true };
  const page = await open(browser, running.url, options);
  await page.waitForSelector("#login[open]");
  await page.fill("#token", "wrong token");
  await page.click("#login-form button");
  await page.waitForFunction(() => document.querySelector("#login-problem").textContent === "The token is not valid.");
  await screenshot(page, "login");
  await page.fill("#token", token);
  await page.click("#login-form button");
  await connected(page);
  await types(page, "echo on a pho''ne");
  await shows(page, "on a phone");
  await page.tap("[data-key=up]");
  await shows(page, "$ ");
  await page.tap("[data-key=control]");
  await page.keyboard.type("c");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px wider than a phone`);
  await screenshot(page, "phone");
  await page.context().close();

  // A link with a token: the address keeps nothing of it.
  const linked = await open(browser, `${running.url}#token=${token}`);
  await connected(linked);
  assert.equal(await linked.evaluate(() => location.href), running.url);
  await linked.context().close();
  await stop(running);
}

// Two terminals of one host, each below a path of its own.
async function workBelowPaths(browser) {
  const token = "0123456789abcdef-below";
  const file = join(SCRATCH, "terminal-tokens-below.txt");
  writeFileSync(file, `${token}\n`);
  const running = await exec("--token-file", file);
  const other = await exec();
  const host = await below({ "/tools/first/": running.url, "/tools/second/": other.url });
  const page = await open(browser, `${host.url}/tools/first/`, { viewport: { width: 900, height: 560 }, colorScheme: "light" });
  await page.waitForSelector("#login[open]");
  await page.fill("#token", token);
  await page.click("#login-form button");
  await connected(page);
  await types(page, "echo fi''rst");
  await shows(page, "first");
  assert.deepEqual((await page.context().cookies()).map(({ path }) => path), ["/tools/first"]);

  // The window has a session of each.
  await page.goto(`${host.url}/tools/second/`);
  await connected(page);
  await types(page, "echo sec''ond");
  await shows(page, "second");
  await page.goBack();
  await connected(page);
  await shows(page, "first");
  await page.context().close();
  host.close();
  await stop(running);
  await stop(other);
}

mkdirSync(SCREENSHOTS, { recursive: true });
const browser = await launch();
try {
  await worksAndEnds(browser);
  await survivesTheNetwork(browser);
  await reportsLosses(browser);
  await worksOnAPhone(browser);
  await workBelowPaths(browser);
  console.log(`screenshots are in ${SCREENSHOTS}`);
} finally {
  stopAll();
  await browser.close();
}
