"""What a server does by itself, again and again, in a thread of its own."""

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Repeated:
    """Calls `work` every `seconds` until it is stopped. What goes wrong is logged, and tried again the next time."""

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        self._name, self._seconds, self._work = name, seconds, work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tradeready-{name}", daemon=True)

    def start(self) -> None:
        """Begin; the first call comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for the call that is under way, and make no other."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work()
            except Exception:
                _log.exception("%s failed; next attempt in %g s", self._name, self._seconds)
            self._stop.wait(self._seconds)
