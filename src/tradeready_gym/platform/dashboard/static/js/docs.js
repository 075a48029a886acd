// /docs: routes that have the words in them, and the one that the address names, opened.
import { $, $$ } from "./page.js";

const find = $("#find");

function show() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const group of $$(".group")) {
    const routes = $$(".route", group);
    for (const route of routes) {
      const text = $("summary", route).textContent.toLowerCase();
      route.hidden = !words.every((word) => text.includes(word));
      count += route.hidden ? 0 : 1;
    }
    group.hidden = routes.every((route) => route.hidden);
  }
  $("#found").hidden = !words.length;
  $("#found").textContent = count ? `${count} ${count === 1 ? "route" : "routes"}` : "No route has these words.";
}

function open() {
  const route = document.getElementById(location.hash.slice(1));
  if (route?.matches("details")) route.open = true;
}

find.addEventListener("input", show);
addEventListener("hashchange", open);
open();
