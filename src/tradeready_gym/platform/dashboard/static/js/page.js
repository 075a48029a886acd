// What every page needs: fetching, parts of pages, tables that sort, filter and turn over without a reload.

export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element; children that are text stay text, whatever they contain. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export function announce(words) {
  $("#said").textContent = words;
}

async function answered(response) {
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    return new Promise(() => {});
  }
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message ?? `the server answered ${response.status}`);
  }
  return response;
}

export async function get(address) {
  return (await answered(await fetch(address, { headers: { Accept: "application/json" } }))).json();
}

export async function send(method, address, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await answered(await fetch(address, { method, headers, body: body && JSON.stringify(body) }));
  return response.status === 204 ? null : response.json();
}

const asked = new Map();

/** Fetch a part of this page again; of several requests for a part only the last one counts. */
export async function refresh(name, address = location.pathname + location.search) {
  const place = $(`[data-part="${name}"]`);
  if (!place) return;
  const number = (asked.get(name) ?? 0) + 1;
  asked.set(name, number);
  const response = await answered(await fetch(address, { headers: { "X-Part": name } }));
  const text = await response.text();
  if (asked.get(name) !== number) return;
  const focused = place.contains(document.activeElement) ? mark(document.activeElement) : null;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  place.replaceChildren(...fresh.body.childNodes);
  if (focused) $(focused, place)?.focus();
  place.dispatchEvent(new CustomEvent("refreshed", { bubbles: true }));
}

function mark(element) {
  if (element.matches("thead button")) return `th:nth-child(${element.parentElement.cellIndex + 1}) button`;
  if (element.rel) return `a[rel="${element.rel}"]`;
  return element.value ? `${element.localName}[value="${CSS.escape(element.value)}"]` : null;
}

/** Forms with `data-for` fetch that part again instead of the page; so do links with `data-page` inside it. */
export function tables() {
  let waiting = 0;
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-for]");
    if (!form) return;
    event.preventDefault();
    turn(form, event.submitter?.name ? { [event.submitter.name]: event.submitter.value } : {});
  });
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form?.dataset.for || event.target.matches("select, [type=checkbox]")) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => turn(form, {}), 250);
  });
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form?.dataset.for && event.target.matches("select, [type=checkbox]")) turn(form, {}, event.target.name === "sort");
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-page]");
    const place = link?.closest("[data-part]");
    if (!place || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(place.dataset.part, new URL(link.href).searchParams).then(() => {
      if (place.getBoundingClientRect().top < 0) place.scrollIntoView({ block: "start" });
    });
  });
  // what was typed before this script had come
  for (const field of $$("form[data-for] input[type=search]")) if (field.value !== field.defaultValue) turn(field.form, {});
}

function turn(form, changed, sorting = false) {
  const wanted = new URLSearchParams();
  const current = new URLSearchParams(location.search);
  for (const [name, value] of new FormData(form)) {
    // on a phone the order is chosen in a list, elsewhere by the headings, which leave the list as it was
    if (name !== "sort" || sorting) wanted.set(name, value);
  }
  if (!wanted.has("sort") && current.has("sort")) wanted.set("sort", current.get("sort"));
  for (const [name, value] of Object.entries(changed)) wanted.set(name, value);
  return show(form.dataset.for, wanted);
}

async function show(name, wanted) {
  for (const [key, value] of [...wanted]) if (value === "") wanted.delete(key);
  const search = wanted.size ? `?${wanted}` : "";
  const place = $(`[data-part="${name}"]`);
  place.classList.add("busy");
  history.replaceState(null, "", location.pathname + search);
  try {
    await refresh(name);
    announce($(".pager span", place)?.textContent ?? "");
  } finally {
    place.classList.remove("busy");
  }
}

/** Calls `work` with all that came in, at most once in `wait` milliseconds, never twice at a time. */
export function gathered(work, wait) {
  const items = new Set();
  let busy = false;
  const later = () => setTimeout(async () => {
    const now = [...items];
    items.clear();
    try { await work(now); } catch (problem) { announce(problem.message); }
    busy = items.size > 0;
    if (busy) later();
  }, wait);
  return (item) => {
    items.add(item);
    if (!busy) { busy = true; later(); }
  };
}

// the explanation of a term goes away by Escape, and comes again when it is pointed at or focused anew
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") for (const term of $$(".term:hover, .term:focus")) term.classList.add("shut");
});
for (const type of ["pointerout", "focusout"]) document.addEventListener(type, ({ target }) => target.closest?.(".term")?.classList.remove("shut"));
