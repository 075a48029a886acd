"""Features without a unit, which keep their size whatever the price: what an agent can train on, and the default."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features.base import FloatArray, LibraryFeature, require_period
from tradeready_gym.features.windows import change, window_deviation, window_mean

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

DAY: Final = 86_400_000_000  # microseconds
MONDAY: Final = 4 * DAY  # 1970-01-05, the first Monday of Unix time


def log_returns(close: FloatArray) -> FloatArray:
    """`ln(close / previous close)`: float64[T], NaN in the first row."""
    result = np.full(len(close), np.nan)
    result[1:] = np.log(close[1:] / close[:-1])
    return result


@dataclass(frozen=True)
class RelativeCandles(LibraryFeature):
    """`candles`, the default: each candle relative to what was known before it.

    Columns: `ln(open / p)`, `ln(high / p)`, `ln(low / p)`, `ln(close / p)` with p the previous close, and the log
    relative volume `ln(max(volume / m, 0.01))` with m the mean volume of the last `volume_bars` candles, this one
    included. The floor of one per cent lies below every quiet candle of a liquid market (the quietest in a thousand
    trades 4 to 17 % of m): it is what a gap, a candle without trades and a window without trades show, -4.6.
    """

    volume_bars: int = 24
    volume_floor: float = 0.01
    column_names = ("log_open", "log_high", "log_low", "log_close", "log_relative_volume")

    def __post_init__(self) -> None:
        require_period("candles volume_bars", self.volume_bars, 2)
        if not 0.0 < self.volume_floor < 1.0:
            raise ConfigurationError(f"candles needs 0 < volume_floor < 1, got {self.volume_floor!r}")

    @property
    def name(self) -> str:
        usual = (self.volume_bars, self.volume_floor) == (24, 0.01)
        return "candles" if usual else f"candles({self.volume_bars}, {self.volume_floor})"

    @property
    def warmup_bars(self) -> int:
        return self.volume_bars - 1

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        index = symbol_index
        result = np.full((len(candles), 5), np.nan)
        previous = candles.close[index, :-1]
        for column, prices in enumerate((candles.open, candles.high, candles.low, candles.close)):
            result[1:, column] = np.log(prices[index, 1:] / previous)
        volume = candles.volume[index]
        mean = window_mean(volume, self.volume_bars)
        relative = np.divide(volume, mean, out=np.zeros(len(volume)), where=mean > 0.0)
        relative[: self.volume_bars - 1] = np.nan
        result[:, 4] = np.log(np.maximum(relative, self.volume_floor))
        return result


@dataclass(frozen=True)
class LogReturns(LibraryFeature):
    """`returns`: `ln(close / previous close)`."""

    name = "returns"
    warmup_bars = 1

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        return log_returns(candles.close[symbol_index])[:, None]


@dataclass(frozen=True)
class MovingAverageRatio(LibraryFeature):
    """`ma_ratio_<period>`: close / simple mean of the last `period` closes - 1."""

    period: int = 50
    low = -1.0

    def __post_init__(self) -> None:
        require_period("ma_ratio", self.period, 2)

    @property
    def name(self) -> str:
        return f"ma_ratio_{self.period}"

    @property
    def warmup_bars(self) -> int:
        return self.period - 1

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        close = candles.close[symbol_index]
        ratio: FloatArray = close / window_mean(close, self.period) - 1.0
        return ratio[:, None]


@dataclass(frozen=True)
class Momentum(LibraryFeature):
    """`momentum_<period>`: close / close `period` candles earlier - 1."""

    period: int = 10
    low = -1.0

    def __post_init__(self) -> None:
        require_period("momentum", self.period, 1)

    @property
    def name(self) -> str:
        return f"momentum_{self.period}"

    @property
    def warmup_bars(self) -> int:
        return self.period

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        return change(candles.close[symbol_index], self.period)[:, None]


@dataclass(frozen=True)
class Volatility(LibraryFeature):
    """`volatility_<period>`: population standard deviation of the last `period` log returns, per candle."""

    period: int = 24
    low = 0.0

    def __post_init__(self) -> None:
        require_period("volatility", self.period, 2)

    @property
    def name(self) -> str:
        return f"volatility_{self.period}"

    @property
    def warmup_bars(self) -> int:
        return self.period

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        result = np.full((len(candles), 1), np.nan)
        result[1:, 0] = window_deviation(log_returns(candles.close[symbol_index])[1:], self.period)
        return result


@dataclass(frozen=True)
class EngineeredFeatures(LibraryFeature):
    """`engineered`: close / mean of the last p closes for each period p, then the change of the close over 5 candles.

    Nothing is subtracted from the ratios: 1 means "at its average", as the documented wrapper has it.
    """

    periods: tuple[int, ...] = (5, 10, 20)
    momentum_bars: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "periods", tuple(self.periods))
        if not self.periods:
            raise ConfigurationError("engineered needs at least one period, got none")
        for period in self.periods:
            require_period("engineered", period, 1)
        require_period("engineered momentum_bars", self.momentum_bars, 1)

    @property
    def name(self) -> str:
        usual = (self.periods, self.momentum_bars) == ((5, 10, 20), 5)
        return "engineered" if usual else f"engineered({self.periods}, {self.momentum_bars})"

    @property
    def column_names(self) -> tuple[str, ...]:
        return (*(f"price_to_sma_{period}" for period in self.periods), f"momentum_{self.momentum_bars}")

    @property
    def warmup_bars(self) -> int:
        return max(*(period - 1 for period in self.periods), self.momentum_bars)

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        return self.from_closes(candles.close[symbol_index])

    def from_closes(self, close: FloatArray) -> FloatArray:
        """The same values from a plain series of closes: float64[T, width], NaN where there is too little history."""
        ratios = [close / window_mean(close, period) for period in self.periods]
        return np.stack([*ratios, change(close, self.momentum_bars)], axis=1)


@dataclass(frozen=True)
class GapFlag(LibraryFeature):
    """`gap`: 1 where the source had no candle, else 0."""

    name = "gap"
    warmup_bars = 0
    low = 0.0
    high = 1.0

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        flags: FloatArray = candles.gaps[symbol_index].astype(np.float64)
        return flags[:, None]


@dataclass(frozen=True)
class TimeOfWeek(LibraryFeature):
    """`time_of_week`: where the candle's CLOSE stands in the day and in the week, UTC, as points on a circle.

    Columns: sine and cosine of 2π × the share of the day, then of the share of the week, which begins on Monday at
    00:00.
    """

    name = "time_of_week"
    column_names = ("hour_sin", "hour_cos", "week_sin", "week_cos")
    warmup_bars = 0
    low = -1.0
    high = 1.0

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        close_times = candles.times + candles.timeframe.microseconds
        day = 2.0 * np.pi / DAY * (close_times % DAY)
        week = 2.0 * np.pi / (7 * DAY) * ((close_times - MONDAY) % (7 * DAY))
        return np.stack([np.sin(day), np.cos(day), np.sin(week), np.cos(week)], axis=1)
