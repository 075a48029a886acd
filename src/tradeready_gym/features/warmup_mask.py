"""Features that are shown from the first candle on, with a column that says whether they mean anything yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.features.base import Feature, FloatArray, LibraryFeature, feature_values

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles


@dataclass(frozen=True)
class WarmupMask(LibraryFeature):
    """`warm(...)`: the columns of several features, then `warm`: 0 until every one of them is warm, 1 from there on.

    By default nobody is shown a row of a warm-up, and an episode begins after it. Where history is short, this one has no
    warm-up of its own: until a feature is warm, its columns are `fill`, and `warm` says that this is no value.

        FeaturePipeline([WarmupMask(["candles", "rsi_14"]), "balance", "position", "unrealized_pnl"])
    """

    features: tuple[Feature, ...]
    fill: float = 0.0
    warmup_bars = 0

    def __init__(self, features: "Sequence[str | Feature | Callable[..., Any]]", fill: float = 0.0) -> None:
        from tradeready_gym.features.registry import as_feature

        if isinstance(features, (str, Feature)) or callable(features):
            raise TypeError(f"features is a list, such as [{features!r}]; got {features!r}")
        if not features:
            raise ConfigurationError("a warm-up mask needs at least one feature, got none")
        if not np.isfinite(fill):
            raise ConfigurationError(f"a warm-up mask needs a finite fill, got {fill!r}")
        object.__setattr__(self, "features", tuple(as_feature(item) for item in features))
        object.__setattr__(self, "fill", float(fill))

    @property
    def name(self) -> str:
        return f"warm({', '.join(feature.name for feature in self.features)})"

    @property
    def column_names(self) -> tuple[str, ...]:
        return (*(column for feature in self.features for column in feature.column_names), "warm")

    @property
    def low(self) -> float:
        return min(0.0, self.fill, *(feature.low for feature in self.features))

    @property
    def high(self) -> float:
        return max(1.0, self.fill, *(feature.high for feature in self.features))

    @property
    def anchor_tolerance(self) -> float:
        return np.inf  # a later anchor is warm later, and says so

    @property
    def causality_tolerance(self) -> float:
        return max(feature.causality_tolerance for feature in self.features)

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        columns, latest = [], 0
        for feature in self.features:
            values = feature_values(feature, candles, symbol_index)
            warm_from = _warm_from(feature, candles)
            columns.append(np.concatenate([np.full_like(values[:warm_from], self.fill), values[warm_from:]]))
            latest = max(latest, warm_from)
        mask = np.arange(len(candles)) >= latest
        return np.concatenate([*columns, mask[:, None]], axis=1)


def _warm_from(feature: Feature, candles: "Candles") -> int:
    try:
        return feature.warmup_on(candles)
    except DataError:  # a column of the user's without a value so far
        return len(candles)
