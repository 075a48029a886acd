"""Closed candles as they arrive, in whatever order and number, become slots of the grid: in order, whole, each once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tradeready_gym.live.feed import Slot

Values = tuple[float, float, float, float, float]


@dataclass
class Arrivals:
    """What was odd about the candles that came."""

    duplicates: int = 0
    corrections: int = 0
    late: int = 0
    off_grid: int = 0
    ahead: int = 0


class Assembler:
    """Puts the candles of several symbols together.

    A slot is complete when every symbol has its candle, or a declared gap. What comes for a slot that was handed out already
    is counted: as a duplicate if it says the same, as a correction if it does not; a decision that was taken is not taken again.
    There is room for the next `room` slots; what is further ahead is counted (`ahead`), not kept, and asked for when it is its
    turn.
    """

    def __init__(self, symbols: tuple[str, ...], step: int, first: int, room: int = 4096) -> None:
        self._places = {symbol: place for place, symbol in enumerate(symbols)}
        self._step, self._room = step, room
        self.next = first
        self._waiting: dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]] = {}
        self._newest: dict[tuple[str, int], Values] = {}
        self.arrivals = Arrivals()

    def offer(self, symbol: str, time: int, values: Values) -> bool:
        """Take a closed candle; returns whether it was news."""
        if time % self._step or symbol not in self._places:
            self.arrivals.off_grid += 1
            return False
        if time < self.next:
            same = self._newest.get((symbol, time)) == values
            known = (symbol, time) in self._newest
            self.arrivals.late += not known
            self.arrivals.duplicates += same
            self.arrivals.corrections += known and not same
            return False
        if time >= self._end:
            self.arrivals.ahead += 1
            return False
        place = self._places[symbol]
        table, states = self._slot(time)
        if states[place] == _HERE:
            same = tuple(table[place].tolist()) == values
            self.arrivals.duplicates += same
            # before it is handed out, what was said last is what counts
            self.arrivals.corrections += not same
            table[place] = values
            return not same
        table[place], states[place] = values, _HERE
        return True

    def declare_gap(self, symbol: str, time: int) -> None:
        """The venue has no candle here, and will not have one."""
        if self.next <= time < self._end:
            _, states = self._slot(time)
            if states[self._places[symbol]] == _MISSING:
                states[self._places[symbol]] = _GAP

    def take(self) -> Slot | None:
        """The next slot if it is complete."""
        found = self._waiting.get(self.next)
        if found is None or (found[1] == _MISSING).any():
            return None
        table, states = self._waiting.pop(self.next)
        for symbol, place in self._places.items():
            self._newest[symbol, self.next] = tuple(table[place].tolist())
            self._newest.pop((symbol, self.next - _REMEMBERED * self._step), None)
        slot = Slot(self.next, table, states == _GAP)
        self.next += self._step
        return slot

    def missing(self, before: int) -> list[tuple[str, int]]:
        """Symbols and slots that are not there, of those that open before this time and have room, oldest first."""
        absent = []
        for time in range(self.next, min(before, self._end), self._step):
            states = self._waiting[time][1] if time in self._waiting else None
            for symbol, place in self._places.items():
                if states is None or states[place] == _MISSING:
                    absent.append((symbol, time))
        return absent

    @property
    def _end(self) -> int:
        return self.next + self._room * self._step

    def _slot(self, time: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
        if time not in self._waiting:
            count = len(self._places)
            self._waiting[time] = np.zeros((count, 5)), np.zeros(count, np.int8)
        return self._waiting[time]


_MISSING, _HERE, _GAP = 0, 1, 2
_REMEMBERED = 16  # slots whose values are kept, to tell a repetition from a correction
