"""Which sessions are in memory: the most recently used ones, each under a lock of its own."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tradeready_gym.platform.errors import PlatformError
from tradeready_gym.platform.sessions.session import Session


@dataclass(eq=False)
class Slot:
    """A place for one session; `session` is None while it sleeps."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    session: Session | None = None
    used: float = 0.0


class Slots:
    """At most `limit` sessions, none of them idle for longer than `idle_seconds`.

    A session that is being used is never put to sleep. What happens to one all the same (a thread that waits for a slot
    which is given up meanwhile) costs a replay and no more: the row in the database decides.
    """

    def __init__(self, limit: int, idle_seconds: float) -> None:
        self.limit, self.idle_seconds = limit, idle_seconds
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, Slot] = OrderedDict()

    def __len__(self) -> int:
        with self._lock:
            return sum(slot.session is not None for slot in self._slots.values())

    def has(self, session_id: str, account_id: str) -> bool:
        """Whether the session is in memory and belongs to this account."""
        with self._lock:
            slot = self._slots.get(session_id)
        session = None if slot is None else slot.session
        return session is not None and session.account_id == account_id

    def clear(self) -> None:
        """Put all sessions to sleep."""
        with self._lock:
            self._slots.clear()

    @contextmanager
    def held(self, session_id: str) -> Iterator[Slot]:
        """The session's slot, held until the block ends: the caller knows that the session is its client's.

        An error that is not an answer to the client may have left the session half changed: it is forgotten.
        """
        slot = self._take(session_id)
        with slot.lock:
            try:
                yield slot
            except PlatformError:
                raise
            except BaseException:
                slot.session = None
                raise

    def _take(self, session_id: str) -> Slot:
        with self._lock:
            slot = self._slots.setdefault(session_id, Slot())
            slot.used = time.monotonic()
            self._slots.move_to_end(session_id)
            self._put_to_sleep(slot.used - self.idle_seconds)
        return slot

    def _put_to_sleep(self, latest: float) -> None:
        for session_id, slot in list(self._slots.items())[:-1]:
            if len(self._slots) <= self.limit and slot.used > latest:
                return
            if not slot.lock.locked():
                del self._slots[session_id]
