"""Coarser candles beside fine ones, without a look at what has not closed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features.base import Feature, FloatArray, LibraryFeature, feature_values
from tradeready_gym.market.timeframe import Timeframe

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

_USUAL = Timeframe("1h")


@dataclass(frozen=True)
class HigherTimeframe(LibraryFeature):
    """`<feature>@<timeframe>`, as in `rsi_14@4h`: any feature on candles of a longer timeframe.

    A row shows the value of the last COMPLETE coarser candle: one whose close is not later than the close of the row's
    own candle. Coarser candles open at whole multiples of their length; one of which the data lack the beginning is left
    out.

    `warmup_bars` counts candles of 1h (of the next shorter timeframe, where the coarser one is no longer than that);
    `warmup_on` knows those of the data.

    Raises:
        ConfigurationError: used on candles that are not shorter than `timeframe`.
    """

    feature: Feature
    timeframe: str = "4h"

    def __init__(self, feature: "str | Feature | Callable[..., Any]", timeframe: "str | Timeframe" = "4h") -> None:
        from tradeready_gym.features.registry import as_feature  # which knows this class by its names

        object.__setattr__(self, "feature", as_feature(feature))
        object.__setattr__(self, "timeframe", Timeframe.parse(timeframe).label)

    @property
    def name(self) -> str:
        return f"{self.feature.name}@{self.timeframe}"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(f"{column}@{self.timeframe}" for column in self.feature.column_names)

    @property
    def low(self) -> float:
        return self.feature.low

    @property
    def high(self) -> float:
        return self.feature.high

    @property
    def anchor_tolerance(self) -> float:
        return self.feature.anchor_tolerance

    @property
    def causality_tolerance(self) -> float:
        return self.feature.causality_tolerance

    @property
    def warmup_bars(self) -> int:
        length = Timeframe(self.timeframe).microseconds
        shorter = [frame.microseconds for frame in Timeframe.all() if frame.microseconds < length]
        fine = _USUAL.microseconds if length > _USUAL.microseconds else max(shorter, default=length)
        return _rows_lost(self.feature.warmup_bars, length // fine)

    def warmup_on(self, candles: "Candles") -> int:
        ratio = self._ratio(candles)
        coarse = _coarser(candles, Timeframe(self.timeframe), ratio)
        return _rows_lost(self.feature.warmup_bars if coarse is None else self.feature.warmup_on(coarse), ratio)

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        ratio = self._ratio(candles)
        result = np.full((len(candles), self.feature.width), np.nan)
        coarse = _coarser(candles, Timeframe(self.timeframe), ratio)
        if coarse is None:
            return result
        values = feature_values(self.feature, coarse, symbol_index)
        known = _first_row(candles, ratio) + ratio - 1  # the row with whose close the first coarser candle closes
        shown = np.repeat(values, ratio, axis=0)[: len(candles) - known]
        result[known : known + len(shown)] = shown
        return result

    def _ratio(self, candles: "Candles") -> int:
        if not candles.regular:
            raise ConfigurationError(
                f"{self.name!r} needs a grid without sessions; resample the candles to {self.timeframe}"
            )
        ratio = Timeframe(self.timeframe).microseconds // candles.timeframe.microseconds
        if ratio < 2:
            raise ConfigurationError(
                f"{self.name!r} needs candles shorter than {self.timeframe}; these are {candles.timeframe.label} long"
            )
        return ratio


def _rows_lost(coarse_bars: int, ratio: int) -> int:
    # where the data begin within a coarser candle, its rest is lost; at worst all but one of its candles
    return (coarse_bars + 2) * ratio - 2


def _first_row(candles: "Candles", ratio: int) -> int:
    return int(-(candles.times[0] // candles.timeframe.microseconds) % ratio)


def _coarser(candles: "Candles", timeframe: Timeframe, ratio: int) -> "Candles | None":
    from tradeready_gym.market.candles import Candles

    first = _first_row(candles, ratio)
    count = (len(candles) - first) // ratio
    if count < 1:
        return None

    def grouped(values: Any) -> Any:
        return values[..., first : first + count * ratio].reshape(*values.shape[:-1], count, ratio)

    return Candles(
        symbols=candles.symbols,
        timeframe=timeframe,
        times=grouped(candles.times)[:, 0],
        open=grouped(candles.open)[..., 0],
        high=grouped(candles.high).max(axis=-1),
        low=grouped(candles.low).min(axis=-1),
        close=grouped(candles.close)[..., -1],
        volume=grouped(candles.volume).sum(axis=-1),
        gaps=grouped(candles.gaps).all(axis=-1),
        columns={name: grouped(values)[..., -1] for name, values in candles.columns.items()},
        source=f"{timeframe.label} candles of {candles.source}",
    )
