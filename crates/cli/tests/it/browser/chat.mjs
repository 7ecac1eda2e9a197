// Drives the chat page in Chromium against the real program: two clients in contexts of their own
// chat, lose their connections and recover. The environment is that of chromium.mjs; SCREENSHOTS is
// the output folder.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { launch, open, serve, stop } from "./chromium.mjs";

const { SOCKEYE, SCREENSHOTS } = process.env;

const start = (listen = "127.0.0.1:0") => serve(SOCKEYE, "--listen", listen);
const messages = (page) => page.locator("#lines .message .words").allInnerTexts();
const says = (page, selector, words) =>
  page.waitForFunction(([at, pattern]) => new RegExp(pattern).test(document.querySelector(at)?.textContent), [selector, words]);
const lineWith = (page, kind, text) => page.locator(`#lines .${kind}`, { hasText: text }).waitFor();

async function chat(browser, { url }, name, options) {
  // A loss is to end by the button, however slow this machine is.
  const page = await open(browser, new URL("/chat?loss=600000", url).href, options);
  await page.waitForSelector("#state[data-phase=open]");
  await page.fill("#name", name);
  await page.press("#name", "Enter");
  await page.waitForSelector("#message:not([disabled])");
  return page;
}

async function say(page, text) {
  await page.fill("#message", text);
  await page.press("#message", "Enter");
}

async function chats(ada, grace) {
  for (const page of [ada, grace]) {
    await says(page, "#member-list", "Ada");
    await says(page, "#member-list", "Grace");
    assert.equal(await page.locator("#member-list li").count(), 2);
  }
  await say(ada, "Is anybody here?");
  await lineWith(grace, "message", "Is anybody here?");
  await grace.locator("#message").pressSequentially("I am", { delay: 20 });
  await says(ada, "#typing", "^Grace is typing\\.$");
  await grace.press("#message", "Enter");
  await lineWith(ada, "message", "I am");
  await says(ada, "#typing", "^$");
  for (const page of [ada, grace]) assert.deepEqual(await messages(page), ["Is anybody here?", "I am"]);
}

async function loadsHistory(browser, running) {
  const late = await chat(browser, running, "Late");
  await lineWith(late, "message", "I am");
  assert.deepEqual(await messages(late), ["Is anybody here?", "I am"]);
  await late.context().close();
}

// Says what `ada` misses while her connection is lost, and expects each message once and in order.
async function recovers(ada, grace) {
  const before = await messages(ada);
  await ada.click("#lose");
  await ada.waitForSelector("#state[data-phase=waiting], #state[data-phase=connecting]");
  await says(grace, "#member-list", "^(?!.*Ada)");
  const missed = ["The river rises", "and falls", "while you are away"];
  for (const text of missed) {
    await say(grace, text);
    await lineWith(grace, "message", text);
  }
  assert.deepEqual(await messages(ada), before, "a lost connection receives nothing");
  await say(ada, "I say this offline");
  await ada.click("#reconnect");
  await lineWith(ada, "note", "3 messages recovered, none missed.");
  await lineWith(grace, "message", "I say this offline");
  assert.deepEqual(await messages(ada), [...before, ...missed, "I say this offline"]);
  assert.deepEqual(await messages(ada), await messages(grace));
  await says(grace, "#member-list", "Ada");
}

async function showsPosts(page, { url }) {
  const answer = await fetch(new URL("/rooms/lobby/messages", url), { method: "POST", body: "from a program" });
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
  await lineWith(page, "message", "from a program");
  // No date has this time.
  const odd = JSON.stringify({ text: "in the year 287,396", at: 9e15 });
  await fetch(new URL("/rooms/lobby/messages", url), { method: "POST", body: odd });
  await lineWith(page, "message", "in the year 287,396");
}

async function hasRooms(ada, grace) {
  await ada.fill("#room-name", "#upstream");
  await ada.click("#room-join");
  await says(ada, "#conversation-title", "^#upstream$");
  await grace.click("[data-room=upstream]");
  await says(ada, "#member-list", "Grace");
  await grace.click("[data-room=lobby]");
  await say(ada, "Only those upstream see this");
  await says(grace, "[data-room=upstream] .badge", "^1$");
  await grace.click("[data-room=upstream]");
  await lineWith(grace, "message", "Only those upstream see this");
  // The row stays the same one while the list of rooms is read anew, so that no click is lost.
  const row = await grace.locator("[data-room=lobby]").elementHandle();
  await grace.waitForResponse("**/hub.json");
  await grace.waitForResponse("**/hub.json");
  assert.ok(await row.evaluate((element) => element.isConnected), "the row was replaced");
  await ada.click("#leave");
  await says(ada, "#conversation-title", "^#lobby$");
  await says(grace, "#member-list", "^(?!.*Ada)");
  await grace.click("[data-room=lobby]");
}

async function showsTheHub(page) {
  await says(page, "#bus", "without a bus");
  await says(page, "#node-rows", "this server");
  await says(page, "#room-rows", "#lobby");
  await page.waitForFunction(() => /\d\/s/.test(document.querySelector("#delivered").textContent));
  const inked = await page.locator("#plot").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value) => value !== 0);
  });
  assert.ok(inked, "the plot is empty");
}

// A server that was killed has lost its history: the page says that messages are missing.
async function showsGaps(pages, running) {
  await stop(running, "SIGKILL");
  for (const page of pages) await page.waitForSelector("#state[data-phase=waiting], #state[data-phase=connecting]");
  const again = await start(new URL(running.url).host);
  for (const page of pages) {
    await lineWith(page, "gap", "Messages are missing here: the server has begun a new history.");
  }
  return again;
}

mkdirSync(SCREENSHOTS, { recursive: true });
let running = await start();
const browser = await launch();
try {
  const wide = { viewport: { width: 1280, height: 900 }, colorScheme: "light" };
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark", hasTouch: true };
  const ada = await chat(browser, running, "Ada", wide);
  const grace = await chat(browser, running, "Grace", phone);
  await chats(ada, grace);
  await loadsHistory(browser, running);
  await recovers(ada, grace);
  await showsPosts(ada, running);
  await hasRooms(ada, grace);
  await showsTheHub(ada);
  running = await showsGaps([ada, grace], running);
  await say(grace, "We are back, but something is gone.");
  await lineWith(ada, "message", "We are back");
  await grace.locator("#message").pressSequentially("Still typ", { delay: 20 });
  await says(ada, "#typing", "Grace is typing");
  await ada.screenshot({ path: join(SCREENSHOTS, "chat-wide.png"), fullPage: true });
  await ada.emulateMedia({ colorScheme: "dark" });
  await ada.screenshot({ path: join(SCREENSHOTS, "chat-wide-dark.png"), fullPage: true });
  const overflow = await grace.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px wider than a phone`);
  await grace.screenshot({ path: join(SCREENSHOTS, "chat-phone.png"), fullPage: true });
  console.log(`screenshots are in ${SCREENSHOTS}`);
} finally {
  await browser.close();
  running.server.kill("SIGKILL");
}
