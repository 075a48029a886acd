// The best and the worst episode of a run: their equity, small and on one scale.
import { $$, get, make } from "./page.js";
import { chart, moment } from "./chart.js";

const NOT_KEPT = "Its actions were not kept. An environment that is made by itself keeps them; a vector environment those of its first 16 sub-environments, and of the best and the worst among the first 256.";
const known = new Map(); // episode -> what the server said of it
let drawn = [];
let round = 0;

/** Draw both, where they are; an episode that was never played again is played when the run is over, or on request. */
export async function extremes(run) {
  const now = ++round, places = $$(".mini[data-episode]");
  for (const one of drawn) one.destroy();
  drawn = [];
  const found = [];
  for (const place of places) note(place, place.dataset.kept === "1" ? "Playing it again …" : NOT_KEPT);
  for (const place of places) {
    if (place.dataset.kept === "1") found.push([place, await ask(run, place, place.dataset.going !== "1")]);
    if (now !== round) return;
  }
  draw(run, found);
}

async function ask(run, place, play) {
  const number = place.dataset.episode;
  if (!known.get(number)?.times.length) {
    const answer = await get(`/dashboard/runs/${run}/episodes/${number}/equity${play ? "?play=true" : ""}`).catch((problem) => ({ problem: problem.message, times: [] }));
    known.set(number, answer);
  }
  return known.get(number);
}

function draw(run, found) {
  const values = found.flatMap(([, { times, roi_pct: roi }]) => (times.length ? roi : []));
  const scale = values.length ? [Math.min(0, ...values), Math.max(0, ...values)] : null;
  for (const [place, answer] of found) {
    if (answer.times.length) {
      note(place, "");
      const line = { label: "Since its start", colour: place.closest("section").matches(":first-child") ? "up" : "down", width: 1.5 };
      drawn.push(chart(place, { time: true, data: [answer.times, answer.roi_pct], unit: " %", scale, title: (x) => `${moment(x)} UTC`, lines: [line] }));
    } else if (place.dataset.going === "1") {
      note(place, "");
      place.replaceChildren(make("button", { type: "button", class: "outlined small", onclick: () => { place.dataset.going = "0"; extremes(run); } }, "Play it again and draw it"));
    } else note(place, answer.problem);
  }
}

function note(place, words) {
  place.replaceChildren();
  place.dataset.note = words;
}
