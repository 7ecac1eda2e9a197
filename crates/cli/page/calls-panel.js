// The calls panel: makes thousands of unary calls in a row, plots and summarises their times,
// beside those of bare echoes.

import { describeFailure, wasCancelled } from "./call-failure.js";
import { drawCalls } from "./call-plot.js";
import { SUBPROTOCOL } from "./connection.js";
import { showTime, summarise } from "./statistics.js";
import { count, duration } from "./format.js";

const CALLS = 8_192;
// Number of bare echoes: enough for a steady mean, in a tenth of the time that the calls take.
const ECHOES = 1_024;
// Length of an echo: the bytes of a call of this service on the wire, approximately.
const ECHO_LENGTH = 100;
// Interval at which the plot is redrawn during the calls, in milliseconds: drawing takes time from
// the calls that are measured.
const REDRAW = 250;

export function callsPanel(echoUrl) {
  const element = (id) => document.getElementById(id);
  const canvas = element("plot");
  const times = [];
  let demo = null;
  let call = null;
  let frame = 0;
  let timer = 0;

  const redraw = () => {
    frame = 0;
    const statistics = summarise(times);
    drawCalls(canvas, { times, calls: CALLS, statistics });
    element("calls-progress").value = times.length / CALLS;
    for (const name of ["mean", "median", "p99"]) showTime(name, statistics?.[name]);
  };
  const redrawNow = () => (frame ||= requestAnimationFrame(redraw));
  const redrawSoon = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      redrawNow();
    }, REDRAW);
  };

  const run = async () => {
    times.length = 0;
    showTime("bare", undefined);
    element("calls-run").disabled = true;
    note("Measuring bare echoes first.");
    redrawNow();
    try {
      const bare = await meanEcho(echoUrl);
      showTime("bare", bare);
      note(`Calling, ${count(CALLS, "call")} one after the other.`);
      const begun = performance.now();
      call = demo.hello("river", CALLS, (some) => {
        times.push(...some);
        redrawSoon();
      });
      element("calls-cancel").disabled = false;
      await call.done;
      const whole = performance.now() - begun;
      const { mean } = summarise(times);
      const words = `${count(CALLS, "call")} in ${duration(whole)}: ${duration(mean)} each, ${(mean / bare).toFixed(2)} times a bare echo.`;
      note(words);
      canvas.setAttribute("aria-label", `Time of each call. ${words}`);
    } catch (problem) {
      note(wasCancelled(problem) ? `Cancelled after ${count(times.length, "call")}.` : describeFailure(problem));
    } finally {
      call?.free();
      call = null;
      element("calls-cancel").disabled = true;
      element("calls-run").disabled = false;
      redrawNow();
    }
  };

  element("calls-run").onclick = run;
  element("calls-cancel").onclick = () => call?.cancel();
  new ResizeObserver(redrawNow).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawNow);

  return (connected) => {
    demo = connected;
    element("calls-run").disabled = false;
  };
}

function meanEcho(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    const message = crypto.getRandomValues(new Uint8Array(ECHO_LENGTH));
    let left = ECHOES;
    let begun = 0;
    socket.onopen = () => {
      begun = performance.now();
      socket.send(message);
    };
    socket.onmessage = () => {
      left -= 1;
      if (left) return socket.send(message);
      resolve((performance.now() - begun) / ECHOES);
      socket.close(1000);
    };
    socket.onclose = () => reject(new Error("The server closed the connection of the bare echoes."));
  });
}

function note(words) {
  document.getElementById("calls-note").textContent = words;
}
