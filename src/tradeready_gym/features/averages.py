"""Moving averages: of the close, or of every column of another feature, in its unit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradeready_gym.errors import UnknownName
from tradeready_gym.features.base import FloatArray, require_period
from tradeready_gym.features.sources import ColumnByColumn, Source
from tradeready_gym.features.windows import weighted_sum, window_mean

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS: Final = ("sma", "ema", "wma")
_EXPONENTIAL_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class MovingAverage(ColumnByColumn):
    """`sma_<period>`, `ema_<period>`, `wma_<period>`: a moving average of every column of `source`, in its unit.

    * `sma`: the mean of the last `period` values,
    * `wma`: their mean with weights `period`, ..., 2, 1, the newest first,
    * `ema`: `average += 2 / (period + 1) (value - average)`, from a simple mean of the first `period` values on. It never
      quite forgets them; its warm-up is five periods.

    An average of prices does not train well; `Comparison("close", MovingAverage(50, "ema"))` is the price against it.
    """

    period: int = 20
    kind: str = "sma"
    source: Source = "close"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("kind of moving average", self.kind, KINDS)
        require_period(self.kind, self.period, 2)

    @property
    def stem(self) -> str:
        return f"{self.kind}_{self.period}"

    @property
    def own_bars(self) -> int:
        return 5 * self.period if self.kind == "ema" else self.period - 1

    @property
    def anchor_tolerance(self) -> float:
        return max(self.feature.anchor_tolerance, _EXPONENTIAL_TOLERANCE if self.kind == "ema" else 0.0)

    def from_values(self, values: FloatArray) -> FloatArray:
        average: dict[str, Callable[[FloatArray, int], FloatArray]] = {
            "sma": window_mean,
            "ema": _exponential,
            "wma": _weighted,
        }
        return average[self.kind](values, self.period)


def _weighted(values: FloatArray, period: int) -> FloatArray:
    return weighted_sum(values, [float(weight) for weight in range(period, 0, -1)]) / (period * (period + 1) / 2.0)


def _exponential(values: FloatArray, period: int) -> FloatArray:
    import talib

    if np.isnan(values).all():
        return np.full(len(values), np.nan)
    result: FloatArray = talib.EMA(values, period)
    return result
