// /data: what is missing from each series, and one of them in detail when somebody asks.
import { $, $$, announce, get } from "./page.js";

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-gaps]");
  if (!button) return;
  button.disabled = true;
  try {
    const response = await fetch(button.dataset.gaps, { headers: { "X-Part": "gaps" } });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    $("#gaps").replaceChildren(...($("main", fresh) ?? fresh.body).childNodes);
    $("#gaps").scrollIntoView({ block: "nearest" });
  } catch {
    announce("The server did not answer.");
  } finally {
    button.disabled = false;
  }
});

get("/dashboard/gaps").then(({ series }) => {
  for (const row of $$("[data-series]")) {
    const { missing, gaps, marks } = series[row.dataset.series] ?? { missing: 0, gaps: 0, marks: [] };
    $("[data-missing]", row).textContent = missing ? `${missing.toLocaleString("en")} in ${gaps.toLocaleString("en")} ${gaps === 1 ? "gap" : "gaps"}` : "none";
    for (const [x, width] of marks) {
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, value] of Object.entries({ class: "gap", x, width, height: 10 })) mark.setAttribute(name, value);
      $(".span", row).append(mark);
    }
  }
}).catch((problem) => announce(problem.message));
