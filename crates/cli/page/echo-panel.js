// The echo panel: messages typed by hand, and their echoes.

import { lengthOf } from "./connection.js";
import { duration, hexDump, parseHex, size } from "./format.js";

const MOST_ROWS = 100;
const PLACEHOLDERS = { text: "Say something to the river", binary: "Hexadecimal: 48 65 6c 6c 6f" };

export function echoPanel(connection, limit) {
  const element = (id) => document.getElementById(id);
  const form = element("message-form");
  const input = element("message");
  const rows = element("exchanges");

  const refresh = () => {
    element("send").disabled = connection.phase !== "open";
    element("clear").disabled = !rows.children.length;
    element("echo-empty").hidden = rows.children.length > 0;
  };

  form.onchange = () => {
    const kind = form.elements.kind.value;
    input.placeholder = PLACEHOLDERS[kind];
    input.classList.toggle("hex", kind === "binary");
    element("message-label").textContent = kind === "binary" ? "Message, in hexadecimal" : "Message";
    complain("");
  };

  form.onsubmit = (event) => {
    event.preventDefault();
    complain("");
    try {
      const data = form.elements.kind.value === "binary" ? parseHex(input.value) : input.value;
      if (lengthOf(data) > limit()) throw new Error(`That is ${size(lengthOf(data))}; the server takes ${size(limit())} at most.`);
      exchange(data);
      input.value = "";
    } catch (problem) {
      complain(problem.message);
    }
    input.focus();
  };

  const exchange = (data) => {
    const { row, finish, fail } = newRow(data);
    connection.echo(data).then(finish, fail);
    rows.prepend(row);
    rows.scrollTop = 0;
    while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
    refresh();
  };

  element("clear").onclick = () => {
    rows.replaceChildren();
    refresh();
    input.focus();
  };

  const complain = (words) => {
    element("message-problem").textContent = words;
    input.toggleAttribute("aria-invalid", Boolean(words));
  };

  connection.addEventListener("change", refresh);
  refresh();
}

// Returns a row with two legs: the message sent, and below it the echo.
function newRow(data) {
  const row = document.createElement("li");
  row.className = "exchange";
  const out = newLeg("leg out");
  fill(out, data);
  out.fact.textContent = `${typeof data === "string" ? "text" : "binary"}, ${size(lengthOf(data))}`;
  const back = newLeg("leg back pending");
  back.body.textContent = "on its way";
  row.append(out.leg, back.leg);

  return {
    row,
    finish({ data: echo, away }) {
      back.leg.className = "leg back";
      fill(back, echo);
      back.fact.textContent = same(data, echo) ? duration(away) : `${duration(away)}, but not the same`;
    },
    fail(problem) {
      back.leg.className = "leg back failed";
      back.body.textContent = problem.message;
    },
  };
}

function newLeg(className) {
  const leg = document.createElement("p");
  leg.className = className;
  const body = document.createElement("span");
  body.className = "leg-body";
  const fact = document.createElement("span");
  fact.className = "leg-fact";
  leg.append(body, fact);
  return { leg, body, fact };
}

function fill({ body }, data) {
  body.classList.toggle("dump", typeof data !== "string");
  body.textContent = typeof data === "string" ? data || "(empty)" : hexDump(data) || "(empty)";
}

export function same(one, other) {
  if (typeof one === "string" || typeof other === "string") return one === other;
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
