// The plot of rates: a line for published and an area for delivered messages, newest at the right.

import { BOTTOM, LEFT, RIGHT, TOP, fit, palette } from "./plot.js";

export function drawRates(canvas, { rates, window }) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const context = fit(canvas, width, height);
  const colours = palette(canvas);
  const high = ceiling(Math.max(1, ...rates.map(({ published, delivered }) => Math.max(published, delivered))));
  const x = (back) => width - RIGHT - ((width - LEFT - RIGHT) * back) / (window - 1);
  const y = (rate) => TOP + (height - TOP - BOTTOM) * (1 - rate / high);

  context.font = `11px ${colours.mono}`;
  context.fillStyle = colours.soft;
  context.strokeStyle = colours.line;
  context.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) {
    const at = Math.round(y(high * share)) + 0.5;
    context.beginPath();
    context.moveTo(LEFT, at);
    context.lineTo(width - RIGHT, at);
    context.stroke();
    context.textAlign = "right";
    context.fillText((high * share).toLocaleString("en"), LEFT - 8, at);
  }
  context.textBaseline = "alphabetic";
  for (const [back, align] of [[window - 1, "left"], [30, "center"], [0, "right"]]) {
    context.textAlign = align;
    context.fillText(back ? `−${back === window - 1 ? window : back} s` : "now", x(back), height - 6);
  }

  const line = (name) => {
    context.beginPath();
    rates.forEach((rate, at) => {
      const point = [x(rates.length - 1 - at), y(rate[name])];
      if (at) context.lineTo(...point);
      else context.moveTo(...point);
    });
  };
  if (!rates.length) return;
  line("delivered");
  context.strokeStyle = colours.salmon;
  context.lineWidth = 2;
  context.stroke();
  context.lineTo(x(0), y(0));
  context.lineTo(x(rates.length - 1), y(0));
  context.closePath();
  context.globalAlpha = 0.18;
  context.fillStyle = colours.salmon;
  context.fill();
  context.globalAlpha = 1;
  line("published");
  context.strokeStyle = colours.moss;
  context.stroke();
}

// Returns the next of 2, 4, 10, 20, 40, 100 and so on, whose half is round as well.
function ceiling(rate) {
  const power = 10 ** Math.floor(Math.log10(rate));
  return power * [2, 4, 10, 20].find((step) => step * power >= rate);
}
