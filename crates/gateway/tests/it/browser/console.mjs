// Drives the console in Chromium against a gateway. Environment: GATEWAY (its URL), SCREENSHOTS (the
// output folder), and that of the browser's module.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { launch, open } from "../../../../cli/tests/it/browser/chromium.mjs";

const { GATEWAY, SCREENSHOTS, SOCKEYE_REQUIRE_PEERS } = process.env;
const ECHO = "sockeye.gateway.testing.Echo";
const url = (hash = "") => new URL(`console/${hash}`, GATEWAY).href;

const text = (page, selector) => page.locator(selector).innerText();
const json = async (page) => JSON.parse(await page.inputValue("#json"));
const state = (page, name) => page.waitForFunction((wanted) => document.querySelector("#state").textContent.includes(wanted), name);
const field = (page, label) => page.locator("#form").getByLabel(label, { exact: false }).first();

async function choose(page, method) {
  if (await page.locator("#list-toggle").isVisible()) {
    if (!(await page.locator("#sidebar").isVisible())) await page.click("#list-toggle");
  }
  await page.fill("#search", method);
  await page.locator("#methods a .name", { hasText: new RegExp(`^${method}$`) }).click();
  await page.waitForFunction((name) => document.querySelector("#method-title b")?.textContent === name, method);
}

async function findsMethods(page) {
  assert.match(await text(page, "#welcome-count"), /methods of \d+ services/);
  await page.fill("#search", "v1/repeat");
  assert.deepEqual(await page.locator("#methods a .name").allInnerTexts(), ["Repeat"]);
  await page.press("#search", "ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#method-title b")?.textContent === "Repeat");
  assert.equal(await text(page, "#method-kind"), "server stream");
}

// The form and the JSON follow each other.
async function editsOnBothSides(page) {
  await choose(page, "Unary");
  await field(page, "text").fill("Hello, river");
  await field(page, "number").fill("9007199254740993");
  assert.deepEqual(await json(page), { text: "Hello, river", number: "9007199254740993" });
  await page.getByRole("button", { name: "Add child" }).click();
  await page.locator("#form .nested textarea").first().fill("inner");
  await page.getByRole("button", { name: "Add an item to list" }).last().click();
  await page.keyboard.type("first");
  assert.deepEqual(await json(page), {
    text: "Hello, river", number: "9007199254740993", child: { text: "inner" }, list: ["first"],
  });
  await page.locator("#form input[type=file]").first().setInputFiles({ name: "a.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 1, 255]) });
  await page.waitForFunction(() => document.querySelector("#json").value.includes("AAH/"));
  await page.fill("#json", '{"text": "from JSON", "number": 9007199254740993, "list": ["a", "b"]}');
  assert.equal(await field(page, "text").inputValue(), "from JSON");
  assert.equal(await field(page, "number").inputValue(), "9007199254740993");
  assert.equal(await page.locator("#form .items li").count(), 2);
  await page.fill("#json", '{"text": 5, "colour": "red"}');
  assert.deepEqual(await page.locator("#problems li").allInnerTexts(), [
    "text must be text in quotes.", "colour is not a field of sockeye.gateway.testing.EchoMessage.",
  ]);
  await page.fill("#json", "{nu}");
  await page.press("#json", "ArrowLeft");
  await page.press("#json", "Control+Space");
  assert.equal(await page.inputValue("#json"), '{"number": ""}');
  await page.fill("#json", '{"text": ');
  assert.ok(await page.isDisabled("#send"));
}

async function callsUnary(page) {
  await page.fill("#json", '{"text": "Hello, river", "number": "7", "child": {"text": "inner"}, "list": ["a", "b"]}');
  await page.click("#metadata-add");
  await page.keyboard.type("authorization");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Bearer hidden");
  assert.ok(await page.locator("#metadata input[type=checkbox]").isChecked(), "it is a secret");
  await page.press("#json", "Control+Enter");
  await state(page, "0 ok");
  assert.match(await text(page, "#exchange .received pre"), /"text": "Hello, river"/);
  assert.match(await text(page, "#facts"), /Connect \(JSON\) · HTTP 200 · [\d.]+ (µs|ms|s)/);
  await page.waitForURL(/secret=authorization/);
  assert.doesNotMatch(page.url(), /hidden/);
  assert.doesNotMatch(await page.evaluate(() => JSON.stringify(localStorage)), /hidden/);
}

async function showsRest(page) {
  const routes = await page.locator("#rest-routes pre").allInnerTexts();
  assert.equal(routes[0], "GET /v1/echo/Hello,%20river?number=7&child.text=inner&list=a&list=b");
  assert.match(routes[1], /^POST \/v1\/echo\n/);
  await page.selectOption("#dialect", "rest:0");
  await page.click("#send");
  await state(page, "0 ok");
  assert.match(await text(page, "#exchange .received pre"), /"text": "Hello, river"/);
}

async function copiesAndPastes(page) {
  await page.getByRole("tab", { name: "Copy as" }).click();
  const commands = {};
  for (const tool of ["curl", "grpcurl", "buf curl", "sockeye call", "JavaScript"]) {
    await page.locator("#tools-choice").getByRole("button", { name: tool, exact: true }).click();
    commands[tool] = await text(page, "#command");
    assert.doesNotMatch(commands[tool], /hidden/);
  }
  assert.match(commands.curl, /^curl '?http:.*\/v1\/echo\//);
  await choose(page, "Lookup");
  await page.getByRole("tab", { name: "Paste" }).click();
  await page.fill("#import-text", commands.grpcurl);
  await page.click("#import-read");
  await page.waitForFunction(() => document.querySelector("#method-title b").textContent === "Unary");
  assert.equal((await json(page)).text, "Hello, river");
  await page.fill("#import-text", "curl http://x/none");
  await page.click("#import-read");
  assert.match(await text(page, "#import-problem"), /No method has GET \/none/);
}

async function compares(page) {
  await page.getByRole("tab", { name: "Compare" }).click();
  await page.selectOption("#compare-left", "connect");
  await page.selectOption("#compare-right", "rest:1");
  await page.click("#compare-run");
  await page.waitForSelector("#compare-result .other");
  // REST prints unset fields.
  assert.match(await text(page, "#compare-result .diff"), /\+ +"data": ""/);
}

async function decodesErrors(page) {
  await choose(page, "FailUnary");
  await page.fill("#json", '{"code": 5, "message": "no such salmon", "detail": {"text": "why"}}');
  await page.click("#send");
  await state(page, "5 not_found");
  assert.match(await text(page, "#error"), /no such salmon/);
  assert.match(await text(page, "#error .detail"), /EchoMessage[\s\S]*"text": "why"/);
}

async function streamsOverHttp(page) {
  await choose(page, "Repeat");
  await page.fill("#json", '{"text": "again", "number": 5}');
  for (const dialect of ["connect", "rest:0"]) {
    await page.selectOption("#dialect", dialect);
    await page.click("#send");
    await state(page, "0 ok");
    assert.equal(await page.locator("#exchange .received").count(), 5);
  }
  await choose(page, "Collect");
  await page.selectOption("#dialect", "connect");
  for (const word of ["a", "b"]) {
    await page.fill("#json", JSON.stringify({ text: word }));
    await page.click("#send");
  }
  await page.click("#half-close");
  await state(page, "0 ok");
  assert.match(await text(page, "#exchange .received pre"), /"text": "ab"/);
  await choose(page, "Stall");
  await page.selectOption("#dialect", "connect");
  await page.click("#send");
  await page.waitForSelector("#exchange .received");
  await page.click("#cancel");
  await state(page, "1 canceled");
}

const hasWebSockets = (page) =>
  page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, "sockeye.grpc.v1");
        socket.onopen = () => (socket.close(), resolve(true));
        socket.onerror = () => resolve(false);
      }),
    GATEWAY.replace("http", "ws"),
  );

// Messages leave and arrive while the call is open.
async function streamsLive(page) {
  await choose(page, "Chat");
  for (const [number, word] of ["one", "two"].entries()) {
    await page.fill("#json", JSON.stringify({ text: word }));
    await page.click("#send");
    await page.locator("#exchange .received pre", { hasText: word }).waitFor();
    assert.equal(await page.locator("#exchange .sent").count(), number + 1);
  }
  await page.click("#half-close");
  await state(page, "0 ok");
  await page.click("#send");
  await page.locator("#exchange .received").waitFor();
  await page.click("#cancel");
  await state(page, "1 canceled");
}

async function remembers(page) {
  await page.getByRole("tab", { name: "History" }).click();
  const entries = await page.locator("#history .entry").count();
  assert.ok(entries >= 4, `${entries} calls`);
  await page.fill("#save-name", "my call");
  await page.press("#save-name", "Enter");
  await page.locator("#saved .entry", { hasText: "my call" }).waitFor();
  await choose(page, "Unary");
  await page.fill("#json", '{"text": "a link"}');
  await page.waitForURL(/a\+link/);
  const again = await page.context().newPage();
  await again.goto(page.url());
  await again.waitForSelector("#method:not([hidden])");
  assert.deepEqual(await json(again), { text: "a link" });
  await again.getByRole("tab", { name: "History" }).click();
  await again.locator("#saved .entry", { hasText: "my call" }).click();
  await again.waitForFunction(() => document.querySelector("#method-title b").textContent !== "Unary");
  await again.close();
}

// Every control has a name, and ids are unique.
async function isAccessible(page) {
  const faults = await page.evaluate(() => {
    const name = (node) =>
      node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent ?? (node.textContent || node.title || "");
    const unnamed = [...document.querySelectorAll("button, input:not([aria-hidden]), select, textarea, a")]
      .filter((node) => name(node).trim() === "")
      .map((node) => node.outerHTML);
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    return [...unnamed, ...ids.filter((id, at) => ids.indexOf(id) !== at)];
  });
  assert.deepEqual(faults, []);
}

async function fits(page) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px wider than its window`);
}

mkdirSync(SCREENSHOTS, { recursive: true });
const screenshot = (page, name, options = {}) => page.screenshot({ path: join(SCREENSHOTS, `console-${name}.png`), ...options });
const browser = await launch();
try {
  const wide = await open(browser, url(), { viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  await findsMethods(wide);
  await editsOnBothSides(wide);
  await callsUnary(wide);
  await showsRest(wide);
  await screenshot(wide, "wide");
  await isAccessible(wide);
  await copiesAndPastes(wide);
  await screenshot(wide, "copy");
  await compares(wide);
  await screenshot(wide, "compare");
  await decodesErrors(wide);
  await screenshot(wide, "error");
  await streamsOverHttp(wide);
  if (SOCKEYE_REQUIRE_PEERS || (await hasWebSockets(wide))) await streamsLive(wide);
  else console.log("not tested: the gateway serves no WebSockets");
  await screenshot(wide, "stream");
  await remembers(wide);
  await wide.emulateMedia({ colorScheme: "dark" });
  await screenshot(wide, "dark");
  await fits(wide);

  const phone = await open(browser, url(`#/${ECHO}/Unary?message={"text":"Hello"}`), {
    viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "light", hasTouch: true,
  });
  await phone.waitForSelector("#method:not([hidden])");
  await phone.click("#send");
  await state(phone, "0 ok");
  await fits(phone);
  await phone.evaluate(() => scrollTo(0, 0));
  await screenshot(phone, "phone", { fullPage: true });
  await phone.click("#list-toggle");
  await screenshot(phone, "phone-list");
  await fits(phone);
  await isAccessible(phone);
  console.log(`screenshots are in ${SCREENSHOTS}`);
} finally {
  await browser.close();
}
