"""What is missing from candles, and what looks odd in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tradeready_gym.market.candles import Candles
from tradeready_gym.market.timeframe import format_time

ODD_MOVE = 0.5  # a close this far (as a fraction) from the previous one is worth a look
SHOWN = 10
_KINDS = {"zero volume": "nothing traded", "jump": f"close moved by more than {ODD_MOVE:.0%}"}


@dataclass(frozen=True)
class Gap:
    """A run of `candles` missing slots of one symbol; `start` is the open time of the first, in microseconds UTC."""

    symbol: str
    start: int
    candles: int

    def __str__(self) -> str:
        return f"{self.symbol} {format_time(self.start)}: {self.candles} missing"


@dataclass(frozen=True)
class OddCandle:
    """A candle that is present but worth a look; `kind` is `zero volume` or `jump`."""

    symbol: str
    time: int
    kind: str
    value: float

    def __str__(self) -> str:
        return f"{self.symbol} {format_time(self.time)}: {self.kind} ({_KINDS[self.kind]}), {self.value:g}"


@dataclass(frozen=True)
class GapReport:
    """Gaps and odd candles, in order of symbol and time; `slots` counts all grid slots of all symbols.

    As text, the first ten of each.
    """

    slots: int
    gaps: tuple[Gap, ...]
    odd: tuple[OddCandle, ...]

    @property
    def missing(self) -> int:
        """Number of missing candles."""
        return sum(gap.candles for gap in self.gaps)

    @property
    def missing_share(self) -> float:
        """Missing candles as a fraction of all slots."""
        return self.missing / self.slots if self.slots else 0.0

    def __str__(self) -> str:
        share = f", {100 * self.missing_share:.2g} %" if self.gaps else ""
        head = f"{self.slots} slots, {len(self.gaps)} gaps ({self.missing} candles missing{share}), {len(self.odd)} odd candles"
        return "\n".join([head, *_first(self.gaps, "gaps"), *_first(self.odd, "odd candles")])


def _first(found: Sequence[object], kind: str) -> list[str]:
    rest = len(found) - SHOWN
    return [*map(str, found[:SHOWN]), *([f"{rest} more {kind}"] if rest > 0 else [])]


def find_gaps(candles: Candles) -> GapReport:
    """Report the runs of missing candles, candles without volume and closes that jump by more than half."""
    gaps: list[Gap] = []
    odd: list[OddCandle] = []
    for index, symbol in enumerate(candles.symbols):
        missing = candles.gaps[index]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            gaps.append(Gap(symbol, int(candles.times[first]), int(last - first)))
        moves = np.zeros(len(candles))
        moves[1:] = candles.close[index, 1:] / candles.close[index, :-1] - 1
        found = [(row, "jump", moves[row]) for row in np.flatnonzero(np.abs(moves) > ODD_MOVE)]
        found += [(row, "zero volume", 0.0) for row in np.flatnonzero((candles.volume[index] == 0) & ~missing)]
        odd += [OddCandle(symbol, int(candles.times[row]), kind, float(value)) for row, kind, value in sorted(found)]
    return GapReport(candles.gaps.size, tuple(gaps), tuple(odd))
