// /backtest/compare: several equity curves over each other, and the market bought and held.
/* global uPlot */
import { $, announce, get } from "./page.js";
import { chart, gained, moment, short } from "./chart.js";

const DAY = 86400;
const place = $("#compared");
let drawn = null;

function draw({ curves, hold }) {
  const lines = curves.map((curve, i) => ({ label: curve.label || curve.id.slice(0, 8), colour: `c${i}` }));
  const byDate = $("input[name=along]:checked").value === "date";
  const tables = curves.map(({ times, values }) => [byDate ? times : times.map((time) => (time - times[0]) / DAY), values]);
  if (hold && byDate) {
    lines.push({ label: hold.label, colour: "faint", dash: [6, 5], width: 1.4 });
    tables.push([hold.times, hold.values]);
  }
  $("#hold").textContent = hold && byDate ? `Dashed: ${hold.label}${gained(hold.values)}.` : "";
  const title = byDate ? (x) => `${moment(x)} UTC` : (x) => `Day ${short(x, 1)}`;
  drawn?.destroy();
  drawn = chart(place, { time: byDate, title, lines, data: uPlot.join(tables), axis: byDate ? "" : "Days from the start" });
}

if (place) {
  get(`/dashboard/backtests/compare?sessions=${place.dataset.sessions}`).then((answer) => {
    draw(answer);
    document.addEventListener("change", ({ target }) => { if (target.name === "along") draw(answer); });
  }).catch((problem) => announce(problem.message));
}
