// What changes on the server, told while the page is looked at.
import { say } from "./pulse.js";

/** Calls `changed(kind, id)` for whatever changes. A page in the background does not listen; it catches up. */
export function listen(changed) {
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
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source?.close();
    else open();
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  if (!document.hidden) open();
}
