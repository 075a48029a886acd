"""Where a candle stands in the day, the week, the month and the year."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.features.base import FloatArray, LibraryFeature
from tradeready_gym.features.scale_free import DAY, MONDAY

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

CYCLES: Final = ("day", "week", "month", "year")


@dataclass(frozen=True)
class Calendar(LibraryFeature):
    """`calendar`: sine and cosine of 2 pi x the share of each cycle that has passed at the candle's CLOSE, UTC.

    `cycles` are any of `day`, `week` (from Monday 00:00), `month` and `year`, which differ in length. At the beginning of
    a cycle sine and cosine are 0 and 1.
    """

    cycles: tuple[str, ...] = CYCLES
    warmup_bars = 0
    low = -1.0
    high = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.cycles, str):
            raise TypeError(f"cycles is a sequence of names, got the string {self.cycles!r}")
        object.__setattr__(self, "cycles", tuple(self.cycles))
        for cycle in self.cycles:
            if cycle not in CYCLES:
                raise UnknownName("cycle", cycle, CYCLES)
        if not self.cycles or len(set(self.cycles)) < len(self.cycles):
            raise ConfigurationError(f"calendar needs each cycle once and at least one, got {self.cycles!r}")

    @property
    def name(self) -> str:
        return "calendar" if self.cycles == CYCLES else f"calendar({', '.join(self.cycles)})"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(f"{cycle}_{part}" for cycle in self.cycles for part in ("sin", "cos"))

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        close_times = candles.times + candles.timeframe.microseconds
        angles = [2.0 * np.pi * _share(close_times, cycle) for cycle in self.cycles]
        return np.stack([part(angle) for angle in angles for part in (np.sin, np.cos)], axis=1)


def _share(times: NDArray[np.int64], cycle: str) -> FloatArray:
    if cycle == "day":
        return (times % DAY) / DAY
    if cycle == "week":
        return ((times - MONDAY) % (7 * DAY)) / (7 * DAY)
    moments = times.astype("datetime64[us]")
    begin = moments.astype("datetime64[M]" if cycle == "month" else "datetime64[Y]")
    first, after = (bound.astype("datetime64[us]").astype(np.int64) for bound in (begin, begin + 1))
    return np.asarray((times - first) / (after - first))
