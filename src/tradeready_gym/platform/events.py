"""What has changed, told to whoever watches: pages that are open in a browser."""

import asyncio
import threading
from collections.abc import AsyncIterator

Topic = tuple[str, str]
_BACKLOG = 256


class Events:
    """A noticeboard inside one process. `publish` may be called from any thread and never waits.

    An event is a topic, such as `("run", run_id)`, of one account; a watcher that is too slow loses the oldest. What is
    told is only that something changed: the watcher reads the database, which also knows what other processes wrote.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: dict[int, tuple[str, asyncio.AbstractEventLoop, asyncio.Queue[Topic]]] = {}
        self._next = 0

    def publish(self, account_id: str, kind: str, id: str) -> None:
        """Tell the account's watchers that this has changed."""
        with self._lock:
            watchers = list(self._watchers.values())
        for owner, loop, queue in watchers:
            if owner == account_id and not loop.is_closed():
                loop.call_soon_threadsafe(_put, queue, (kind, id))

    async def watch(self, account_id: str) -> AsyncIterator[Topic]:
        """What changes from now on."""
        queue: asyncio.Queue[Topic] = asyncio.Queue(_BACKLOG)
        with self._lock:
            number = self._next
            self._next += 1
            self._watchers[number] = (account_id, asyncio.get_running_loop(), queue)
        try:
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                del self._watchers[number]

    @property
    def watchers(self) -> int:
        """How many watch now."""
        with self._lock:
            return len(self._watchers)


def _put(queue: asyncio.Queue[Topic], topic: Topic) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(topic)
