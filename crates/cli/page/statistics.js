// Statistics of times, and their display.

import { durationParts } from "./format.js";

// Returns the minimum, mean, median, 99th percentile (nearest rank) and maximum of times in
// milliseconds; null if there are none.
export function summarise(times) {
  if (!times.length) return null;
  const sorted = Float64Array.from(times).sort();
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const mean = sorted.reduce((sum, time) => sum + time, 0) / sorted.length;
  return { min: sorted[0], mean, median: rank(0.5), p99: rank(0.99), max: sorted.at(-1) };
}

// Shows a time in milliseconds, or a dash if there is none.
export function showTime(id, milliseconds) {
  const element = document.getElementById(id);
  if (milliseconds === undefined) return element.replaceChildren("–");
  const [number, unit] = durationParts(milliseconds);
  const small = document.createElement("small");
  small.textContent = unit;
  element.replaceChildren(number, small);
}
