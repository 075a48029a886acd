// /backtest: the list, and which of them are to be compared.
import { $, $$, announce, gathered, refresh, tables } from "./page.js";
import { listen } from "./live.js";

const MOST = 8;
const chosen = new Set();

function show() {
  for (const box of $$("#backtests td input[type=checkbox]")) box.checked = chosen.has(box.value);
  const button = $("#compare");
  button.disabled = chosen.size < 2;
  button.textContent = chosen.size ? `Compare ${chosen.size}` : "Compare";
}

document.addEventListener("change", ({ target }) => {
  if (!target.matches("#backtests td input[type=checkbox]")) return;
  if (target.checked && chosen.size === MOST) announce(`At most ${MOST} backtests can be compared at once.`);
  else if (target.checked) chosen.add(target.value);
  else chosen.delete(target.value);
  show();
});
$("#compare").addEventListener("click", () => location.assign(`/backtest/compare?sessions=${[...chosen].join(",")}`));
document.addEventListener("refreshed", show);

const changed = gathered(async () => {
  await refresh("live");
  await refresh("backtests");
}, 1000);

tables();
show();
listen((kind) => { if (kind === "backtest") changed("backtests"); });
