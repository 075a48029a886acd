"""The only door from candles to everything that trades, observes or is paid."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.lines import zeros_on_line
from tradeready_gym.market.candles import Candles

DAY_MICROSECONDS = 86_400_000_000

# One cache line per candle and symbol. `quote_volume` and `volatility` are those of the 24 h that END with this candle.
CANDLE_DTYPE = np.dtype(
    [
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("volume", "f8"),
        ("quote_volume", "f8"),
        ("volatility", "f8"),
        # the open time in microseconds, exact in a double for the next two centuries
        ("time", "f8"),
    ]
)


class DataReplayer:
    """Candles as the engine reads them: a record per row and symbol, rows on the grid of the timeframe.

    `rows` has shape (T, S) and dtype `CANDLE_DTYPE`, a cache line each; `times` int64 (T,) the opens in microseconds; both
    read-only. The candle of row `k` covers `[times[k], times[k] + step)`: at clock `times[k]` the newest visible candle is row
    `k - 1`.
    """

    def __init__(self, candles: Candles) -> None:
        self.candles = candles
        self.symbols = candles.symbols
        self.timeframe = candles.timeframe
        self.day_bars = _bars_of_a_day(candles)
        self.rows = pack_rows(candles, self.day_bars)
        self.times = candles.times

    def __repr__(self) -> str:
        return f"DataReplayer({self.candles!r})"

    def __len__(self) -> int:
        return len(self.times)

    def __deepcopy__(self, memo: object) -> "DataReplayer":
        return self

    @classmethod
    def join(cls, replayers: Sequence["DataReplayer"]) -> "DataReplayer":
        """Several data sets as one run of rows, end to end; `row_at` and `candles` are those of the first."""
        if len(replayers) == 1:
            return replayers[0]
        joined = copy.copy(replayers[0])
        joined.rows = zeros_on_line((sum(map(len, replayers)), len(joined.symbols)), CANDLE_DTYPE)
        np.concatenate([replayer.rows for replayer in replayers], out=joined.rows)
        joined.times = np.concatenate([replayer.times for replayer in replayers])
        joined.rows.flags.writeable = joined.times.flags.writeable = False
        return joined

    @property
    def periods_per_year(self) -> float:
        """Slots in a year, by which figures of a step become those of a year."""
        return self.candles.periods_per_year

    def row_at(self, time: int) -> int:
        """The row of the candle that begins at `time` (microseconds), or between sessions the next; not checked against the ends."""
        if not self.candles.regular and self.candles.start <= time < self.candles.end:
            return int(np.searchsorted(self.candles.times, time))
        late = not self.candles.regular and time >= self.candles.end
        first, row = (self.candles.end, len(self.candles)) if late else (self.candles.start, 0)
        return row + int((time - first) // self.timeframe.microseconds)

    def visible(self, clock_row: int, bars: int) -> npt.NDArray[np.void]:
        """The newest `bars` candles that lie wholly in the past of the clock, shape (bars, S)."""
        if not 0 <= clock_row - bars <= clock_row <= len(self):
            raise IndexError(f"{bars} candles before row {clock_row} are outside the {len(self)} candles there are")
        return self.rows[clock_row - bars : clock_row]


def _bars_of_a_day(candles: Candles) -> int:
    # with sessions, as many as the usual session has: 24 h that ended in a morning would hold next to nothing
    whole = max(1, DAY_MICROSECONDS // candles.timeframe.microseconds)
    if candles.regular or whole == 1:
        return whole
    breaks = np.flatnonzero(np.diff(candles.times) > candles.timeframe.microseconds) + 1
    lengths = np.diff(np.concatenate([[0], breaks, [len(candles)]]))
    return min(whole, max(1, int(np.median(lengths))))


def trailing_sum(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Sums of the last `window` entries along axis 0 (fewer at the start), without cancellation.

    Each window is the tail of one block plus the head of the next (van Herk, Pattern Recognition Letters 13, 1992), so that
    an entry depends on its window alone, bit for bit.
    """
    length = values.shape[0]
    blocks = -(-length // window) + 1
    padded = np.zeros((blocks * window, *values.shape[1:]))
    padded[window : window + length] = values
    shaped = padded.reshape(blocks, window, *values.shape[1:])
    heads = np.cumsum(shaped, axis=1).reshape(padded.shape)
    tails = np.flip(np.cumsum(np.flip(shaped, axis=1), axis=1), axis=1).reshape(padded.shape)
    ends = np.arange(window, window + length)
    starts = ends - window + 1
    whole = (ends + 1) % window == 0
    shape = (-1, *([1] * (values.ndim - 1)))
    return np.asarray(np.where(whole.reshape(shape), heads[ends], heads[ends] + tails[starts]))


def pack_rows(candles: Candles, day_bars: int) -> npt.NDArray[np.void]:
    """Candles as records, shape (T, S); `day_bars` of them are what looks back over 24 h."""
    rows = zeros_on_line((len(candles), len(candles.symbols)), CANDLE_DTYPE)
    for name in ("open", "high", "low", "close", "volume"):
        rows[name] = getattr(candles, name).T
    rows["time"] = candles.times[:, np.newaxis]
    close: npt.NDArray[Any] = np.ascontiguousarray(candles.close.T)
    rows["quote_volume"] = trailing_sum(close * rows["volume"], day_bars)
    returns = np.zeros_like(close)
    returns[1:] = np.log(close[1:] / close[:-1])
    rows["volatility"] = np.sqrt(trailing_sum(returns * returns, day_bars))
    rows.flags.writeable = False
    return rows
