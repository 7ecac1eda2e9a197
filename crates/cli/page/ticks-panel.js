// The ticks panel: a call that is answered until it is cancelled.

import { describeFailure, wasCancelled } from "./call-failure.js";
import { count } from "./format.js";

const INTERVAL = 100;
const BEATS = 20;

export function ticksPanel() {
  const element = (id) => document.getElementById(id);
  const toggle = element("ticks-toggle");
  const beats = Array.from({ length: BEATS }, () => document.createElement("i"));
  element("beats").append(...beats);
  let demo = null;
  let call = null;

  const tick = (number) => {
    element("tick").textContent = number.toLocaleString("en");
    beats.forEach((beat, at) => beat.classList.toggle("on", at === number % BEATS));
  };

  const start = async () => {
    tick(0);
    toggle.textContent = "Cancel";
    note("The server ticks, ten times a second.");
    call = demo.tick(INTERVAL, tick);
    try {
      await call.done;
      note("The server has stopped ticking.");
    } catch (problem) {
      const ticks = count(Number(element("tick").textContent.replaceAll(",", "")), "tick");
      note(wasCancelled(problem) ? `Cancelled after ${ticks}: the server has stopped too.` : describeFailure(problem));
    } finally {
      call.free();
      call = null;
      toggle.textContent = "Start";
    }
  };

  toggle.onclick = () => (call ? call.cancel() : start());
  const note = (words) => (element("ticks-note").textContent = words);
  return (connected) => {
    demo = connected;
    toggle.disabled = false;
  };
}
