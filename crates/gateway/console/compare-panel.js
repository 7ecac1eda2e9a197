// The same call in two dialects, side by side.

import { dialectsOf } from "./dialects.js";
import { diff } from "./diff.js";
import { byId, element } from "./dom.js";
import { duration, size } from "./format.js";
import { print } from "./json.js";
import { RunningCall } from "./running-call.js";
import { milliseconds } from "./timeout.js";

// Timeout of a comparison in milliseconds, if the call has none: a stream may have no end.
const TIMEOUT = 10_000;

export function comparePanel(draft, base) {
  const selects = [byId("compare-left"), byId("compare-right")];
  const result = byId("compare-result");
  let shownMethod = null;

  byId("compare-run").onclick = async ({ currentTarget: run }) => {
    run.disabled = true;
    const { method, value, metadata, timeout } = draft;
    const calls = selects.map((select) => {
      const running = new RunningCall(draft.catalog, { method, value, metadata, timeout, dialect: select.value }, base);
      running.send(value);
      running.halfClose();
      return running;
    });
    const timer = setTimeout(() => calls.forEach((call) => call.cancel()), limit(timeout));
    await Promise.all(calls.map((call) => call.over()));
    clearTimeout(timer);
    show(result, calls);
    run.disabled = false;
  };

  return () => {
    if (draft.method === shownMethod) return;
    shownMethod = draft.method;
    result.replaceChildren();
    const dialects = dialectsOf(draft.method);
    for (const [index, select] of selects.entries()) {
      const chosen = dialects[Math.min(index, dialects.length - 1)];
      select.replaceChildren(...dialects.map((dialect) => element("option", { value: dialect.id, selected: dialect === chosen }, dialect.name)));
    }
    byId("compare-run").disabled = dialects.length < 2;
    byId("compare-empty").hidden = dialects.length >= 2;
  };
}

function limit(timeout) {
  try {
    return milliseconds(timeout) ?? TIMEOUT;
  } catch {
    return TIMEOUT;
  }
}

function show(place, calls) {
  const texts = calls.map((call) => {
    const messages = call.messages.filter(({ kind }) => kind === "received").map(({ value }) => print(value));
    const { name, message } = call.status;
    return [`status: ${name}${message && `: ${message}`}`, ...messages].join("\n");
  });
  const lines = diff(...texts);
  const isSame = lines.every(({ side }) => side === "both");
  const facts = calls.map((call, index) =>
    element("li", {}, element("b", {}, `${"−+"[index]} ${call.dialect.name}`), ` ${call.status.name}, ${duration(call.duration)}, ${size(call.receivedBytes)} of JSON`),
  );
  const marks = { both: " ", left: "−", right: "+" };
  place.replaceChildren(
    element("ul", { className: "facts-list" }, facts),
    element("p", { className: isSame ? "same" : "other" }, isSame ? "Status and messages are the same." : "The results differ:"),
    element("pre", { className: "code diff", tabIndex: 0 }, lines.map(({ side, text }) => element("span", { className: side }, `${marks[side]} ${text}\n`))),
  );
}
