// The chat panel: one call in both directions.

import { describeFailure, wasCancelled } from "./call-failure.js";
import { count } from "./format.js";

const MAX_LINES = 200;

export function chatPanel() {
  const element = (id) => document.getElementById(id);
  const toggle = element("chat-toggle");
  const [name, text, lines] = [element("chat-name"), element("chat-text"), element("lines")];
  let demo = null;
  let chat = null;

  const refresh = () => {
    toggle.textContent = chat ? "Leave" : "Join";
    toggle.disabled = !demo;
    name.disabled = Boolean(chat);
    text.disabled = element("chat-say").disabled = !chat;
    element("chat-empty").hidden = lines.children.length > 0;
  };

  const add = (...parts) => {
    const line = document.createElement("li");
    line.append(...parts);
    lines.prepend(line);
    while (lines.children.length > MAX_LINES) lines.lastElementChild.remove();
    refresh();
  };

  const onEvent = (nameOrCount, message) => {
    if (message === undefined) return add(note(`${count(nameOrCount, "line")} missed: this page was too slow.`));
    const speaker = document.createElement("b");
    speaker.textContent = nameOrCount;
    add(speaker, ` ${message}`);
  };

  const join = async () => {
    complain("");
    name.value = name.value.trim() || `guest ${Math.floor(1000 + Math.random() * 9000)}`;
    const joined = (chat = demo.chat(onEvent));
    refresh();
    text.focus();
    try {
      await joined.done;
      add(note("You left the chat."));
    } catch (problem) {
      if (!wasCancelled(problem)) complain(describeFailure(problem));
    } finally {
      joined.free();
      chat = null;
      refresh();
    }
  };

  toggle.onclick = () => (chat ? chat.leave() : join());
  element("chat-form").onsubmit = (event) => {
    event.preventDefault();
    complain("");
    if (!chat) return join();
    const message = text.value.trim();
    if (!message) return;
    try {
      chat.say(name.value, message);
      text.value = "";
    } catch (problem) {
      complain(problem.message);
    }
  };

  const complain = (message) => (element("chat-problem").textContent = message);
  return (connected) => {
    demo = connected;
    refresh();
  };
}

function note(message) {
  const span = document.createElement("span");
  span.className = "note";
  span.textContent = message;
  return span;
}
