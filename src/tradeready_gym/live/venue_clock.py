"""A venue's clock as it is known here: measured, bounded from both sides, and moved by no single answer."""

from collections.abc import Callable
from dataclasses import dataclass

from tradeready_gym.errors import DownloadError
from tradeready_gym.live.clock import Clock

Ask = Callable[[Callable[[], object]], int]
"""Asks a venue for its time, microseconds; calls what it is given just before the question goes out."""

_MOST_READINGS = 5
_RESOLUTION = 1000  # what an answer in whole milliseconds leaves open
_EARLIEST = 1_230_940_800_000_000  # before 2009 nothing was traded that is traded there


class VenueClock:
    """The clock of a venue, by this machine's.

    An answer says that it was so late there at some moment between the question and the answer, so the offset lies between two
    numbers; two readings agree if these ranges meet, give or take `tolerance` (Marzullo's rule). An answer that agrees with what
    was measured before, by the machine's clock or by its monotonic one, is believed; another only if one more agrees with it,
    and none that is before a candle that the venue has handed out. What agrees with nothing moves nothing, and is counted in
    `wrong`; `problem` says the newest. Microseconds throughout.

    Args:
        clock: what time it is here. It may be wrong, and may be set on the way.
        tolerance: by how much two readings that agree may miss one another.
        longest_way: how long a question and its answer may have taken for half of it to be added; after a longer one our idea of
            the venue's clock is late rather than early.
    """

    def __init__(self, clock: Clock, tolerance: int, longest_way: int = 0) -> None:
        self._clock, self._tolerance, self._longest_way = clock, tolerance, longest_way
        self._known: _Reading | None = None
        self._floor = _EARLIEST
        self.seen = 0
        self.wrong = 0
        self.problem: str | None = None

    @property
    def offset(self) -> int:
        """By how much the venue's clock is ahead of this machine's; 0 before it was measured."""
        return 0 if self._known is None else self._known.there - self._known.answered + self._half_way

    def now(self) -> int:
        """What time it is there; never before what the venue has said to be past."""
        return max(self._clock.now() + self.offset, self.seen)

    def latest(self) -> int:
        """The latest that it can be there by what was measured."""
        if self._known is None:
            return self.now()
        known, there = self._known, self._known.there + _RESOLUTION
        by_machine = self._clock.now() + there - known.asked
        return max(by_machine, self._clock.steady() + there - known.asked_steady, self.seen)

    def has_passed(self, moment: int) -> bool:
        """Whether the venue's clock has passed this moment, also if ours was set meanwhile."""
        if self._known is None or self.seen >= moment:
            return self.now() >= moment
        return min(self._clock.now() + self.offset, self._steadily) >= moment

    @property
    def is_doubtful(self) -> bool:
        """Whether the machine's two clocks have parted since it was measured: one was set, or the machine was asleep."""
        return self._known is not None and abs(self._clock.now() + self.offset - self._steadily) > self._tolerance

    def is_far_from(self, moment: int, by: int) -> bool:
        """Whether a moment that the venue tells as the present is further away than that."""
        return abs(moment - self._clock.now() - self.offset) > by

    def hear(self, moment: int, by: int) -> bool:
        """Believe a moment that the venue tells as the present, as far as it can be; False if it is ahead by more than `by`."""
        latest = self.latest()
        if moment > latest + by:
            return False
        self.seen = max(self.seen, min(moment, latest))
        return True

    def has_candle(self, time: int) -> None:
        """The venue has handed out a candle that opened then: it is later there."""
        self._floor = max(self._floor, time)

    def measure(self, ask: Ask) -> int:
        """Ask until an answer can be believed; what time it was there for sure.

        Raises:
            DownloadError: the venue says something else each time, or what cannot be; nothing has changed. And what `ask` raises.
        """
        doubted: list[_Reading] = []
        for _ in range(_MOST_READINGS):
            reading = self._read(ask)
            fits = self._known is not None and reading.agrees(self._known, self._tolerance)
            if reading.there >= self._floor and (fits or any(reading.agrees(d, self._tolerance) for d in doubted)):
                self._believe(reading, jumped=not fits)
                self._count([d for d in doubted if not reading.agrees(d, self._tolerance)])
                return reading.there
            doubted.append(reading)
        self._count(doubted)
        raise DownloadError(f"the venue does not say what time it is there: {self.problem}")

    # ---- inside ----

    @property
    def _half_way(self) -> int:
        way = 0 if self._known is None else self._known.answered - self._known.asked
        return way // 2 if 0 <= way <= self._longest_way else 0

    @property
    def _steadily(self) -> int:
        if self._known is None:
            return self.now()
        return self._clock.steady() + self._known.there - self._known.answered_steady + self._half_way

    def _read(self, ask: Ask) -> "_Reading":
        asked: list[tuple[int, int]] = []
        there = ask(lambda: asked.append((self._clock.now(), self._clock.steady())))
        return _Reading(there, *asked[-1], self._clock.now(), self._clock.steady())

    def _believe(self, reading: "_Reading", *, jumped: bool) -> None:
        back = jumped and reading.there + self._tolerance < self.seen
        self.seen = reading.there if back else max(self.seen, reading.there)
        self._known = reading

    def _count(self, doubted: "list[_Reading]") -> None:
        self.wrong += len(doubted)
        if doubted:
            newest = doubted[-1]
            ahead = (newest.there - newest.answered - self.offset) / 1e6
            self.problem = f"the venue said that it is {newest.there} us there, {ahead:+.3f} s from what was measured; it is not believed"


@dataclass(frozen=True)
class _Reading:
    there: int
    asked: int
    asked_steady: int
    answered: int
    answered_steady: int

    def agrees(self, other: "_Reading", tolerance: int) -> bool:
        return _meet(self.by_machine, other.by_machine, tolerance) or _meet(self.steadily, other.steadily, tolerance)

    @property
    def by_machine(self) -> tuple[int, int]:
        return self.there - self.answered, self.there - self.asked

    @property
    def steadily(self) -> tuple[int, int]:
        return self.there - self.answered_steady, self.there - self.asked_steady


def _meet(one: tuple[int, int], other: tuple[int, int], tolerance: int) -> bool:
    if one[0] > one[1] or other[0] > other[1]:
        return False  # the clock was set back between the question and the answer
    return one[0] - tolerance <= other[1] and other[0] - tolerance <= one[1]
