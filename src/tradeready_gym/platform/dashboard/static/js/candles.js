// Candles and trades on a uPlot.
/* global uPlot */
import { chart, colour, moment, short } from "./chart.js";

/** Draw {times, open, high, low, close, length, trades} into `place`; `chosen(from, to)` is told what is dragged over. */
export function candles(place, found, chosen) {
  const { times, open, high, low, close, length: [length] } = found;
  const data = [times, open, high, low, close];
  const line = (label) => ({ label, colour: "faint", hidden: true, width: 0, paths: () => null, places: 2 });
  return chart(place, {
    data, time: true, pad: length / 2, title: (x) => `${moment(x)} UTC`, chosen,
    notes: (idx) => said(found.trades.filter(([time]) => time >= times[idx] && time < times[idx] + length)),
    lines: [line("Open"), line("High"), line("Low"), line("Close")],
    draw: (self) => {
      const { ctx } = self;
      ctx.save();
      ctx.beginPath();
      ctx.rect(self.bbox.left, self.bbox.top, self.bbox.width, self.bbox.height);
      ctx.clip();
      bodies(self, data, length);
      marks(self, found.trades);
      ctx.restore();
    },
  });
}

function said(trades) {
  const lines = trades.slice(0, 4).map(([, price, side]) => `${side === "buy" ? "▲ bought" : "▼ sold"} at ${short(price)}`);
  return trades.length > 4 ? [...lines, `and ${trades.length - 4} more trades`] : lines;
}

function bodies(self, [times, open, high, low, close], length) {
  const { ctx } = self;
  const across = (x) => self.valToPos(x, "x", true), down = (y) => self.valToPos(y, "y", true);
  const wide = Math.max(1, Math.min(14 * devicePixelRatio, (across(times[0] + length) - across(times[0])) * 0.7));
  const [rising, falling, ground] = [colour("up"), colour("down"), colour("card")];
  const { min, max } = self.scales.x;
  ctx.lineWidth = Math.max(1, devicePixelRatio * 0.8);
  for (let i = 0; i < times.length; i++) {
    if (times[i] < min - length || times[i] > max + length || open[i] == null) continue;
    const x = across(times[i]), up = close[i] >= open[i];
    ctx.strokeStyle = up ? rising : falling;
    ctx.beginPath();
    ctx.moveTo(x, down(high[i]));
    ctx.lineTo(x, down(low[i]));
    ctx.stroke();
    const top = down(Math.max(open[i], close[i])), tall = Math.max(1, down(Math.min(open[i], close[i])) - top);
    ctx.fillStyle = up && wide > 4 ? ground : ctx.strokeStyle;
    ctx.fillRect(x - wide / 2, top, wide, tall);
    if (up && wide > 4) ctx.strokeRect(x - wide / 2, top, wide, tall);
  }
}

// a buy is a triangle that points up at its price from below, a sale one that points down from above
function marks(self, trades) {
  const { ctx } = self, size = 6 * devicePixelRatio;
  const ink = { buy: colour("buy"), sell: colour("sell") };
  ctx.strokeStyle = colour("card");
  ctx.lineWidth = devicePixelRatio;
  for (const [time, price, side] of trades) {
    if (time < self.scales.x.min || time > self.scales.x.max) continue;
    const x = self.valToPos(time, "x", true), way = side === "buy" ? 1 : -1, y = self.valToPos(price, "y", true) + 2 * way;
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x - size, y + 1.7 * size * way);
    ctx.lineTo(x + size, y + 1.7 * size * way);
    ctx.closePath();
    ctx.fillStyle = ink[side] ?? ink.sell;
    ctx.fill();
    ctx.stroke();
  }
}

export const words = (found) => found.times.length
  ? `${found.trades.length.toLocaleString("en")} ${found.trades.length === 1 ? "trade" : "trades"}; a candle is ${span(found.length[0])} long. Drag across the chart to look closer, double-click to see all again.`
  : "";

function span(seconds) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds % size === 0 || seconds > size * 3) return `${short(seconds / size, seconds % size ? 1 : 0)} ${name}`;
  return `${seconds} s`;
}
