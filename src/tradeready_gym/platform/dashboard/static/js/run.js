// /training/{run}: one run's curve, raw and smoothed, and its episodes.
import { $, $$, announce, gathered, get, refresh, tables } from "./page.js";
import { chart } from "./chart.js";
import { extremes } from "./extremes.js";
import { listen } from "./live.js";
import { curveOf, extend, smooth, suitable, WINDOWS } from "./smooth.js";

const MOST_POINTS = 4000;
const UNITS = { roi_pct: " %", max_drawdown_pct: " %" };
const run = $("#head").dataset.run;
let curve = null;
let drawn = null;

const metric = () => $("input[name=metric]:checked").value;
const window_ = () => WINDOWS[Number($("#smoothing").value)];

async function load() {
  const first = curve === null;
  curve = curveOf(await get(`/dashboard/runs/${run}/curve?metric=${metric()}`));
  if (first) $("#smoothing").value = suitable(curve.last);
  draw();
}

function columns() {
  const size = window_();
  $("#window").textContent = size === 1 ? "off" : `${size.toLocaleString("en")} episodes`;
  const smoothed = smooth(curve, size);
  return curve.low ? [curve.episodes, curve.high, curve.low, smoothed] : [curve.episodes, curve.values, smoothed];
}

function draw() {
  drawn?.destroy();
  drawn = null;
  const place = $("#curve");
  const there = curve.values.some((value) => value != null);
  place.dataset.note = there ? "" : curve.episodes.length ? "These episodes do not have this figure." : place.dataset.none;
  place.closest("section").classList.toggle("unborn", !curve.episodes.length);
  hint();
  if (!there) return;
  const line = { label: "Smoothed", colour: "c0", width: 2.2 };
  const edge = (label) => ({ label, colour: "c0", hidden: true, width: 0 });
  drawn = chart(place, {
    lines: curve.low ? [edge("Highest"), edge("Lowest"), line] : [{ label: "Episode", colour: "c0", faint: true, width: 1, dots: curve.episodes.length < 40 }, line],
    bands: curve.low ? [{ series: [1, 2], colour: "c0" }] : [],
    data: columns(), unit: UNITS[metric()] ?? "", title: (x) => `Episode ${x.toLocaleString("en")}`, axis: "Episode",
  });
}

function hint() {
  const zoom = "Drag across the chart to look closer, double-click to see all again.";
  const text = curve.size > 1 ? `The line is the mean, the area goes from the lowest to the highest of each ${curve.size} episodes. ` : "Thin: every episode; thick: their mean, as smoothed. ";
  $("#curve-hint").textContent = curve.episodes.length ? text + zoom : "";
}

const changed = gathered(async () => {
  const answer = await get(`/dashboard/runs/${run}/curve?metric=${metric()}&after=${curve.last}`);
  const had = curve.values.some((value) => value != null);
  extend(curve, answer);
  if (curve.episodes.length > MOST_POINTS) await load();
  else if (!had || !drawn) draw();
  else drawn.set(columns());
  await refresh("head");
  if (!$(".mini:hover")) { await refresh("extremes"); await extremes(run); }
  if ($("#episodes .pager") && !new URLSearchParams(location.search).has("page")) await refresh("episodes");
}, 500);

document.addEventListener("change", (event) => { if (event.target.name === "metric") load(); });
document.addEventListener("input", (event) => { if (event.target.id === "smoothing" && drawn) drawn.set(columns(), true); });

// an episode is played again before its page comes, which takes a while when it is the first of its kind
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href*="/episodes/"]:not([download])');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  link.classList.add("playing");
  announce("The episode is played again.");
});
addEventListener("pageshow", () => { for (const link of $$("a.playing")) link.classList.remove("playing"); });

tables();
extremes(run);
load().then(() => listen((kind, id) => { if (kind === "run" && id === run) changed(id); })).catch((problem) => announce(problem.message));
