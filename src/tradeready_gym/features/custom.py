"""What the user brings: columns of their own data, and features as plain Python functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tradeready_gym.errors import ConfigurationError, DataError, UnknownName
from tradeready_gym.features.base import Feature, FloatArray, SymbolCandles, symbol_candles

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

FeatureFunction = Callable[[SymbolCandles], ArrayLike]
Function = TypeVar("Function", bound=Callable[..., Any])

_DECLARATION: Final = "__tradeready_feature__"


@dataclass(frozen=True)
class Column(Feature):
    """A column of the user's own data, known at its candle's close. NaN before its first value counts as warm-up.

    Nobody can check that a column was known when its candle closed: that is the promise of who made it.
    """

    name: str
    warmup_bars = 0

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        if self.name not in candles.columns:
            raise UnknownName("column", self.name, candles.columns, " The data bring their own columns beside OHLCV.")
        return np.asarray(candles.columns[self.name][symbol_index], dtype=np.float64)[:, None]

    def warmup_on(self, candles: "Candles") -> int:
        """The rows before every symbol has its first value."""
        known = ~np.isnan(np.stack([self.compute(candles, index)[:, 0] for index in range(len(candles.symbols))]))
        for symbol, row in zip(candles.symbols, known, strict=True):
            if not row.any():
                raise DataError(
                    f"column {self.name!r} has no value for {symbol} in {candles!r}; every symbol needs one"
                )
        return int(known.argmax(axis=1).max())


@dataclass(frozen=True, repr=False)
class CustomFeature(Feature):
    """A feature computed by a plain Python function of one symbol's candles.

    Args:
        name: how it is called in observations and errors.
        function: `function(candles) -> array[T]` or `array[T, k]`, where `candles` has one-dimensional `open, high,
            low, close, volume, times, gaps` and `columns`. It must work on every series longer than `warmup_bars`, and
            look at nothing but its argument.
        warmup_bars: how many first rows may be NaN.
        columns: one name per column, where the function returns several.
        low, high: bounds that the values keep; values outside are clipped.
    """

    name: str
    function: FeatureFunction
    warmup_bars: int = 0
    columns: tuple[str, ...] = ()
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        if isinstance(self.columns, str):
            raise TypeError(f"columns= is a sequence of names, got the string {self.columns!r}")
        object.__setattr__(self, "columns", tuple(self.columns))
        if self.warmup_bars < 0:
            raise ConfigurationError(f"feature {self.name!r} needs warmup_bars >= 0, got {self.warmup_bars!r}")
        if not self.low < self.high:
            raise ConfigurationError(f"feature {self.name!r} needs low < high, got {self.low!r} and {self.high!r}")

    @property
    def column_names(self) -> tuple[str, ...]:
        return self.columns or (self.name,)

    def __repr__(self) -> str:
        function = getattr(self.function, "__qualname__", repr(self.function))
        parts = [f"{self.name!r}, {function}, warmup_bars={self.warmup_bars}"]
        parts += [f"columns={self.columns!r}"] if self.columns else []
        parts += [f"low={self.low!r}, high={self.high!r}"] if (self.low, self.high) != (-np.inf, np.inf) else []
        return f"CustomFeature({', '.join(parts)})"

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        values = np.asarray(self.function(symbol_candles(candles, symbol_index)), dtype=np.float64)
        return values[:, None] if values.ndim == 1 else values


def feature(
    *,
    warmup_bars: int = 0,
    name: str | None = None,
    columns: Sequence[str] = (),
    low: float = -np.inf,
    high: float = np.inf,
) -> Callable[[Function], Function]:
    """Declare a plain function as a feature; it stays the function that it was, and pickles as one.

        @feature(warmup_bars=20)
        def close_to_its_high(candles):
            highest = np.full(len(candles), np.nan)
            highest[20:] = sliding_window_view(candles.high, 21).max(axis=1)
            return candles.close / highest - 1

        FeaturePipeline(["candles", close_to_its_high])

    An undecorated function is a feature too: one column, named like the function, without warm-up.
    """

    def declare(function: Function) -> Function:
        declared = CustomFeature(name or _name_of(function), function, warmup_bars, tuple(columns), low, high)
        setattr(function, _DECLARATION, declared)
        return function

    return declare


def custom_feature(function: FeatureFunction) -> CustomFeature:
    """The feature that a function was declared to be, or one column without warm-up."""
    declared = getattr(function, _DECLARATION, None)
    if isinstance(declared, CustomFeature):
        return declared
    return CustomFeature(_name_of(function), function)


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
