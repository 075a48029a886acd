// /training: runs that go on, curves laid over each other, and the table of all runs.
import { $, $$, announce, gathered, get, make, refresh, tables } from "./page.js";
import { chart, short } from "./chart.js";
import { listen } from "./live.js";
import { curveOf, extend, smooth, suitable, WINDOWS } from "./smooth.js";

const MOST = 8;
const UNITS = { roi_pct: " %", sharpe_ratio: "", reward_sum: "" };
const curves = new Map(); // run id -> {label, place, row, curve}; in the order of their colours
let wanted = []; // their ids, also of those that are still fetched
let loads = 0;
let touched = false; // whether somebody chose the smoothing
let drawn = null;

const metric = () => $("input[name=metric]:checked")?.value ?? "roi_pct";
const window_ = () => WINDOWS[Number($("#smoothing").value)];
const chosen = () => {
  try { return JSON.parse(sessionStorage.getItem("runs")) ?? null; } catch { return null; }
};

function choose(ids) {
  try { sessionStorage.setItem("runs", JSON.stringify(ids)); } catch { /* for this page only */ }
}

/** Draw the wanted runs; only those that are not here yet are fetched. The last call counts. */
async function load(afresh = false) {
  const number = ++loads;
  const missing = wanted.filter((id) => afresh || !curves.has(id));
  const answer = missing.length ? await get(`/dashboard/curves?metric=${metric()}&ids=${missing.join(",")}`) : { curves: [] };
  if (number !== loads) return;
  const had = new Map(curves), come = new Map(answer.curves.map((row) => [row.id, row]));
  wanted = wanted.filter((id) => come.has(id) || (!afresh && had.has(id)));
  const taken = new Set(wanted.map((id) => had.get(id)?.place));
  const free = [...Array(MOST).keys()].filter((place) => !taken.has(place));
  curves.clear();
  for (const id of wanted) {
    const row = come.get(id), place = had.get(id)?.place ?? free.shift();
    if (row && !touched) $("#smoothing").value = suitable(Math.max(row.last, ...[...curves.values()].map((entry) => entry.curve.last)));
    curves.set(id, row ? { row, label: row.label, place, curve: curveOf(row) } : had.get(id));
  }
  draw();
}

function draw() {
  const place = $("#curves");
  if (!place) return;
  drawn?.destroy();
  drawn = null;
  const entries = [...curves.values()];
  tick();
  legend(entries);
  const filled = entries.filter((entry) => entry.curve.episodes.length);
  place.dataset.note = filled.length ? "" : entries.length ? "No episode has ended yet." : "Tick runs in the table below to draw them.";
  if (!filled.length) return;
  drawn = chart(place, {
    lines: filled.map((entry) => ({ label: entry.label, colour: `c${entry.place}`, dots: entry.curve.episodes.length === 1 })),
    data: joined(filled), unit: UNITS[metric()], title: (x) => `Episode ${x.toLocaleString("en")}`, axis: "Episode",
  });
}

function joined(entries) {
  const size = window_();
  $("#window").textContent = size === 1 ? "off" : `${size.toLocaleString("en")} episodes`;
  return uPlot.join(entries.map(({ curve }) => [curve.episodes, smooth(curve, size)]));
}

function redraw() {
  const filled = [...curves.values()].filter((entry) => entry.curve.episodes.length);
  if (drawn && filled.length === drawn.plot().series.length - 1) drawn.set(joined(filled));
  else draw();
}

function legend(entries) {
  const size = window_();
  $("#legend").hidden = !entries.length;
  $("#legend tbody").replaceChildren(...entries.map((entry) => {
    const { cells } = entry.row;
    const values = smooth(entry.curve, size);
    const latest = values.length ? values.at(-1) : null;
    const said = `${metric() === "roi_pct" && latest > 0 ? "+" : ""}${short(latest)}${latest == null ? "" : UNITS[metric()]}`;
    return make("tr", { "data-run": entry.row.id },
      make("th", { scope: "row", class: "text", title: entry.label }, make("i", { class: `swatch c${entry.place}` }), make("a", { href: `/training/${entry.row.id}` }, entry.label)),
      make("td", { class: "num latest" }, said),
      ...["episodes", "roi", "best", "sharpe", "reward"].map((name) => make("td", { class: "num least", "data-cell": name }, cells[name])),
      make("td", { class: "num" }, make("button", { type: "button", class: "quiet", "aria-label": `Take ${entry.label} out of the chart`, onclick: () => toggle(entry.row.id, false) }, "×")));
  }));
}

function tick() {
  for (const box of $$("#runs input[type=checkbox]")) box.checked = wanted.includes(box.value);
}

async function toggle(id, on) {
  if (on && wanted.length >= MOST) {
    announce(`At most ${MOST} runs can be drawn at once.`);
    $("#curves-hint").textContent = `At most ${MOST} runs can be drawn at once; take one out first.`;
    return tick();
  }
  wanted = wanted.filter((other) => other !== id);
  if (on) wanted.push(id);
  choose(wanted);
  tick();
  await load();
}

const changed = gathered(async (ids) => {
  if ($("#nothing")) return begin();
  const here = new Set($$("[data-run]").map((element) => element.dataset.run));
  const known = ids.filter((id) => here.has(id));
  const answer = known.length ? await get(`/dashboard/runs?ids=${known.slice(0, 25).join(",")}`) : { runs: [] };
  let ended = answer.runs.length < ids.length;
  for (const row of answer.runs) {
    if (patch(row)) ended = true;
    const entry = curves.get(row.id);
    if (!entry) continue;
    entry.row = row;
    extend(entry.curve, await get(`/dashboard/runs/${row.id}/curve?metric=${metric()}&after=${entry.curve.last}`));
  }
  if (!touched && curves.size) $("#smoothing").value = suitable(Math.max(...[...curves.values()].map((entry) => entry.curve.last)));
  if (answer.runs.some((row) => curves.has(row.id))) { redraw(); legend([...curves.values()]); }
  if (ended) await Promise.all([refresh("runs"), refresh("live")]);
}, 300);

/** Write what a run says now into its places; true if its status is another one. */
function patch(row) {
  let other = false;
  for (const place of $$(`[data-run="${CSS.escape(row.id)}"]`)) {
    for (const cell of $$("[data-cell]", place)) {
      const words = row.cells[cell.dataset.cell];
      if (words === undefined || cell.textContent === words) continue;
      if (cell.dataset.cell === "status") other = true;
      cell.textContent = words;
      if (cell.dataset.cell === "episodes") flash(cell);
    }
    $(".spark .path", place)?.setAttribute("d", row.spark.path);
    $(".spark .zero", place)?.setAttribute("d", row.spark.zero);
    const progress = $("progress", place);
    if (progress) progress.value = row.count;
  }
  return other;
}

function flash(cell) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  cell.animate([{ backgroundColor: "var(--shade)" }, { backgroundColor: "transparent" }], 900);
}

/** The first run has come: the page gets the sections that it had no use for. */
async function begin() {
  const text = await (await fetch(location.href)).text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  $("main").replaceChildren(...$("main", fresh).childNodes);
  start();
}

function start() {
  if (!$("#curves")) return;
  const first = $("#curves").dataset.first.split(",").filter(Boolean);
  wanted = chosen()?.slice(0, MOST) ?? first;
  tick();
  load(true).catch((problem) => announce(problem.message));
}

document.addEventListener("change", (event) => {
  if (event.target.name === "metric") load(true);
  if (event.target.matches("#runs td input[type=checkbox]")) toggle(event.target.value, event.target.checked);
});
document.addEventListener("input", (event) => {
  if (event.target.id === "smoothing") { touched = true; redraw(); legend([...curves.values()]); }
});
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-pick]");
  if (!button) return;
  const shown = $$("#runs tbody tr").filter((row) => row.dataset.count !== "0").map((row) => row.dataset.run);
  wanted = button.dataset.pick === "first" ? shown.slice(0, 4) : [];
  choose(wanted);
  load().catch((problem) => announce(problem.message));
});
document.addEventListener("refreshed", tick);
setInterval(() => {
  for (const place of $$("[data-since]")) place.textContent = lasted(Date.now() / 1000 - Number(place.dataset.since) / 1e6);
}, 1000);

function lasted(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${whole} s`;
}

tables();
start();
listen((kind, id) => { if (kind === "run") changed(id); });
