"""What a replica does wrong, when, and what it noticed of its clients."""

import time as wall
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tradeready_gym.errors import UnknownName

STREAM_FAULTS = (
    "disconnect",
    "duplicate",
    "late",
    "swap",
    "drop",
    "malformed",
    "shutdown",
    "correction",
    "foreign",
    "future",
)
MIDWAY_FAULTS = {
    "disconnect_midway": "the connection ends in the middle of the candle",
    "day_old": "the connection has lived for 24 hours, and the venue ends it",
    "outage_1": "nothing gets through for a candle",
    "outage_5": "nothing gets through for 5 candles",
    "outage_500": "nothing gets through for 500 candles",
    "leap_1": "everything stands still for a candle, the connection too",
    "leap_5": "everything stands still for 5 candles, the connection too",
    "leap_500": "everything stands still for 500 candles, the connection too",
}
REST_FAULTS = {"http_429": 429, "http_418": 418, "http_500": 500, "http_503": 503, "junk": 200}
LYING_FAULTS = {
    "early": "a running candle is called closed in its middle",
    "far_ahead": "a closed candle of two hours from now comes in the middle of the candle",
}
TIME_FAULTS: dict[str, Callable[[int], int]] = {
    "time_zero": lambda now: 0,
    "time_day_ahead": lambda now: now + 86_400_000,
    "time_in_seconds": lambda now: now // 1000,
    "time_negative": lambda now: -now,
}
FAULTS = (*STREAM_FAULTS, *MIDWAY_FAULTS, *REST_FAULTS, *LYING_FAULTS, *TIME_FAULTS)


@dataclass
class Told:
    """What the replica did and saw, for whoever compares.

    `impatient` counts requests that came before the time was over for which a client had been refused, `overweight` those
    that were refused because the client had used up its weight.
    """

    connections: int = 0
    requests: int = 0
    impatient: int = 0
    overweight: int = 0
    heaviest: int = 0
    faults: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """One more of a fault."""
        self.faults[name] = self.faults.get(name, 0) + 1


class Script:
    """Faults by slot, each of which happens once.

    Raises:
        UnknownName: a fault that no replica has.
    """

    def __init__(self, faults: Mapping[int, Sequence[str]], told: Told) -> None:
        for names in faults.values():
            for name in names:
                if name not in FAULTS:
                    raise UnknownName("fault", name, FAULTS)
        self.faults = {slot: list(names) for slot, names in faults.items()}
        self.rest: list[str] = []
        self.times: list[str] = []
        self._told = told
        self._happened: set[tuple[int, str]] = set()

    def midway(self, slot: int) -> list[str]:
        """What happens in the middle of a slot."""
        return self._due(slot, MIDWAY_FAULTS)

    def at_close(self, slot: int) -> list[str]:
        """What happens to a slot's closed candle; refusals wait for the next request."""
        for name in self._due(slot, REST_FAULTS, count=False):
            self.rest.append(name)
        self.times += self._due(slot, TIME_FAULTS, count=False)
        return self._due(slot, STREAM_FAULTS)

    def lies(self, slot: int) -> list[str]:
        """What is sent in the middle of a slot that is not so."""
        return self._due(slot, LYING_FAULTS)

    def time(self, now: int) -> int:
        """What the venue says that its time is, milliseconds."""
        if not self.times:
            return now
        name = self.times.pop(0)
        self._told.count(name)
        return TIME_FAULTS[name](now)

    def refusal(self) -> str | None:
        """What happens to this request."""
        if not self.rest:
            return None
        name = self.rest.pop(0)
        self._told.count(name)
        return name

    def _due(self, slot: int, kinds: Sequence[str] | Mapping[str, object], *, count: bool = True) -> list[str]:
        due = [name for name in self.faults.get(slot, ()) if name in kinds and (slot, name) not in self._happened]
        for name in due:
            self._happened.add((slot, name))
            if count:
                self._told.count(name)
        return due


class Scales:
    """The weight that clients have used, in windows of `seconds` of the wall's, and who may not come yet."""

    def __init__(self, limit: int, seconds: float, told: Told) -> None:
        self.limit, self._seconds, self._told = limit, seconds, told
        self._begun, self.used = wall.monotonic(), 0
        self._closed_until = 0.0

    def weigh(self, weight: int) -> float | None:
        """Add a request; None, or for how many seconds the client is refused."""
        now = wall.monotonic()
        if now < self._closed_until:
            self._told.impatient += 1
        if now - self._begun >= self._seconds:
            self._begun, self.used = now, 0
        self.used += weight
        self._told.heaviest = max(self._told.heaviest, self.used)
        if self.used <= self.limit:
            return None
        self._told.overweight += 1
        return self._begun + self._seconds - now

    def refuse(self, seconds: float) -> None:
        """Nobody may come for so long."""
        self._closed_until = max(self._closed_until, wall.monotonic() + seconds)
