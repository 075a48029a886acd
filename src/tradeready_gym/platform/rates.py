"""How many requests of a minute are left to whom, counted in the database for all processes that share it.

A minute is one of the clock, as documented. A process takes requests from the database in portions of a twentieth of the
limit and hands them out from memory: together the processes never let more through than the limit, and each process but
the first may refuse up to a portion too early. A limit of up to 20 is counted one by one.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import request_counts
from tradeready_gym.platform.errors import TooMany

MINUTE = 60_000_000
_PORTIONS = 20
_PREFIXES = {
    "/api/v1/trade/": "orders",
    "/api/v1/backtest/": "backtest",
    "/api/v1/market/": "market_data",
    "/api/v1/training/": "training",
}


def group_of(path: str) -> str:
    """The group whose limit a request to this path counts against."""
    return next((group for prefix, group in _PREFIXES.items() if path.startswith(prefix)), "general")


@dataclass(frozen=True)
class Count:
    """A request that was counted: `remaining` of `limit` are left until `reset` (Unix seconds); -1: it was one too many."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """The documented headers."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(self.remaining, 0)),
            "X-RateLimit-Reset": str(self.reset),
        }

    def require(self) -> None:
        """Raise `TooMany` if it was one too many; the details say when to come back."""
        if self.remaining < 0:
            wait = max(1, math.ceil(self.reset - clock.now() / 1e6))
            raise TooMany(
                f"more than {self.limit:,} requests of this kind in a minute; come back in {wait} s",
                limit=self.limit,
                window_seconds=60,
                retry_after_seconds=wait,
            )


@dataclass(eq=False)
class _Bucket:
    left: int = 0  # portions that this process has taken and not handed out
    taken: int = 0  # by all processes, when this one last asked
    lock: threading.Lock = field(default_factory=threading.Lock)


class Rates:
    """The limits of one server process: requests a minute by group, None or absent for no limit."""

    def __init__(self, database: Database, limits: Mapping[str, int | None]) -> None:
        self._database, self._limits = database, dict(limits)
        self._lock = threading.Lock()
        self._minute = 0
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def count(self, group: str, who: str) -> Count | None:
        """Count one request of `who`; None if the group has no limit."""
        limit = self._limits.get(group)
        if limit is None:
            return None
        minute = clock.now() // MINUTE
        with self._lock:
            if minute != self._minute:
                self._minute, self._buckets = minute, {}
            bucket = self._buckets.setdefault((group, who), _Bucket())
        with bucket.lock:
            if bucket.left == 0 and bucket.taken < limit:
                self._take(bucket, group, who, minute, limit)
            allowed = bucket.left > 0
            bucket.left -= allowed
            remaining = bucket.left + max(0, limit - bucket.taken) if allowed else -1
        return Count(limit, remaining, (minute + 1) * 60)

    def _take(self, bucket: _Bucket, group: str, who: str, minute: int, limit: int) -> None:
        portion = max(1, limit // _PORTIONS)
        name = who[:64]
        with self._database.write() as connection:
            insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
            first = insert(request_counts).values(who=name, kind=group, minute=minute, taken=portion)
            more = {"taken": request_counts.c.taken + portion}
            counted = first.on_conflict_do_update(index_elements=["who", "kind", "minute"], set_=more)
            taken = int(connection.execute(counted.returning(request_counts.c.taken)).scalar_one())
        bucket.left = max(0, min(portion, limit - (taken - portion)))
        bucket.taken = taken


def forget_counts(database: Database) -> None:
    """Delete the counts of minutes that are over."""
    with database.write() as connection:
        connection.execute(delete(request_counts).where(request_counts.c.minute < clock.now() // MINUTE - 1))
