// The panel of the hub: the servers that form it, its rooms, and what this server does, each second.

import { count, duration, elapsed, shortId } from "./format.js";
import { drawRates } from "./rate-plot.js";

const INTERVAL = 1_000;
// Seconds in the plot.
const WINDOW = 60;
const MAX_ROWS = 8;

const NOTES = {
  token: "Figures of the hub are at /hub.json, for programs with the key of the server API.",
  off: "There is nothing to see while the hub is off.",
  unreachable: "The server does not answer.",
};

// `onRooms` receives the names of the occupied rooms.
export function clusterPanel(admission, onRooms) {
  const element = (id) => document.getElementById(id);
  const note = (text) => {
    element("cluster-note").hidden = !text;
    element("cluster-note").textContent = text;
  };
  if (admission !== "anybody") return note(NOTES[admission]);

  const canvas = element("plot");
  const rates = [];
  let previous = null;

  const redraw = () => drawRates(canvas, { rates, window: WINDOW });

  const show = (overview) => {
    element("overview").hidden = false;
    element("bus").textContent = overview.bus ? `joined by ${overview.bus}` : "one server, without a bus";
    const now = performance.now();
    const { metrics } = overview;
    // Another node has begun its counts anew.
    if (previous?.node === overview.node) {
      const seconds = (now - previous.at) / 1000;
      const rate = (name) => Math.max(0, metrics[name] - previous.metrics[name]) / seconds;
      rates.push({ published: rate("publications"), delivered: rate("deliveries") });
      if (rates.length > WINDOW) rates.shift();
      write("published", `${perSecond(rates.at(-1).published)}`);
      write("delivered", `${perSecond(rates.at(-1).delivered)}`);
      describe(canvas, rates.at(-1));
    }
    previous = { node: overview.node, at: now, metrics };
    facts(element("facts"), overview);
    rows(element("node-rows"), [
      ...overview.nodes.map(({ id, own, sessions, round_trip: trip }) => [shortId(id), own ? "this server" : duration(trip), sessions]),
      ...overview.silent.map((node) => [shortId(node), "does not answer", "?"]),
    ]);
    rows(element("room-rows"), overview.rooms.map(({ name, sessions }) => [`#${name}`, sessions]));
    onRooms(overview.rooms.map(({ name }) => name));
    redraw();
  };

  const write = (id, text) => (element(id).textContent = text);

  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/hub.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(await answer.text());
      show(await answer.json());
      note("");
    } catch {
      note("The server does not answer; these are its last figures.");
    }
  };

  look();
  setInterval(look, INTERVAL);
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function facts(list, { uptime, metrics }) {
  const { sessions, dropped, recoveries, gaps, holes } = metrics;
  const entries = [
    ["Connections", sessions],
    ["Recoveries", recoveries],
    ["Gaps", gaps],
    ["Dropped messages", dropped],
    ["Holes healed", holes],
    ["Up for", elapsed(Math.floor(uptime))],
  ];
  list.replaceChildren(
    ...entries.map(([name, value]) => {
      const row = document.createElement("div");
      const [term, description] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      description.className = "figure";
      description.textContent = typeof value === "number" ? value.toLocaleString("en") : value;
      row.append(term, description);
      return row;
    }),
  );
}

// Fills a table: the last cell of a row is a number.
function rows(body, entries) {
  const drawn = entries.slice(0, MAX_ROWS).map((cells) => newRow(cells));
  const more = entries.length - drawn.length;
  if (more > 0 || !entries.length) {
    const row = newRow([more > 0 ? `and ${count(more, "other")}` : "None."]);
    row.firstElementChild.colSpan = 3;
    row.firstElementChild.className = "note";
    drawn.push(row);
  }
  body.replaceChildren(...drawn);
}

function newRow(values) {
  const row = document.createElement("tr");
  values.forEach((value, at) => {
    const cell = document.createElement("td");
    cell.textContent = typeof value === "number" ? value.toLocaleString("en") : value;
    if (at > 0) cell.className = "number";
    row.append(cell);
  });
  return row;
}

function perSecond(rate) {
  return `${rate.toLocaleString("en", { maximumFractionDigits: rate < 10 ? 1 : 0 })}/s`;
}

function describe(canvas, { published, delivered }) {
  canvas.setAttribute("aria-label", `Messages a second: ${perSecond(published)} published, ${perSecond(delivered)} delivered`);
}
