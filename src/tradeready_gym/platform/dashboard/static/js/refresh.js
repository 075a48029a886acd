// Asks for the parts of the page again every second, while somebody looks at it and is not in the middle of something there.
const parts = [...document.querySelectorAll("[data-refresh]")];
const busy = (part) => part.contains(document.activeElement) || part.querySelector("details.sure[open]");

async function refresh() {
  if (document.visibilityState === "visible") {
    for (const part of parts) {
      if (busy(part)) continue;
      const answer = await fetch(part.dataset.refresh, { headers: { "X-Part": part.dataset.name } }).catch(() => null);
      if (!answer?.ok) continue;
      const text = await answer.text();
      if (!busy(part) && part.dataset.seen !== text) part.innerHTML = part.dataset.seen = text;
    }
  }
  setTimeout(refresh, 1000);
}

setTimeout(refresh, 1000);
