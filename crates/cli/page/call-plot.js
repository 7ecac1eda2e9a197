// The plot of the calls: one dot each, the first at the left, with lines for the median and the
// 99th percentile.

import { BOTTOM, LEFT, RIGHT, TOP, drawLevels, drawScale, fit, palette, scale } from "./plot.js";

export function drawCalls(canvas, { times, calls, statistics }) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const context = fit(canvas, width, height);
  const { low, high } = scale(statistics);
  const frame = {
    context, width, height, colours: palette(canvas),
    x: (call) => LEFT + ((width - LEFT - RIGHT) * call) / calls,
    y: (away) => TOP + (height - TOP - BOTTOM) * (1 - Math.log(Math.max(away, low) / low) / Math.log(high / low)),
  };
  drawScale(frame, { low, high });
  drawNumbers(frame, calls);
  context.fillStyle = frame.colours.salmon;
  context.globalAlpha = 0.6;
  times.forEach((away, call) => context.fillRect(frame.x(call) - 1, frame.y(away) - 1, 2, 2));
  context.globalAlpha = 1;
  if (statistics) drawLevels(frame, statistics);
}

function drawNumbers({ context, colours, height, x }, calls) {
  context.font = `11px ${colours.mono}`;
  context.fillStyle = colours.soft;
  context.textBaseline = "alphabetic";
  for (const [share, align] of [[0, "left"], [0.25, "center"], [0.5, "center"], [0.75, "center"], [1, "right"]]) {
    context.textAlign = align;
    context.fillText((share * calls).toLocaleString("en"), x(share * calls), height - 6);
  }
}
