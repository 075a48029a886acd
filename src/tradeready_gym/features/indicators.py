"""The documented features: raw candles and the classical indicators, computed by TA-Lib (imported when used).

Raw prices and the indicators in price units (`ohlcv`, `macd`, `bollinger`, `atr`) do not train well; the scale-free
features of `scale_free.py` are the default. Wilder's averages and exponential ones never quite forget where they
started: their warm-ups are long enough for the tolerance that they declare, on anything but a market that stood still
all through it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features.base import FloatArray, LibraryFeature, require_period

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles


@dataclass(frozen=True)
class Ohlcv(LibraryFeature):
    """`ohlcv`: open, high, low, close in quote units and volume in base units, as they are."""

    name = "ohlcv"
    column_names = ("open", "high", "low", "close", "volume")
    warmup_bars = 0
    low = 0.0

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        series = (candles.open, candles.high, candles.low, candles.close, candles.volume)
        return np.stack([values[symbol_index] for values in series], axis=1)


@dataclass(frozen=True)
class Volume(LibraryFeature):
    """`volume`: in base units, as it is."""

    name = "volume"
    warmup_bars = 0
    low = 0.0

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        volume: FloatArray = candles.volume[symbol_index]
        return volume[:, None]


@dataclass(frozen=True)
class RelativeStrengthIndex(LibraryFeature):
    """`rsi_<period>`: Wilder's relative strength index of the close / 100: 0 to 1, and 0.5 before any price moved.

    Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    period: int = 14
    low = 0.0
    high = 1.0
    anchor_tolerance = 5e-3

    def __post_init__(self) -> None:
        require_period("rsi", self.period, 2)

    @property
    def name(self) -> str:
        return f"rsi_{self.period}"

    @property
    def warmup_bars(self) -> int:
        return 10 * self.period

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        import talib

        close = candles.close[symbol_index]
        index = talib.RSI(close, self.period)
        if (
            index == 0.0
        ).any():  # TA-Lib gives 0 without gains, but also without any move; only then does the mirror, too
            index = np.where((index == 0.0) & (talib.RSI(-close, self.period) == 0.0), 50.0, index)
        return index[:, None] / 100.0


@dataclass(frozen=True)
class AverageDirectionalIndex(LibraryFeature):
    """`adx`, `adx_<period>`: Wilder's average directional index divided by 100: 0 to 1, 0 before any price moved.

    Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    period: int = 14
    low = 0.0
    high = 1.0
    anchor_tolerance = 5e-3

    def __post_init__(self) -> None:
        require_period("adx", self.period, 2)

    @property
    def name(self) -> str:
        return f"adx_{self.period}"

    @property
    def warmup_bars(self) -> int:
        return 12 * self.period

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        import talib

        index = symbol_index
        return talib.ADX(candles.high[index], candles.low[index], candles.close[index], self.period)[:, None] / 100.0


@dataclass(frozen=True)
class AverageTrueRange(LibraryFeature):
    """`atr`, `atr_<period>`: Wilder's average of the true range, in quote units.

    Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    period: int = 14
    low = 0.0
    anchor_tolerance = 1e-3

    def __post_init__(self) -> None:
        require_period("atr", self.period, 2)

    @property
    def name(self) -> str:
        return f"atr_{self.period}"

    @property
    def warmup_bars(self) -> int:
        return 10 * self.period

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        import talib

        index = symbol_index
        return talib.ATR(candles.high[index], candles.low[index], candles.close[index], self.period)[:, None]


@dataclass(frozen=True)
class Macd(LibraryFeature):
    """`macd`: line (fast minus slow exponential average of the close), its signal (average of the line) and histogram
    (line minus signal), in quote units. Each average starts from a simple mean, as TA-Lib does it.
    """

    fast: int = 12
    slow: int = 26
    signal: int = 9
    anchor_tolerance = 1e-3

    def __post_init__(self) -> None:
        require_period("macd fast", self.fast, 2)
        require_period("macd slow", self.slow, 2)
        require_period("macd signal", self.signal, 1)
        if self.fast >= self.slow:
            raise ConfigurationError(f"macd needs fast < slow, got fast={self.fast} and slow={self.slow}")

    @property
    def name(self) -> str:
        periods = (self.fast, self.slow, self.signal)
        return "macd" if periods == (12, 26, 9) else f"macd({self.fast}, {self.slow}, {self.signal})"

    @property
    def column_names(self) -> tuple[str, ...]:
        return ("macd", "macd_signal", "macd_histogram")

    @property
    def warmup_bars(self) -> int:
        return 5 * self.slow + 3 * self.signal

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        import talib

        return np.stack(talib.MACD(candles.close[symbol_index], self.fast, self.slow, self.signal), axis=1)


@dataclass(frozen=True)
class BollingerBands(LibraryFeature):
    """`bollinger`: upper, middle and lower band in quote units: the simple mean of the last `period` closes, and
    `deviations` population standard deviations above and below it.
    """

    period: int = 20
    deviations: float = 2.0
    anchor_tolerance = 1e-9

    def __post_init__(self) -> None:
        require_period("bollinger", self.period, 2)
        if not self.deviations > 0.0:
            raise ConfigurationError(f"bollinger needs deviations > 0, got {self.deviations!r}")

    @property
    def name(self) -> str:
        usual = (self.period, self.deviations) == (20, 2.0)
        return "bollinger" if usual else f"bollinger({self.period}, {self.deviations})"

    @property
    def column_names(self) -> tuple[str, ...]:
        return ("bollinger_upper", "bollinger_middle", "bollinger_lower")

    @property
    def warmup_bars(self) -> int:
        return self.period - 1

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        import talib

        bands = talib.BBANDS(candles.close[symbol_index], self.period, self.deviations, self.deviations)
        return np.stack(bands, axis=1)
