// The round-trip plot: one stem per echo, newest at the right, drawn like the paper roll of an echo
// sounder.

export const LEFT = 58;
export const RIGHT = 8;
export const TOP = 10;
export const BOTTOM = 24;

export function drawPlot(canvas, { samples, gaps, statistics, now, window }) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const context = fit(canvas, width, height);
  const colours = palette(canvas);
  const { low, high } = scale(statistics);
  const x = (at) => LEFT + (width - LEFT - RIGHT) * (1 - (now - at) / window);
  const y = (away) => TOP + (height - TOP - BOTTOM) * (1 - Math.log(away / low) / Math.log(high / low));
  const frame = { context, colours, width, height, x, y };

  drawScale(frame, { low, high });
  drawTimes(frame, window, now);
  context.save();
  context.beginPath();
  context.rect(LEFT, 0, width - LEFT - RIGHT, height);
  context.clip();
  drawGaps(frame, gaps, now, window);
  drawSamples(frame, samples);
  if (statistics) drawLevels(frame, statistics);
  context.restore();
}

// Returns a context in CSS pixels on a bitmap at the resolution of the screen.
export function fit(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function palette(canvas) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    salmon: colour("salmon"), moss: colour("moss"), amber: colour("amber"),
    soft: colour("soft"), line: colour("line"), sunk: colour("sunk"), mono: colour("mono"),
  };
}

// Returns the ends of the logarithmic scale: steps of 1, 2, 5 around all times, at least half a
// decade apart, so that an outlier neither leaves the plot nor flattens the rest.
export function scale(statistics) {
  if (!statistics) return { low: 0.1, high: 1 };
  const low = stepBelow(statistics.min / 1.3);
  return { low, high: Math.max(stepAbove(statistics.max * 1.1), low * 5) };
}

const STEPS = [1, 2, 5, 10];

function stepBelow(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * STEPS.findLast((step) => step <= (value / power) * 1.001);
}

function stepAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * STEPS.find((step) => step >= (value / power) * 0.999);
}

export function drawScale({ context, colours, width, y }, { low, high }) {
  context.font = `11px ${colours.mono}`;
  context.fillStyle = colours.soft;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  // Beyond three decades there is space for the powers of ten only.
  const sparse = high / low > 1000;
  for (let level = low; level < high * 1.001; level = stepAbove(level * 1.1)) {
    if (sparse && !level.toExponential(0).startsWith("1")) continue;
    const at = Math.round(y(level)) + 0.5;
    context.beginPath();
    context.moveTo(LEFT, at);
    context.lineTo(width - RIGHT, at);
    context.stroke();
    context.fillText(tick(level), LEFT - 8, at);
  }
}

function drawTimes({ context, colours, width, height, x }, window, now) {
  context.font = `11px ${colours.mono}`;
  context.fillStyle = colours.soft;
  context.textBaseline = "alphabetic";
  const step = (window > 30_000 ? 10 : 5) * (width < 420 ? 2 : 1);
  for (let back = 0; back <= window / 1000; back += step) {
    const at = x(now - back * 1000);
    context.textAlign = back === 0 ? "right" : back * 1000 === window ? "left" : "center";
    context.fillText(back ? `−${back} s` : "now", at, height - 6);
  }
}

function tick(level) {
  const [value, unit] = level < 0.999 ? [level * 1000, "µs"] : level < 999 ? [level, "ms"] : [level / 1000, "s"];
  return `${Number(value.toPrecision(2))} ${unit}`;
}

function drawGaps({ context, colours, height, x }, gaps, now, window) {
  for (const { from, to, word } of gaps) {
    const [left, right] = [x(Math.max(from, now - window)), x(Math.min(to, now))];
    if (right <= left) continue;
    context.fillStyle = colours.sunk;
    context.fillRect(left, TOP, right - left, height - TOP - BOTTOM);
    context.font = `11px ${colours.mono}`;
    context.fillStyle = colours.soft;
    context.textAlign = "center";
    if (right - left > context.measureText(word).width + 12) {
      context.fillText(word, (left + right) / 2, (TOP + height - BOTTOM) / 2);
    }
  }
}

function drawSamples({ context, colours, width, height, x, y }, samples) {
  const floor = height - BOTTOM;
  const stem = Math.max(1, Math.min(3, ((width - LEFT - RIGHT) / 600) * 0.7));
  context.fillStyle = colours.salmon;
  for (const { at, away } of samples) {
    const [left, top] = [x(at), y(away)];
    context.globalAlpha = 0.22;
    context.fillRect(left - stem / 2, top, stem, floor - top);
    context.globalAlpha = 1;
    context.fillRect(left - 1, top - 1, 2, 2);
  }
}

export function drawLevels({ context, colours, width, y }, statistics) {
  const levels = [
    { away: statistics.median, colour: colours.moss, dash: [] },
    { away: statistics.p99, colour: colours.amber, dash: [6, 4] },
    { away: statistics.min, colour: colours.soft, dash: [2, 3] },
  ];
  context.lineWidth = 1.5;
  for (const { away, colour, dash } of levels) {
    context.strokeStyle = colour;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(LEFT, y(away));
    context.lineTo(width - RIGHT, y(away));
    context.stroke();
  }
  context.setLineDash([]);
}
