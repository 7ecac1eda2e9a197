// The console of the gateway: one module for each panel, joined here.

import { Catalog } from "./catalog.js";
import { comparePanel } from "./compare-panel.js";
import { completion } from "./completion.js";
import { copyPanel } from "./copy-panel.js";
import { announce, byId, copy, element, tabs } from "./dom.js";
import { Draft } from "./draft.js";
import { count } from "./format.js";
import { historyPanel } from "./history-panel.js";
import { importPanel } from "./import-panel.js";
import { metadataEditor } from "./metadata-editor.js";
import { methodList } from "./method-list.js";
import { callOfHash, hashOf } from "./permalink.js";
import { requestPanel } from "./request-panel.js";
import { responsePanel } from "./response-panel.js";
import { restPanel } from "./rest-panel.js";
import { RunningCall } from "./running-call.js";
import { Store } from "./store.js";
import { typesPanel } from "./types-panel.js";

// The gateway, of which a proxy may show only a folder.
const BASE = new URL("../", location.href).href;

start().catch((error) => showProblems([`The console could not be loaded: ${error.message}`]));

async function start() {
  const [services, state] = await Promise.all([load("services.json"), load("gateway.json")]);
  byId("version").textContent = `version ${state.version}`;
  byId("openapi").hidden = !state.openapi;
  showProblems(state.problems.map((problem) => `An upstream could not be asked for its services: ${problem}`));
  const catalog = new Catalog(services);
  byId("welcome-count").textContent = catalog.methods.size === 0
    ? "The gateway knows no services yet. Load the page again once an upstream is reachable."
    : `${count(catalog.methods.size, "method")} of ${count(catalog.services.length, "service")}. Choose one, or paste a command that calls one.`;
  run(catalog);
}

function run(catalog) {
  const draft = new Draft(catalog);
  const store = new Store(localStorage);
  let running = null;
  const mark = methodList(catalog);
  const showResponse = responsePanel();
  const calls = {
    current: () => running,
    send() {
      if (byId("send").disabled) return;
      if (!running || running.isOver) begin();
      running.send(draft.value);
      if (!draft.method.clientStreaming) running.halfClose();
      request.update();
    },
    halfClose: () => running?.halfClose(),
    cancel: () => running?.cancel(),
  };
  const begin = () => {
    const call = snapshot(draft);
    const begun = new RunningCall(catalog, call, BASE);
    running = begun;
    showResponse(begun);
    begun.addEventListener("change", () => request.update());
    begun.addEventListener("end", () => {
      // After the panel has shown it.
      requestAnimationFrame(() => requestAnimationFrame(() => byId("response").scrollIntoView({ block: "nearest" })));
      const { status, duration } = begun;
      store.record(call, { status: status.name, code: status.code, duration, at: Date.now() });
    });
  };
  const request = requestPanel(draft, calls);
  metadataEditor(draft);
  completion(draft);

  const open = (method, call) => {
    draft.open(method, call);
    // The page scrolls as a whole on narrow screens.
    document.querySelector("main").scrollTo(0, 0);
    scrollTo(0, 0);
    announce(`${method.name} is open.`);
  };
  const panels = {
    "tab-rest": restPanel(draft),
    "tab-types": typesPanel(draft),
    "tab-copy": copyPanel(draft, BASE),
    "tab-compare": comparePanel(draft, BASE),
  };
  importPanel(catalog, open);
  historyPanel(catalog, draft, store, open);
  let shown = "";
  let timer;
  const link = () => history.replaceState(null, "", hashOf(draft));
  const updatePanel = () => draft.method && panels[shown]?.();
  const tools = tabs(byId("tools-tabs"), (id) => {
    shown = id;
    updatePanel();
  });

  // Shows the call in place of the welcome.
  const leaveWelcome = () => {
    byId("welcome").hidden = true;
    byId("method").hidden = false;
    for (const tab of byId("tools-tabs").children) tab.disabled = false;
    tools.show("tab-rest");
  };
  draft.addEventListener("change", ({ detail }) => {
    if (detail === "method") {
      if (byId("method").hidden) leaveWelcome();
      // A call in progress stays in view.
      if (running?.isOver && running.call.method !== draft.method) byId("response").hidden = true;
      mark(draft.method);
      showList(false);
    }
    // The address is a link to the call. Browsers refuse to change it too often.
    clearTimeout(timer);
    timer = setTimeout(link, 300);
    updatePanel();
  });
  byId("link").onclick = ({ currentTarget }) => {
    link();
    copy(location.href, null, currentTarget);
  };
  byId("list-toggle").onclick = () => {
    if (showList(!document.body.classList.contains("listing"))) byId("search").focus();
  };

  const openHash = () => {
    const call = callOfHash(location.hash);
    const method = call && catalog.method(call.method);
    if (method) open(method, call);
    else if (call) showProblems([`There is no method ${call.method}.`]);
  };
  addEventListener("hashchange", openHash);
  openHash();
}

// Shows the list of methods on narrow screens, or the call.
function showList(isShown) {
  document.body.classList.toggle("listing", isShown);
  byId("list-toggle").setAttribute("aria-expanded", String(isShown));
  return isShown;
}

// Returns the call as it is now: the draft goes on changing.
function snapshot({ method, text, value, metadata, timeout, dialect }) {
  return { method, text, value, metadata: structuredClone(metadata), timeout, dialect };
}

async function load(name) {
  const response = await fetch(name, { cache: "no-store" });
  if (!response.ok) throw new Error(`${name} was answered with HTTP ${response.status}`);
  return response.json();
}

function showProblems(problems) {
  byId("page-problems").replaceChildren(...problems.map((problem) => element("p", {}, problem)));
}
