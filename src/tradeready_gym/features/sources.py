"""What a feature is made from: a candle's own column, the user's, or the columns of another feature."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradeready_gym.errors import UnknownName
from tradeready_gym.features.base import Feature, FloatArray, LibraryFeature, feature_values
from tradeready_gym.features.custom import Column

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

CANDLE_COLUMNS: Final = ("open", "high", "low", "close", "volume")
Source = str | Feature


@dataclass(frozen=True)
class CandleColumn(LibraryFeature):
    """`open`, `high`, `low` or `close` in quote units, or `volume` in base units, as it is."""

    column: str = "close"
    warmup_bars = 0
    low = 0.0

    def __post_init__(self) -> None:
        if self.column not in CANDLE_COLUMNS:
            raise UnknownName("candle column", self.column, CANDLE_COLUMNS)

    @property
    def name(self) -> str:
        return self.column

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        values: FloatArray = getattr(candles, self.column)[symbol_index]
        return values[:, None]


def source_of(source: Source) -> Feature:
    """A feature as it is; a name is a column of the candles, else one of the user's own columns."""
    if isinstance(source, Feature):
        return source
    if not isinstance(source, str):
        raise TypeError(f"a source is 'close', another column's name, or a Feature; got {source!r}")
    return CandleColumn(source) if source in CANDLE_COLUMNS else Column(source)


class Derived(LibraryFeature):
    """The shape of the features that compute columns from those of a `source`, by default the close.

    A concrete one is a frozen dataclass with a field `source`, and names what it does in `stem`.
    """

    if TYPE_CHECKING:

        @property
        def source(self) -> Source: ...

    @property
    @abstractmethod
    def stem(self) -> str:
        """What is done, with its numbers: the feature's whole name where the source is the close."""

    @property
    @abstractmethod
    def own_bars(self) -> int:
        """Rows that are lost beside the source's own warm-up."""

    @property
    def feature(self) -> Feature:
        """The source as a feature."""
        return source_of(self.source)

    @property
    def name(self) -> str:
        return self.stem if self.source == "close" else f"{self.stem}({self.feature.name})"

    @property
    def column_names(self) -> tuple[str, ...]:
        if self.source == "close":
            return (self.name,)
        return tuple(f"{self.stem}({column})" for column in self.feature.column_names)

    @property
    def warmup_bars(self) -> int:
        return self.feature.warmup_bars + self.own_bars

    @property
    def anchor_tolerance(self) -> float:
        return self.feature.anchor_tolerance

    @property
    def causality_tolerance(self) -> float:
        return self.feature.causality_tolerance

    def warmup_on(self, candles: "Candles") -> int:
        return self.feature.warmup_on(candles) + self.own_bars


class ColumnByColumn(Derived):
    """A derived feature whose columns depend on one column of the source each."""

    @abstractmethod
    def from_values(self, values: FloatArray) -> FloatArray:
        """The result for one column, float64[T] to float64[T]; rows that touch a NaN are NaN."""

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        columns = feature_values(self.feature, candles, symbol_index).T
        return np.stack([self.from_values(np.ascontiguousarray(values)) for values in columns], axis=1)
