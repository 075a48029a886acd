// What changes on the server, told while the page is looked at.
import { $ } from "./page.js";

/** Calls `changed(kind, id)` for whatever changes. A page in the background does not listen; it catches up. */
export function listen(changed) {
  const pulse = $("#pulse");
  let source = null;
  let since = document.body.dataset.now;

  function open() {
    source?.close();
    source = new EventSource(`/events?since=${since}`);
    source.addEventListener("open", () => say("on", "Live"));
    source.addEventListener("error", () => say("off", "Reconnecting"));
    source.addEventListener("change", (event) => {
      since = event.lastEventId || since;
      const { kind, id } = JSON.parse(event.data);
      changed(kind, id);
    });
  }
  function say(state, words) {
    pulse.hidden = false;
    pulse.className = `pulse ${state}`;
    if (pulse.textContent !== words) pulse.textContent = words;
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source?.close();
    else open();
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  if (!document.hidden) open();
}
