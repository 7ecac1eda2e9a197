// The page of a terminal: xterm.js over a session, with the state of the connection above it.

import { Terminal } from "./xterm/xterm.mjs";
import { FitAddon } from "./xterm/addon-fit.mjs";
import { TerminalSession } from "./terminal-session.js";

const PHASES = { connecting: "Connecting", open: "Connected", waiting: "Reconnecting", closed: "Ended", failed: "Ended" };
const KEYS = { escape: "\x1b", tab: "\t" };
const ARROWS = { left: "D", up: "A", down: "B", right: "C" };

const at = (id) => document.getElementById(id);
const terminal = new Terminal({
  fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSize: matchMedia("(max-width: 40rem)").matches ? 12 : 14,
  scrollback: 5_000,
  theme: {
    background: "#0a1312", foreground: "#e4eeea", cursor: "#ff8365", cursorAccent: "#0a1312", selectionBackground: "#2c5a4a",
    black: "#263833", red: "#ff7a5c", green: "#7fcba4", yellow: "#e9b95b", blue: "#7fb2e5", magenta: "#d79be0", cyan: "#73c9cf", white: "#d5e2dd",
    brightBlack: "#7f958d", brightRed: "#ffa28a", brightGreen: "#a5e0c0", brightYellow: "#f4d28c", brightBlue: "#a9cdf0", brightMagenta: "#e8bdee", brightCyan: "#a3e0e4", brightWhite: "#ffffff",
  },
});
const fit = new FitAddon();
terminal.loadAddon(fit);
terminal.open(at("screen"));

const encoder = new TextEncoder();
let writes = true;
let control = false;
let action = null;
let countdown = null;

function amount(bytes) {
  if (bytes === 1) return "1 byte";
  return bytes < 1024 ? `${bytes} bytes` : `${Math.ceil(bytes / 1024)} KiB`;
}

function space() {
  const proposed = fit.proposeDimensions();
  return proposed ? { columns: proposed.cols, rows: proposed.rows } : { columns: terminal.cols, rows: terminal.rows };
}

function adopt({ columns, rows }) {
  if (columns !== terminal.cols || rows !== terminal.rows) terminal.resize(columns, rows);
}

// The size of a viewer that types is that of its window; others see the terminal as it is.
function refit() {
  if (!writes) return;
  const size = space();
  if (size.columns === terminal.cols && size.rows === terminal.rows) return;
  adopt(size);
  session.resize(size);
}

// A proxy may serve the page below a path of its own.
const url = new URL("ws", location.href.replace(/^http/, "ws"));
const session = new TerminalSession(url.href, space);

session.addEventListener("greeting", ({ detail }) => {
  writes = detail.writes;
  at("command").textContent = detail.command;
  document.title = `${detail.command} · Sockeye`;
  at("read-only").hidden = writes;
  at("keys").hidden = !writes;
  terminal.options.disableStdin = !writes;
  adopt(detail);
  if (writes) terminal.focus();
});

session.addEventListener("screen", ({ detail }) => {
  terminal.reset();
  terminal.write(detail);
});

session.addEventListener("output", ({ detail }) => terminal.write(detail.bytes, detail.shown));
session.addEventListener("size", ({ detail }) => adopt(detail));
session.addEventListener("unauthorized", () => at("login").open || at("login").showModal());

session.addEventListener("state", ({ detail }) => {
  const { phase, note, retryAt } = detail;
  action = detail.action ?? null;
  at("state").dataset.phase = phase;
  at("state").textContent = phase === "closed" || phase === "failed" ? note : PHASES[phase];
  at("again").hidden = action === null;
  at("again").textContent = action === "restart" ? "Start again" : "Connect now";
  document.body.classList.toggle("away", phase !== "open");
  clearInterval(countdown);
  const show = () => {
    const left = retryAt ? Math.max(0, Math.ceil((retryAt - performance.now()) / 1000)) : 0;
    const parts = phase === "waiting" ? [`${note}, next attempt in ${left} s`] : [];
    if (phase !== "open" && session.unsent > 0) parts.push(`${amount(session.unsent)} typed are kept`);
    at("note").textContent = parts.join("; ");
  };
  show();
  if (retryAt) countdown = setInterval(show, 250);
  if (phase === "closed" || phase === "failed") terminal.options.disableStdin = true;
});

const LOSSES = {
  full: (bytes) => `The terminal takes no input: ${bytes} were not typed.`,
  ended: (bytes) => `The last ${bytes} typed did not reach the terminal.`,
  unknown: (bytes) => `The last ${bytes} typed may not have reached the terminal.`,
};

session.addEventListener("lost", ({ detail }) => {
  at("loss-text").textContent = LOSSES[detail.reason](amount(detail.bytes));
  at("loss").hidden = false;
});

at("loss-seen").addEventListener("click", () => {
  at("loss").hidden = true;
  terminal.focus();
});

at("again").addEventListener("click", () => {
  if (action === "restart") session.restart();
  else session.connect();
});

terminal.onData((text) => {
  if (control && /^[a-z@[\\\]^_]$/i.test(text)) text = String.fromCharCode(text.toUpperCase().charCodeAt(0) & 0x1f);
  holdControl(false);
  session.type(encoder.encode(text));
});
terminal.onBinary((text) => session.type(Uint8Array.from(text, (character) => character.charCodeAt(0))));
// The server drops titles unless its operator allows them.
terminal.onTitleChange((title) => { document.title = title; });

function holdControl(held) {
  control = held;
  document.querySelector("[data-key=control]").setAttribute("aria-pressed", String(held));
}

at("keys").addEventListener("click", ({ target }) => {
  const key = target.closest("button")?.dataset.key;
  if (!key) return;
  if (key === "control") {
    holdControl(!control);
  } else {
    const introducer = terminal.modes.applicationCursorKeysMode ? "\x1bO" : "\x1b[";
    session.type(encoder.encode(KEYS[key] ?? introducer + ARROWS[key]));
  }
  terminal.focus();
});

async function logIn(token) {
  const response = await fetch("login", { method: "POST", body: token, credentials: "same-origin" });
  return response.ok;
}

at("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("login-problem").textContent = "";
  try {
    if (!(await logIn(at("token").value.trim()))) {
      at("login-problem").textContent = "The token is not valid.";
      return;
    }
  } catch {
    at("login-problem").textContent = "The server cannot be reached.";
    return;
  }
  at("token").value = "";
  at("login").close();
  session.connect();
});

new ResizeObserver(refit).observe(at("screen"));

// A link with a token: the part after # stays in the browser.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  await logIn(token).catch(() => false);
}
adopt(space());
session.connect();
