// uPlot in the colours of the page: lines, bands, bars, candles, and a note of what is under the pointer.
import { make } from "./page.js";

const HOUR = 3600, DAY = 86400;
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export function short(value, places = 2) {
  if (value == null || !Number.isFinite(value)) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "−");
}

/** What holding has brought: ": +3.20 %"; nothing of nothing. */
export function gained(values) {
  const roi = 100 * (values.at(-1) / values[0] - 1);
  return Number.isFinite(roi) ? `: ${roi > 0 ? "+" : ""}${short(roi)}\u00a0%` : "";
}

export function moment(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")}`;
}

/* global uPlot */
const bars = () => uPlot.paths.bars({ size: [0.72, 36] });

/**
 * A chart inside `place` that follows its size and the theme. `lines` are {label, colour, width, dash, faint, fill, places,
 * bars} one for each column of data after the first. `scale` is the least and the most
 * that the vertical axis shows, else what is there; `pad` widens the horizontal one. `notes(index)` adds lines to the note under the pointer; `chosen(from, to)` is told which span was dragged over, which else is drawn
 * larger. Returns {set(data), plot(), destroy()}.
 */
export function chart(place, { lines, data, time = false, bands = [], sync, unit = "", title = (x) => x, axis: below = "", draw, zero = false, notes, chosen, scale, pad = 0 }) {
  let plot = null;
  let current = data;
  function build() {
    plot?.destroy();
    place.replaceChildren();
    const box = place.getBoundingClientRect();
    plot = new uPlot(options(box), current, place);
  }
  function options(box) {
    const axis = { stroke: colour("faint"), font: "12px system-ui, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    return {
      width: Math.max(200, box.width), height: box.height, legend: { show: false }, padding: [10, time ? 30 : 22, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time, range: pad || time ? wide : undefined }, y: { range: room } },
      cursor: { points: { size: 6 }, drag: { x: true, y: false, setScale: !chosen }, sync: sync ? { key: sync } : undefined, focus: { prox: 24 } },
      axes: [
        { ...axis, size: below ? 26 : 32, gap: 8, grid: { show: false }, space: 70, ...(below && { label: below, labelSize: 18, labelFont: axis.font, labelGap: 0 }), values: time ? dates : (_, at) => at.map((x) => (Number.isInteger(x) ? x.toLocaleString("en") : "")) },
        { ...axis, size: 62, space: box.height < 200 ? 20 : 32, values: (_, at) => at.map((y) => `${y.toLocaleString("en", { maximumFractionDigits: 4 }).replace("-", "−")}${unit}`) },
      ],
      bands: bands.map((band) => ({ series: band.series, fill: tinted(colour(band.colour), 0.16) })),
      series: [{}, ...lines.map((line) => ({
        label: line.label, stroke: line.faint ? tinted(colour(line.colour), 0.3) : line.hidden ? "transparent" : colour(line.colour),
        width: line.bars ? 0 : line.width ?? 1.8, dash: line.dash, points: { show: line.dots ?? false, size: 4 }, spanGaps: true,
        fill: line.bars ? colour(line.colour) : line.fill ? tinted(colour(line.colour), 0.14) : undefined,
        paths: line.bars ? bars() : line.paths,
      }))],
      hooks: { drawAxes: [nothing], draw: draw ? [draw] : [], setSelect: chosen ? [select] : [] },
      plugins: [tip(lines, title, unit, notes)],
    };
  }
  // uPlot gives a single moment a thousand days
  function wide(self, low, high) {
    if (low == null) return [low, high];
    const one = self.data[0].length === 1, beside = pad || (one ? HOUR : 0);
    return [low - beside, (one ? low : high) + beside];
  }
  function room(self, low, high) {
    if (scale) [low, high] = scale;
    if (low == null) return [0, 1];
    if (zero) { low = Math.min(low, 0); high = Math.max(high, 0); }
    const pad = (high - low || Math.abs(high) || 1) * 0.06;
    return [zero && low === 0 ? 0 : low - pad, zero && high === 0 ? 0 : high + pad];
  }
  function select(self) {
    const { left, width } = self.select;
    if (width < 3) return;
    chosen(self.posToVal(left, "x"), self.posToVal(left + width, "x"));
    self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
  build();
  new ResizeObserver(() => {
    const box = place.getBoundingClientRect();
    if (plot && box.width && (Math.abs(box.width - plot.width) > 1 || Math.abs(box.height - plot.height) > 1)) {
      plot.setSize({ width: Math.max(200, box.width), height: box.height });
    }
  }).observe(place);
  addEventListener("themechange", build);
  return {
    set(next, stay = false) { current = next; plot.setData(next, !stay); if (stay) plot.redraw(); },
    plot: () => plot,
    destroy() { removeEventListener("themechange", build); plot.destroy(); place.replaceChildren(); },
  };
}

// the level of nothing gained and nothing lost
function nothing(self) {
  const { min, max } = self.scales.y;
  if (!(min < 0 && max > 0)) return;
  const { ctx, bbox } = self, y = Math.round(self.valToPos(0, "y", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = colour("faint");
  ctx.lineWidth = devicePixelRatio;
  ctx.globalAlpha = 0.6;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

// 5 Jan, with the year where it begins, and 14:00 within a day
function dates(_, at, __, ___, step) {
  let year = null;
  return at.map((x) => {
    const date = new Date(x * 1000), month = MONTHS[date.getUTCMonth()], now = date.getUTCFullYear();
    const hour = date.toISOString().slice(11, 16);
    if (step < DAY && hour !== "00:00") return hour;
    const words = step >= 28 * DAY ? month : `${date.getUTCDate()} ${month}`;
    const fresh = year !== now;
    year = now;
    return fresh ? `${words} ${now}` : words;
  });
}

export function tinted(hex, alpha) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
}

/** A small box beside the pointer; it takes the nearest point to the left of lines that have none there. */
function tip(lines, title, unit, notes) {
  let box;
  return {
    hooks: {
      init: (self) => { box = make("div", { class: "tip", hidden: true }); self.over.append(box); },
      setCursor: (self) => {
        const { left, top, idx } = self.cursor;
        box.hidden = idx == null || left < 0 || !self.over.matches(":hover");
        if (box.hidden) return;
        const rows = [make("b", {}, String(title(self.data[0][idx])))];
        lines.forEach((line, i) => {
          let at = idx;
          while (!line.bars && at > 0 && self.data[i + 1][at] == null) at--;
          const value = self.data[i + 1][at];
          if (value == null) return;
          const row = make("span", {}, make("i", { class: "swatch" }), `${line.label}  ${short(value, line.places)}${unit}`);
          row.firstChild.style.background = colour(line.colour);
          rows.push(row);
        });
        for (const words of notes?.(idx) ?? []) rows.push(make("span", {}, words));
        box.replaceChildren(...rows);
        const across = self.over.clientWidth, wide = box.offsetWidth, high = box.offsetHeight;
        box.style.left = `${left + wide + 24 > across ? Math.max(0, left - wide - 12) : left + 14}px`;
        box.style.top = `${Math.max(0, Math.min(top - high / 2, self.over.clientHeight - high))}px`;
      },
    },
  };
}
