// /backtest/{session}: equity with drawdown beside the market, profit by day, and trades on candles.
/* global uPlot */
import { $, announce, gathered, get, refresh, tables } from "./page.js";
import { candles, words } from "./candles.js";
import { chart, gained, moment, short } from "./chart.js";
import { listen } from "./live.js";

const session = $("#head").dataset.backtest;
const title = (x) => `${moment(x)} UTC`;
const whole = $("#whole");
let found = null, equity = null, drawdown = null, days = null, drawn = null, asked = 0, span = "";

async function curves() {
  found = await get(`/dashboard/backtests/${session}/equity`);
  $("#equity").dataset.note = found.times.length ? "" : "Nothing has been played yet.";
  $("#days").dataset.note = found.by_day.times.length ? "" : "No day has ended yet.";
  if (found.times.length) { above(); below(); }
  if (found.by_day.times.length) bars();
}

function above() {
  const { hold } = found, beside = hold && $("#hold").checked;
  $("#hold-choice").hidden = !hold;
  if (hold) $("#hold-name").textContent = `${hold.label}${gained(hold.values)}`;
  const own = [found.times, found.equity];
  const data = beside ? uPlot.join([own, [hold.times, hold.values]]) : own;
  if (equity && equity.plot().series.length === data.length) return equity.set(data);
  equity?.destroy();
  const lines = [{ label: "Equity", colour: "c0" }, { label: hold?.label, colour: "faint", dash: [5, 4], width: 1.2 }];
  equity = chart($("#equity"), { time: true, sync: "equity", title, data, lines: lines.slice(0, data.length - 1) });
}

function below() {
  const fell = found.drawdown.some((value) => value < 0);
  $("#drawdown").dataset.note = fell ? "" : "It was never below its highest.";
  if (!fell) return;
  const data = [found.times, found.drawdown];
  if (drawdown) return drawdown.set(data);
  const line = { label: "Drawdown", colour: "c5", fill: true, width: 1.2 };
  drawdown = chart($("#drawdown"), { time: true, sync: "equity", title, data, unit: " %", zero: true, lines: [line] });
}

function bars() {
  const unit = $("input[name=unit]:checked").value, { by_day: { times, days: length, span: name } } = found;
  const values = found.by_day[unit], percent = unit === "roi_pct";
  const data = [times.map((time) => time + length * 43200), values.map((x) => (x >= 0 ? x : null)), values.map((x) => (x < 0 ? x : null))];
  days?.destroy();
  days = null;
  $("#days-span").textContent = name;
  $("#days").dataset.note = values.some(Boolean) ? "" : "Nothing was gained or lost.";
  if (!values.some(Boolean)) return;
  days = chart($("#days"), {
    time: true, pad: length * 43200, data, unit: percent ? " %" : "", zero: true,
    lines: [{ label: "Gained", colour: "up", bars: true }, { label: "Lost", colour: "down", bars: true }],
    title: (x) => `${length > 1 ? "From " : ""}${moment(x - length * 43200).slice(0, 10)}`,
  });
  const currency = $("#days").dataset.unit;
  $("#days-hint").textContent = summary(times, values, percent ? " %" : currency && ` ${currency}`, name);
}

function summary(times, values, unit, name) {
  const one = (value) => `${value > 0 ? "+" : ""}${short(value)}${unit} (${moment(times[values.indexOf(value)]).slice(0, 10)})`;
  const won = values.filter((value) => value > 0).length, lost = values.filter((value) => value < 0).length;
  return `${name === "day" ? "Days" : "Spans"} with a gain: ${won}, with a loss: ${lost}, of ${values.length}. Best ${one(Math.max(...values))}, worst ${one(Math.min(...values))}.`;
}

/** Draw the market, or the part of it that was dragged over, with candles as fine as there are. */
async function market(part = span) {
  const choice = $("#symbol"), place = $("#candles");
  if (!choice) return;
  const number = ++asked;
  const answer = await get(`/dashboard/backtests/${session}/candles?symbol=${encodeURIComponent(choice.value)}${part}`);
  if (number !== asked) return;
  span = part;
  whole.hidden = !part;
  drawn?.destroy();
  drawn = null;
  place.dataset.note = answer.times.length ? "" : `This server has no candles of ${choice.value} for this time.`;
  $("#candles-hint").textContent = words(answer);
  if (answer.times.length) drawn = candles(place, answer, (from, to) => market(`&start=${from}&end=${to}`));
}

const changed = gathered(async () => {
  await refresh("head");
  await curves();
  await refresh("trades");
  await market();
}, 1000);

$("#symbol")?.addEventListener("change", () => market(""));
$("#candles")?.addEventListener("dblclick", () => market(""));
whole?.addEventListener("click", () => { market(""); $("#candles-title").focus(); });
$("#hold").addEventListener("change", above);
document.addEventListener("change", ({ target }) => { if (target.name === "unit" && found?.by_day.times.length) bars(); });
tables();
Promise.all([curves(), market()]).catch((problem) => announce(problem.message));
listen((kind, id) => { if (kind === "backtest" && id === session) changed(id); });
