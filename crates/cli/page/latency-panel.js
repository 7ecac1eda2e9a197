// The latency panel: sends small echoes ten times a second, plots and summarises their times.

import { showTime, summarise } from "./statistics.js";
import { count, duration } from "./format.js";
import { drawPlot } from "./plot.js";

const INTERVAL = 100;
const WINDOW = 60_000;
const FIRST_WINDOW = 15_000;
// The finest step of a browser's clock, in milliseconds; a coarser clock can report 0, which has no
// logarithm.
const FINEST = 0.005;
// Maximum number of unanswered echoes, so that a stalled connection is not sent more without bound.
const MOST_OUTSTANDING = 50;

export function latencyPanel(connection) {
  const canvas = document.getElementById("plot");
  const pause = document.getElementById("pause");
  const probe = new Uint8Array(8);
  const gaps = [];
  let samples = [];
  let paused = false;
  let frozenAt = 0;

  const times = () => samples.map(({ away }) => away);
  const redraw = () => {
    const now = paused ? frozenAt : performance.now();
    samples = samples.filter(({ at }) => at > now - WINDOW);
    const statistics = summarise(times());
    // The window starts short, so that the first seconds are not a sliver at its edge.
    const drawn = Math.min(WINDOW, Math.max(FIRST_WINDOW, now - (samples[0]?.at ?? now)));
    drawPlot(canvas, { samples, gaps, statistics, now, window: drawn });
    if (statistics) for (const name of ["min", "median", "p99"]) showTime(name, statistics[name]);
    if (statistics && !paused) {
      const echoes = count(samples.length, "echo", "echoes");
      note(`${echoes} in the last minute, ten a second of eight bytes each.`);
    }
  };

  const sound = () => {
    if (paused) return;
    if (connection.phase === "open" && connection.outstanding < MOST_OUTSTANDING) {
      new DataView(probe.buffer).setFloat64(0, performance.now());
      connection.echo(probe).then(
        ({ away }) => samples.push({ at: performance.now(), away: Math.max(away, FINEST) }),
        () => {},
      );
    }
    // Drawing blocks the thread that receives the echo: the redraw waits until the echo has most
    // likely arrived.
    if (!document.hidden) setTimeout(() => requestAnimationFrame(redraw), INTERVAL / 2);
  };

  pause.onclick = () => {
    paused = !paused;
    frozenAt = performance.now();
    pause.textContent = paused ? "Resume" : "Pause";
    pause.classList.toggle("quiet", !paused);
    note(paused ? "Paused: nothing is sent, and the times do not change." : "Ten echoes a second, eight bytes each.");
    markGap();
  };

  // Keeps the last gap in step with the reason, if any, for which nothing is measured.
  const markGap = () => {
    const now = performance.now();
    const word = paused ? "paused" : connection.phase === "open" ? "" : "not connected";
    const last = gaps.at(-1);
    if (last?.to === Infinity) {
      if (last.word === word) return;
      last.to = now;
    }
    if (word) gaps.push({ from: now, to: Infinity, word });
    while (gaps.length && gaps[0].to < now - WINDOW) gaps.shift();
  };

  connection.addEventListener("change", markGap);
  setInterval(sound, INTERVAL);
  setInterval(() => describe(canvas, summarise(times())), 5_000);
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function note(text) {
  document.getElementById("latency-note").textContent = text;
}

function describe(canvas, statistics) {
  if (!statistics) return;
  const words = ["min", "median", "p99"].map((name) => `${name} ${duration(statistics[name])}`).join(", ");
  canvas.setAttribute("aria-label", `Round-trip times of the last minute: ${words}`);
}
