// /backtest/compare: several equity curves over each other, and the market bought and held.
/* global uPlot */
import { $, announce, get } from "./page.js";
import { chart, moment } from "./chart.js";

const place = $("#compared");
if (place) {
  get(`/dashboard/backtests/compare?sessions=${place.dataset.sessions}`).then(({ curves, hold }) => {
    const lines = curves.map((curve, i) => ({ label: curve.label || curve.id.slice(0, 8), colour: `c${i}` }));
    const tables = curves.map((curve) => [curve.times, curve.values]);
    if (hold) {
      lines.push({ label: hold.label, colour: "faint", dash: [6, 5], width: 1.4 });
      tables.push([hold.times, hold.values]);
      $("#hold").textContent = `Dashed: ${hold.label}.`;
    }
    chart(place, { time: true, title: (x) => `${moment(x)} UTC`, lines, data: uPlot.join(tables) });
  }).catch((problem) => announce(problem.message));
}
