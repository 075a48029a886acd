"""Changes from candle to candle, whole or fractional: what makes a wandering series stay around one level."""

import functools
from dataclasses import dataclass

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features.base import LONGEST_PERIOD, FloatArray, require_period
from tradeready_gym.features.sources import ColumnByColumn, Source
from tradeready_gym.features.windows import weighted_sum


@dataclass(frozen=True)
class PercentChange(ColumnByColumn):
    """`percent_change_<bars>`: value / value `bars` candles earlier - 1, as a fraction, of every column of `source`.

    A change from 0 to 0 is 0. `clip` keeps results within +-clip; without it, a change from 0 to anything else is refused
    as infinite when the table is built.
    """

    bars: int = 1
    source: Source = "close"
    clip: float | None = None

    def __post_init__(self) -> None:
        require_period("percent_change", self.bars, 1)
        if self.clip is not None and not self.clip > 0.0:
            raise ConfigurationError(f"percent_change needs clip > 0 or None, got {self.clip!r}")

    @property
    def stem(self) -> str:
        return f"percent_change_{self.bars}"

    @property
    def own_bars(self) -> int:
        return self.bars

    @property
    def low(self) -> float:
        return -np.inf if self.clip is None else -self.clip

    @property
    def high(self) -> float:
        return np.inf if self.clip is None else self.clip

    def from_values(self, values: FloatArray) -> FloatArray:
        result = np.full(len(values), np.nan)
        before = values[: max(len(values) - self.bars, 0)]
        with np.errstate(divide="ignore", invalid="ignore"):
            change = values[self.bars :] / before - 1.0
        result[self.bars :] = np.where((before == 0.0) & (values[self.bars :] == 0.0), 0.0, change)
        return result if self.clip is None else np.clip(result, -self.clip, self.clip)


@dataclass(frozen=True)
class LogDifference(ColumnByColumn):
    """`log_difference_<bars>`: `ln(value) - ln(value bars candles earlier)` of every column of `source`, which must be
    positive; the first `bars` rows are warm-up, not filled.
    """

    bars: int = 1
    source: Source = "close"

    def __post_init__(self) -> None:
        require_period("log_difference", self.bars, 1)

    @property
    def stem(self) -> str:
        return f"log_difference_{self.bars}"

    @property
    def own_bars(self) -> int:
        return self.bars

    def from_values(self, values: FloatArray) -> FloatArray:
        result = np.full(len(values), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = np.log(values)
            result[self.bars :] = logarithm[self.bars :] - logarithm[: max(len(values) - self.bars, 0)]
        return result


@functools.lru_cache(maxsize=256)
def _weights(order: float, threshold: float) -> tuple[float, ...]:
    weights = [1.0]
    while len(weights) <= LONGEST_PERIOD:
        following = -weights[-1] * (order - len(weights) + 1.0) / len(weights)
        if abs(following) < threshold:
            return tuple(weights)
        weights.append(following)
    raise ConfigurationError(
        f"fractional_difference of order {order!r} needs more than {LONGEST_PERIOD} weights of at least {threshold!r}; "
        f"raise the threshold"
    )


@dataclass(frozen=True)
class FractionalDifference(ColumnByColumn):
    """`fractional_difference`: `sum of w_k x value k candles earlier`, with the weights of `(1 - lag)^order`:

        w_0 = 1,    w_k = -w_(k-1) (order - k + 1) / k,    cut where the size of the next one falls below `threshold`

    The window has a fixed width, the number of weights; all rows before the first whole one are warm-up. Order 0 is the
    value itself, order 1 the difference. `logarithm` takes the logarithm first, as is usual for prices.

    M. Lopez de Prado, Advances in Financial Machine Learning, 2018, section 5.5 (fixed-width window).
    """

    order: float = 0.5
    threshold: float = 1e-4
    source: Source = "close"
    logarithm: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.order <= 2.0:
            raise ConfigurationError(f"fractional_difference needs an order from 0 to 2, got {self.order!r}")
        if not 0.0 < self.threshold < 1.0:
            raise ConfigurationError(f"fractional_difference needs 0 < threshold < 1, got {self.threshold!r}")
        _weights(self.order, self.threshold)

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights, that of the newest value first."""
        return _weights(self.order, self.threshold)

    @property
    def stem(self) -> str:
        usual = (self.order, self.threshold, self.logarithm) == (0.5, 1e-4, False)
        logarithm = ", logarithm" if self.logarithm else ""
        return "fractional_difference" + ("" if usual else f"({self.order}, {self.threshold}{logarithm})")

    @property
    def own_bars(self) -> int:
        return len(self.weights) - 1

    def from_values(self, values: FloatArray) -> FloatArray:
        if self.logarithm:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(values)
        return weighted_sum(values, self.weights)
