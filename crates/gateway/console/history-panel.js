// Calls that were made and calls that were saved.

import { button, byId, element } from "./dom.js";
import { duration } from "./format.js";

// `open` shows a call.
export function historyPanel(catalog, draft, store, open) {
  const show = () => {
    list("saved", store.saved, (entry) => [
      element("b", {}, entry.name),
      element("span", { className: "note" }, entry.method.split("/").pop()),
    ]);
    list("history", store.history, (entry) => [
      element("b", {}, entry.method.split("/").pop()),
      element("span", { className: entry.code === 0 ? "outcome ok" : "outcome failed" }, entry.status),
      element("span", { className: "note" }, `${duration(entry.duration)}, ${new Date(entry.at).toLocaleString()}`),
    ]);
  };
  const list = (id, entries, describe) => {
    const items = entries.map((entry) => {
      const method = catalog.method(entry.method);
      const load = element("button", { type: "button", className: "entry", disabled: !method, title: `${entry.method}\n${entry.text}`, onclick: () => open(method, entry) }, describe(entry));
      const remove = id === "saved" && button("×", () => store.remove(entry.name), { "aria-label": `Remove ${entry.name}` });
      return element("li", {}, load, remove);
    });
    byId(id).replaceChildren(...items);
    byId(`${id}-empty`).hidden = items.length > 0;
  };
  byId("history-clear").onclick = () => store.clearHistory();
  byId("save-form").onsubmit = (event) => {
    event.preventDefault();
    const name = byId("save-name").value.trim();
    if (!name) return;
    store.save(name, draft);
    byId("save-name").value = "";
  };
  store.addEventListener("change", show);
  show();
}
