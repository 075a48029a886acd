// Asks for a part of the page again every second, while somebody looks at it.
const part = document.getElementById("part");

async function refresh() {
  if (document.visibilityState === "visible" && !part.contains(document.activeElement)) {
    const answer = await fetch(part.dataset.refresh, { headers: { "X-Part": "part" } });
    if (answer.ok) part.innerHTML = await answer.text();
  }
  setTimeout(refresh, 1000);
}

setTimeout(refresh, 1000);
