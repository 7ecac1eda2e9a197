// The response: its status, its messages as they arrive, and its metadata.

import { byId, button, copy, element } from "./dom.js";
import { count, duration, size } from "./format.js";
import { print } from "./json.js";
import { describe } from "./status.js";

// Rows that are shown of a stream: the latest ones.
const MAX_ROWS = 200;

// Returns a function that shows the response of a call, as it arrives.
export function responsePanel() {
  let current = null;
  // The number of messages that have rows, by kind.
  let shown = null;
  let isDue = false;

  const update = () => {
    // A stream may be faster than the screen.
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (current) show(current, shown);
    });
  };
  return (running) => {
    current?.removeEventListener("change", update);
    current = running;
    shown = { last: null };
    byId("exchange").replaceChildren();
    byId("response").hidden = false;
    running.addEventListener("change", update);
    show(running, shown);
  };
}

function show(running, shown) {
  showState(running);
  const list = byId("exchange");
  const isSingle = running.isOver && running.sent <= 1 && running.received === 1;
  const fresh = running.messages.slice(running.messages.indexOf(shown.last) + 1).slice(-MAX_ROWS);
  for (const message of fresh) list.append(messageRow(message, running));
  shown.last = running.messages.at(-1) ?? shown.last;
  while (list.children.length > MAX_ROWS) list.firstElementChild.remove();
  byId("exchange-cut").hidden = running.sent + running.received <= list.children.length;
  list.classList.toggle("single", isSingle);
  if (fresh.length > 0 && !isSingle) list.scrollTop = list.scrollHeight;
  showMetadata("headers", running.headers ?? []);
  showMetadata("trailers", running.trailers);
  showError(running);
}

function showState(running) {
  byId("response-title").textContent = `Response of ${running.call.method.name}`;
  const state = byId("state");
  const { status } = running;
  state.dataset.phase = phaseOf(status);
  const isWaiting = running.requestsEnded && !running.call.method.serverStreaming;
  state.textContent = status ? `${status.code} ${status.name}` : isWaiting ? "Waiting" : "Open";
  const facts = [running.dialect.name];
  if (running.note) facts.push(running.note);
  if (running.duration !== null) facts.push(duration(running.duration));
  if (running.headersAt !== null) facts.push(`headers after ${duration(running.headersAt)}`);
  if (running.sent > 1 || running.call.method.clientStreaming) facts.push(`${count(running.sent, "message")} sent`);
  if (running.received > 0 || !status) facts.push(`${count(running.received, "message")} received, ${size(running.receivedBytes)}`);
  if (running.waiting > 0) facts.push(`${count(running.waiting, "message")} waiting for the server to take more`);
  byId("facts").textContent = facts.join(" · ");
  if (status) byId("response-said").textContent = `The call ended with ${status.name}, ${count(running.received, "message")} received.`;
}

function phaseOf(status) {
  if (!status) return "running";
  return ["ok", "canceled"][status.code] ?? "failed";
}

function messageRow(message, running) {
  const isSent = message.kind === "sent";
  const text = print(message.value) ?? "";
  const code = element("pre", { className: "code", tabIndex: 0, "aria-label": `Message ${message.number}, ${message.kind}` }, text);
  const previous = running.messages[running.messages.indexOf(message) - 1];
  const gap = previous ? ` (+${duration(message.at - previous.at)})` : "";
  const facts = element(
    "summary",
    {},
    element("span", { className: "arrow", "aria-hidden": "true" }, isSent ? "↑" : "↓"),
    element("b", {}, `${isSent ? "sent" : "received"} ${message.number}`),
    element("span", { className: "when" }, `${duration(message.at)}${gap} · ${size(message.size)}`),
  );
  const copyIt = button("Copy", ({ currentTarget }) => copy(text, code, currentTarget));
  // What was sent is seen in the request.
  const details = element("details", { open: !isSent || running.call.method.clientStreaming }, facts, element("div", { className: "payload" }, code, copyIt));
  return element("li", { className: message.kind }, details);
}

function showMetadata(id, entries) {
  byId(id).hidden = entries.length === 0;
  const rows = entries.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  byId(id).querySelector("dl").replaceChildren(...rows);
}

function showError({ status }) {
  const place = byId("error");
  place.hidden = !status || status.code === 0;
  place.dataset.phase = phaseOf(status);
  if (place.hidden) return;
  place.replaceChildren(element("p", { className: "message" }, status.message || "The status has no message."), ...status.details.map(detailItem));
}

function detailItem(detail) {
  const sentences = describe(detail);
  const text = typeof detail.value === "string" ? detail.value : print(detail.value);
  const raw = element("pre", { className: "code" }, text);
  return element(
    "section",
    { className: "detail" },
    element("h4", {}, detail.type),
    sentences && element("ul", {}, sentences.map((sentence) => element("li", {}, sentence))),
    sentences ? element("details", {}, element("summary", {}, "as JSON"), raw) : raw,
    typeof detail.value === "string" && element("p", { className: "note" }, "The gateway does not know this type: these are its bytes in base64."),
  );
}
