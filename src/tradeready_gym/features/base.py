"""The contract of a market feature, and the view of one symbol that features compute on."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.parameters import PlainArguments

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles
    from tradeready_gym.market.timeframe import Timeframe

FloatArray = NDArray[np.float64]
LONGEST_PERIOD: Final = 100_000  # TA-Lib's limit


class Feature(PlainArguments):
    """One or more columns of numbers that are known when a candle closes. Concrete features are frozen dataclasses.

    A feature has a `name` and `warmup_bars` (fields, class attributes or properties), and may have several columns.
    It must be causal: its value at row *i* depends on candles up to and including *i* alone. It is computed once over
    the whole series, from the first candle.

    Attributes:
        name: how the feature is called in `observation_features` and in errors.
        warmup_bars: the number of first rows that may be NaN, and that nobody is shown; no NaN after them.
        low, high: bounds that every value keeps, infinite where unknown.
        anchor_tolerance: how far values may differ, after the warm-up, when the series starts at a later candle, as a
            share of the column's standard deviation. 0 means not by one bit.
        causality_tolerance: relative difference that the causality check forgives (rounding); 0 for the library's own.
    """

    if TYPE_CHECKING:  # absent at run time: a dataclass field of the same name would take the property for its default

        @property
        def name(self) -> str: ...

        @property
        def warmup_bars(self) -> int: ...

    @property
    def low(self) -> float:
        return -math.inf

    @property
    def high(self) -> float:
        return math.inf

    @property
    def anchor_tolerance(self) -> float:
        return 0.0

    @property
    def causality_tolerance(self) -> float:
        return 1e-12

    @property
    def column_names(self) -> tuple[str, ...]:
        """One name per column; the feature's own name unless it has several."""
        return (self.name,)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.column_names)

    @abstractmethod
    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        """The values for one symbol: float64[T, width], row *i* known at the close of candle *i*."""

    def warmup_on(self, candles: "Candles") -> int:
        """The warm-up on these candles: `warmup_bars`, unless the data themselves start late."""
        return self.warmup_bars


class LibraryFeature(Feature):
    """A feature of ours: prefix invariant to the last bit."""

    @property
    def causality_tolerance(self) -> float:
        return 0.0


@dataclass(frozen=True, eq=False)
class SymbolCandles:
    """The candles of one symbol as one-dimensional arrays of length T: what a plain Python feature receives.

    `times` are open times in microseconds UTC, `gaps` marks candles that the source lacked, `columns` holds the user's
    own columns. All arrays are read-only.
    """

    symbol: str
    timeframe: "Timeframe"
    times: NDArray[np.int64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    gaps: NDArray[np.bool_]
    columns: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"SymbolCandles({self.symbol!r}, {self.timeframe.label!r}, {len(self)} candles)"


def symbol_candles(candles: "Candles", symbol_index: int) -> SymbolCandles:
    """One symbol of `candles`, without copying."""
    index = symbol_index
    return SymbolCandles(
        symbol=candles.symbols[index],
        timeframe=candles.timeframe,
        times=candles.times,
        open=candles.open[index],
        high=candles.high[index],
        low=candles.low[index],
        close=candles.close[index],
        volume=candles.volume[index],
        gaps=candles.gaps[index],
        columns={name: values[index] for name, values in candles.columns.items()},
    )


def feature_values(feature: Feature, candles: "Candles", symbol_index: int) -> FloatArray:
    """`feature.compute`, held to its promise: float64[T, width], else `ConfigurationError`."""
    values = np.asarray(feature.compute(candles, symbol_index), dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.shape != (len(candles), feature.width):
        several = f"({len(candles)}, {feature.width})"
        raise ConfigurationError(
            f"feature {feature.name!r} must return one row per candle and one column per name in "
            f"{feature.column_names}, shape {several}; it returned {values.shape}. Fill rows without a value with NaN and count them in "
            'warmup_bars; declare the columns of a function with @feature(columns=("first", "second"))'
        )
    return values


def require_period(name: str, period: int, minimum: int) -> None:
    """Refuse a period that is not a whole number of `minimum` to 100,000 candles, with `ConfigurationError`."""
    whole = isinstance(period, (int, np.integer)) and not isinstance(period, bool)
    if not whole or not minimum <= period <= LONGEST_PERIOD:
        raise ConfigurationError(
            f"{name} needs a whole number of {minimum} to {LONGEST_PERIOD} candles, got {period!r}"
        )
