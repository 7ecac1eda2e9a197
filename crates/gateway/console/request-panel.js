// The request: form and JSON side by side, and how it is sent.

import { isStream, kindOf } from "./catalog.js";
import { paragraphs } from "./comment.js";
import { byId, element } from "./dom.js";
import { dialectOf, dialectsOf } from "./dialects.js";
import { Form } from "./form.js";
import { print } from "./json.js";
import { milliseconds } from "./timeout.js";

// Problems that are listed; the others are counted.
const MAX_PROBLEMS = 5;

// `run` is an object that makes calls: see app.js.
export function requestPanel(draft, run) {
  const json = byId("json");
  const form = new Form(byId("form"), draft.catalog, (value) => draft.setValue(value));
  json.oninput = () => draft.setText(json.value);
  byId("example").onclick = () => {
    draft.setText(print(draft.method.example));
    json.value = draft.text;
  };
  byId("tidy").onclick = () => {
    if (draft.syntaxProblem) return;
    draft.setText(print(draft.value));
    json.value = draft.text;
  };
  byId("timeout").oninput = ({ target }) => {
    try {
      milliseconds(target.value);
      target.setCustomValidity("");
    } catch (error) {
      target.setCustomValidity(error.message);
    }
    target.setAttribute("aria-invalid", String(!target.checkValidity()));
    draft.set({ timeout: target.value });
  };
  byId("dialect").oninput = ({ target }) => draft.set({ dialect: target.value });
  const shortcut = (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run.send();
  };
  byId("request").addEventListener("keydown", shortcut);
  byId("send").onclick = () => run.send();
  byId("half-close").onclick = () => run.halfClose();
  byId("cancel").onclick = () => run.cancel();

  draft.addEventListener("change", ({ detail }) => {
    if (detail === "method") {
      showMethod(draft.method);
      showDialects(draft);
      byId("timeout").value = draft.timeout;
      form.show(draft.method.input, draft.value);
    }
    if (detail === "text" && !draft.syntaxProblem) form.show(draft.method.input, draft.value);
    if (detail !== "text" && detail !== "settings") json.value = draft.text;
    showProblems(draft, json);
    showButtons(draft, run.current());
  });
  return { update: () => showButtons(draft, run.current()) };
}

function showMethod(method) {
  const cut = method.service.lastIndexOf(".") + 1;
  byId("method-title").replaceChildren(
    element("small", {}, `${method.service.slice(0, cut)}`),
    `${method.service.slice(cut)} / `,
    element("b", {}, method.name),
  );
  byId("method-kind").textContent = kindOf(method);
  byId("method-comment").textContent = paragraphs(method.comment);
  byId("method-old").hidden = !method.deprecated;
  const short = ({ type, kind }) => (type ?? kind).split(".").pop();
  const stream = (is) => (is ? "stream " : "");
  byId("method-types").textContent =
    `(${stream(method.clientStreaming)}${short(method.input)}) → (${stream(method.serverStreaming)}${short(method.output)})`;
  document.title = `${method.name}: Sockeye console`;
}

function showDialects(draft) {
  const options = dialectsOf(draft.method).map(({ id, name }) => element("option", { value: id, selected: id === draft.dialect }, name));
  byId("dialect").replaceChildren(...options);
}

function showProblems(draft, json) {
  const list = byId("problems");
  const all = draft.syntaxProblem ? [draft.syntaxProblem] : draft.problems.map(({ path, text }) => `${path} ${text}.`);
  const shown = all.slice(0, MAX_PROBLEMS).map((text) => element("li", {}, text));
  if (all.length > MAX_PROBLEMS) shown.push(element("li", {}, `And ${all.length - MAX_PROBLEMS} more.`));
  list.replaceChildren(...shown);
  json.setAttribute("aria-invalid", String(all.length > 0));
}

function showButtons(draft, running) {
  const { method } = draft;
  if (!method) return;
  const isOpen = running !== null && !running.isOver && running.call.method === method;
  const isAnyOpen = running !== null && !running.isOver;
  const canSend = !isAnyOpen || (isOpen && method.clientStreaming && !running.requestsEnded);
  const send = byId("send");
  const isLive = dialectOf(method, draft.dialect).isLive;
  send.textContent = !method.clientStreaming ? (isStream(method) ? "Start" : "Send") : isOpen ? "Send message" : "Start and send";
  send.disabled = !canSend || Boolean(draft.syntaxProblem);
  byId("half-close").hidden = !method.clientStreaming;
  byId("half-close").disabled = !isOpen || running.requestsEnded;
  byId("half-close").textContent = isLive ? "End requests" : "End and send all";
  byId("cancel").disabled = !isAnyOpen;
  byId("dialect").disabled = isAnyOpen;
}
