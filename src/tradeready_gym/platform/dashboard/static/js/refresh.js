// Asks for the parts of the page again every second, while somebody looks at it and is not in the middle of something there.
import { say } from "./pulse.js";

const parts = [...document.querySelectorAll("[data-refresh]")];
const busy = (part) => part.contains(document.activeElement) || part.querySelector("details.sure[open]");
let known = Date.now();
let leaving = false;

/** The newest state of a part in its place; false if the server did not give it. */
async function renewed(part) {
  const answer = await fetch(part.dataset.refresh, { headers: { "X-Part": part.dataset.name } }).catch(() => null);
  if (answer?.status === 401 && !leaving) {
    leaving = true; // once: to go there again would break off the first way there
    location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  }
  if (!answer?.ok) return false;
  const text = await answer.text();
  if (!busy(part) && part.dataset.seen !== text) part.innerHTML = part.dataset.seen = text;
  return true;
}

async function refresh() {
  if (leaving) return;
  if (document.visibilityState === "visible") {
    const answers = await Promise.all(parts.filter((part) => !busy(part)).map(renewed));
    if (answers.every(Boolean)) {
      known = answers.length ? Date.now() : known;
      say("on", "Live");
    } else say("off", `No answer; as of ${new Date(known).toISOString().slice(11, 19)} UTC`);
  }
  setTimeout(refresh, 1000);
}

setTimeout(refresh, 1000);
