// /backtest/{session}: equity with drawdown, and trades on candles.
import { $, announce, gathered, get, refresh, tables } from "./page.js";
import { candles, words } from "./candles.js";
import { chart, moment } from "./chart.js";
import { listen } from "./live.js";

const session = $("#head").dataset.backtest;
let equity = null, drawdown = null, drawn = null;

async function curves() {
  const found = await get(`/dashboard/backtests/${session}/equity`);
  $("#equity").dataset.note = found.times.length ? "" : "Nothing has been played yet.";
  if (!found.times.length) return;
  const top = [found.times, found.equity], below = [found.times, found.drawdown];
  if (equity) { equity.set(top); drawdown.set(below); return; }
  const title = (x) => `${moment(x)} UTC`;
  equity = chart($("#equity"), { time: true, sync: "equity", title, data: top, lines: [{ label: "Equity", colour: "c0", fill: false }] });
  drawdown = chart($("#drawdown"), { time: true, sync: "equity", title, data: below, unit: " %", zero: true, lines: [{ label: "Below the highest", colour: "c5", fill: true, width: 1.2 }] });
}

async function market() {
  const choice = $("#symbol"), place = $("#candles");
  if (!choice) return;
  const found = await get(`/dashboard/backtests/${session}/candles?symbol=${encodeURIComponent(choice.value)}`);
  drawn?.destroy();
  drawn = null;
  place.dataset.note = found.times.length ? "" : `This server has no candles of ${choice.value} for this time.`;
  $("#candles-hint").textContent = words(found);
  if (found.times.length) drawn = candles(place, found);
}

const changed = gathered(async () => {
  await refresh("head");
  await curves();
  await refresh("trades");
  await market();
}, 1000);

$("#symbol")?.addEventListener("change", () => market());
tables();
Promise.all([curves(), market()]).catch((problem) => announce(problem.message));
listen((kind, id) => { if (kind === "backtest" && id === session) changed(id); });
