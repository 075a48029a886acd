"""Scalers: features whose numbers were learned from a span of the data, explicitly, and never change afterwards.

    scaled = StandardScaler(RelativeCandles()).fit(candles, "2021-02-01T00:00:00Z", "2023-01-01T00:00:00Z")
    FeaturePipeline([scaled, "balance", "position", "unrealized_pnl"])

`fit` returns a new, fitted feature that records its span: whoever evaluates inside it evaluates in sample.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from tradeready_gym.errors import DataError, NotFitted
from tradeready_gym.features.base import Feature, FloatArray, feature_values
from tradeready_gym.features.ranges import require_range
from tradeready_gym.market.splits import Span
from tradeready_gym.market.timeframe import TimeLike, format_time, parse_time

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles


@dataclass(frozen=True)
class SymbolStatistics:
    """What was learned about one symbol: for each column, what is subtracted and what is divided by."""

    symbol: str
    offset: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True)
class Scaler(Feature):
    """The shape of the scalers: `(value - offset) / scale`, each symbol by its own statistics of the fitted span.

    `feature` is a name, a Feature or a plain function, as in a pipeline.
    """

    feature: Feature
    statistics: tuple[SymbolStatistics, ...] = ()
    fitted_span: Span | None = None

    def __post_init__(self) -> None:
        from tradeready_gym.features.registry import as_feature

        object.__setattr__(self, "feature", as_feature(self.feature))

    @property
    def name(self) -> str:
        return f"{self._prefix()}_{self.feature.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(f"{self._prefix()}_{name}" for name in self.feature.column_names)

    @property
    def warmup_bars(self) -> int:
        return self.feature.warmup_bars

    @property
    def anchor_tolerance(self) -> float:
        return self.feature.anchor_tolerance

    @property
    def causality_tolerance(self) -> float:
        return self.feature.causality_tolerance

    def warmup_on(self, candles: "Candles") -> int:
        return self.feature.warmup_on(candles)

    def fit(self, candles: "Candles", start: TimeLike, end: TimeLike) -> Self:
        """A new scaler, fitted on the candles in `[start, end)` as far as the feature is warm there.

        Raises:
            DataError: `end` is not after `start`, or fewer than two warm candles lie between them.
        """
        span = Span(parse_time(start, name="start"), parse_time(end, name="end"))
        within = (candles.times >= span.start) & (candles.times + candles.timeframe.microseconds <= span.end)
        within[: self.feature.warmup_on(candles)] = False
        if within.sum() < 2:
            raise DataError(
                f"fitting {self.name!r} needs at least 2 candles after the warm-up in {span}; found {within.sum()} "
                f"in data from {format_time(candles.start)} to {format_time(candles.end)}, of which the first "
                f"{self.feature.warmup_on(candles)} candles are warm-up"
            )
        statistics = []
        for index, symbol in enumerate(candles.symbols):
            offset, scale = self._learn(feature_values(self.feature, candles, index)[within])
            scale = np.where(scale > 0.0, scale, 1.0)  # a constant column becomes 0
            statistics.append(SymbolStatistics(symbol, tuple(offset.tolist()), tuple(scale.tolist())))
        return replace(self, statistics=tuple(statistics), fitted_span=span)

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        symbol = candles.symbols[symbol_index]
        for learned in self.statistics:
            if learned.symbol == symbol:
                values = feature_values(self.feature, candles, symbol_index)
                scaled: FloatArray = (values - np.array(learned.offset)) / np.array(learned.scale)
                return self._placed(scaled)
        known = f"; it was fitted on {', '.join(s.symbol for s in self.statistics)}" if self.statistics else ""
        raise NotFitted(
            f"{self.name!r} was used on {symbol} before it was fitted{known}. Call .fit(candles, start, end)"
        )

    def _placed(self, scaled: FloatArray) -> FloatArray:
        return scaled

    @abstractmethod
    def _prefix(self) -> str: ...

    @abstractmethod
    def _learn(self, values: FloatArray) -> tuple[FloatArray, FloatArray]: ...


@dataclass(frozen=True)
class StandardScaler(Scaler):
    """To mean 0 and population standard deviation 1 over the fitted span."""

    def _prefix(self) -> str:
        return "standard"

    def _learn(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        return values.mean(axis=0), values.std(axis=0)


@dataclass(frozen=True)
class MinMaxScaler(Scaler):
    """To `feature_min` at the minimum and `feature_max` at the maximum of the fitted span; a constant column becomes
    `feature_min`. Later values may lie outside, unless `clip`. `FixedMinMax` takes a range by hand instead.

        MinMaxScaler(RelativeCandles(), feature_min=-1.0, clip=True).fit(candles, start, end)
    """

    feature_min: float = 0.0
    feature_max: float = 1.0
    clip: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("minmax feature_min and feature_max", self.feature_min, self.feature_max)

    @property
    def low(self) -> float:
        return self.feature_min if self.clip else -np.inf

    @property
    def high(self) -> float:
        return self.feature_max if self.clip else np.inf

    def _placed(self, scaled: FloatArray) -> FloatArray:
        if self.clip:
            scaled = np.clip(scaled, 0.0, 1.0)
        if (self.feature_min, self.feature_max) == (0.0, 1.0):
            return scaled
        return self.feature_min + (self.feature_max - self.feature_min) * scaled

    def _prefix(self) -> str:
        return "minmax"

    def _learn(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        return values.min(axis=0), values.max(axis=0) - values.min(axis=0)
