"""Values against a known range, or against another column: scaling that learns nothing."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features.base import Feature, FloatArray, feature_values
from tradeready_gym.features.sources import ColumnByColumn, Derived, Source, source_of

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles


@dataclass(frozen=True)
class FixedMinMax(ColumnByColumn):
    """`fixed_minmax_<from>..<to>`: every column of `source` from `[input_min, input_max]`, given by hand, to `[feature_min,
    feature_max]`; values outside are clipped, unless `clip` is False.

    `MinMaxScaler` learns the range from a training span instead.
    """

    source: Source
    input_min: float
    input_max: float
    feature_min: float = 0.0
    feature_max: float = 1.0
    clip: bool = True

    def __post_init__(self) -> None:
        require_range("fixed_minmax input_min and input_max", self.input_min, self.input_max)
        require_range("fixed_minmax feature_min and feature_max", self.feature_min, self.feature_max)

    @property
    def stem(self) -> str:
        usual = (self.feature_min, self.feature_max) == (0.0, 1.0)
        target = "" if usual else f" to {self.feature_min}..{self.feature_max}"
        return f"fixed_minmax_{self.input_min}..{self.input_max}{target}{'' if self.clip else ' unclipped'}"

    @property
    def own_bars(self) -> int:
        return 0

    @property
    def low(self) -> float:
        return self.feature_min if self.clip else -math.inf

    @property
    def high(self) -> float:
        return self.feature_max if self.clip else math.inf

    def from_values(self, values: FloatArray) -> FloatArray:
        share = (values - self.input_min) / (self.input_max - self.input_min)
        scaled = self.feature_min + (self.feature_max - self.feature_min) * share
        return np.clip(scaled, self.feature_min, self.feature_max) if self.clip else scaled


@dataclass(frozen=True)
class Comparison(Derived):
    """`to_<reference>(<source>)`: `value / reference - 1` at the same candle, every column of `source` against one other.

    Where both are 0 the result is 0. `clip` keeps results within +-clip; without it, a value against a reference of 0 is
    refused as infinite when the table is built.
    """

    source: Source = "open"
    reference: Source = "close"
    clip: float | None = None

    def __post_init__(self) -> None:
        if source_of(self.reference).width != 1:
            columns = source_of(self.reference).column_names
            raise ConfigurationError(f"comparison needs a reference of one column, got {columns}")
        if self.clip is not None and not self.clip > 0.0:
            raise ConfigurationError(f"comparison needs clip > 0 or None, got {self.clip!r}")

    @property
    def other(self) -> Feature:
        """The reference as a feature."""
        return source_of(self.reference)

    @property
    def stem(self) -> str:
        return f"to_{self.other.name}"

    @property
    def name(self) -> str:
        return f"{self.stem}({self.feature.name})"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(f"{self.stem}({column})" for column in self.feature.column_names)

    @property
    def own_bars(self) -> int:
        return 0

    @property
    def warmup_bars(self) -> int:
        return max(self.feature.warmup_bars, self.other.warmup_bars)

    @property
    def anchor_tolerance(self) -> float:
        return max(self.feature.anchor_tolerance, self.other.anchor_tolerance)

    @property
    def causality_tolerance(self) -> float:
        return max(self.feature.causality_tolerance, self.other.causality_tolerance)

    @property
    def low(self) -> float:
        return -math.inf if self.clip is None else -self.clip

    @property
    def high(self) -> float:
        return math.inf if self.clip is None else self.clip

    def warmup_on(self, candles: "Candles") -> int:
        return max(self.feature.warmup_on(candles), self.other.warmup_on(candles))

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        values = feature_values(self.feature, candles, symbol_index)
        reference = feature_values(self.other, candles, symbol_index)
        with np.errstate(divide="ignore", invalid="ignore"):
            result = values / reference - 1.0
        result = np.where((values == 0.0) & (reference == 0.0), 0.0, result)
        return result if self.clip is None else np.clip(result, -self.clip, self.clip)


def require_range(what: str, low: float, high: float) -> None:
    """Refuse bounds that are not finite or not in order, with `ConfigurationError`."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigurationError(f"{what} must be finite and in this order, got {low!r} and {high!r}")
