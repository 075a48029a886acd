"""Whether a Sharpe ratio is more than luck.

Per-period ratios throughout (mean / deviation of the returns of one step, ddof=1): an annual one divided by the root of the
periods per year. Kurtosis is the raw one, 3 for a normal distribution. Sources:

- probabilistic Sharpe ratio and minimum track record: D. H. Bailey, M. Lopez de Prado, The Sharpe ratio efficient
  frontier, Journal of Risk 15 (2), 2012
- deflated Sharpe ratio: the same, The deflated Sharpe ratio, Journal of Portfolio Management 40 (5), 2014
- minimum backtest length: D. H. Bailey, J. M. Borwein, M. Lopez de Prado, Q. J. Zhu, Pseudo-mathematics and financial
  charlatanism, Notices of the AMS 61 (5), 2014
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.stretches import CentralSums, central_sums, returns_by_stretch, stretches

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


@dataclass(frozen=True)
class ReturnMoments:
    """What the formulas need of a return series: its length, per-period Sharpe ratio, skewness and raw kurtosis."""

    count: int
    sharpe: float
    skewness: float
    kurtosis: float


def return_moments(returns: ArrayLike) -> ReturnMoments:
    """The moments of a series, float64[T].

    Raises `DataError` for fewer than 3 returns, one that is not finite, or no deviation.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 1:
        raise DataError(f"a Sharpe ratio needs at least 3 finite returns in one dimension; got {values.shape}")
    return _moments(central_sums(lambda: (values[rows] for rows in stretches(len(values)))))


def curve_moments(equity: ArrayLike) -> ReturnMoments:
    """The moments of the returns of an equity curve, float64[T + 1], which are never held together.

    Raises `DataError` as `return_moments` does.
    """
    curve = np.asarray(equity, np.float64)
    if curve.ndim != 1 or not len(curve):
        raise DataError(f"a curve has one dimension and at least one value; got {curve.shape}")
    with np.errstate(divide="ignore", invalid="ignore"):
        return _moments(central_sums(lambda: returns_by_stretch(curve)))


def _moments(sums: CentralSums) -> ReturnMoments:
    if sums.number < 3 or not np.isfinite(sums.second):
        raise DataError(f"a Sharpe ratio needs at least 3 finite returns in one dimension; got {sums.number}")
    variance = sums.second / sums.number
    if not variance > 0.0:
        raise DataError("a series without any deviation has no Sharpe ratio; every return is the same")
    sample = math.sqrt(sums.second / (sums.number - 1))
    return ReturnMoments(
        sums.number,
        sums.mean / sample,
        sums.third / sums.number / variance**1.5,
        sums.fourth / sums.number / variance**2,
    )


def probabilistic_sharpe(moments: ReturnMoments, benchmark: float = 0.0) -> float:
    """The probability that the true per-period Sharpe ratio is above `benchmark`, in [0, 1]."""
    return _NORMAL.cdf((moments.sharpe - benchmark) * math.sqrt(moments.count - 1) / _error(moments))


def expected_maximum_sharpe(count: int, variance: float) -> float:
    """The best per-period Sharpe ratio to expect of `count` trials without skill whose ratios have this variance."""
    if count < 2:
        return 0.0
    quantile = _NORMAL.inv_cdf
    spread = (1.0 - _EULER) * quantile(1.0 - 1.0 / count) + _EULER * quantile(1.0 - 1.0 / (count * math.e))
    return math.sqrt(variance) * spread


def deflated_sharpe(moments: ReturnMoments, trials: ArrayLike) -> float:
    """The probability that the true Sharpe ratio is above what the best of all trials would have had by luck.

    `trials` are the per-period Sharpe ratios of everything that was tried, this one included, float64[N]; their number and
    variance (ddof=1) are taken from them. NaN is a trial without a ratio, since it never traded: it counts, and says nothing
    about the variance. With a single trial it is `probabilistic_sharpe`.

    Raises `DataError` for no trial with a ratio, or an infinite one.
    """
    ratios = np.asarray(trials, np.float64).reshape(-1)
    known = ratios[~np.isnan(ratios)]
    if not len(known) or np.isinf(known).any():
        raise DataError(f"trials must be finite Sharpe ratios, this one among them; got {ratios.tolist()!r}")
    variance = float(np.var(known, ddof=1)) if len(known) > 1 else 0.0
    return probabilistic_sharpe(moments, expected_maximum_sharpe(len(ratios), variance))


def minimum_track_record(moments: ReturnMoments, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Returns needed until such a Sharpe ratio is above `benchmark` with this confidence; infinite if it is not above."""
    _require_share("confidence", confidence)
    if moments.sharpe <= benchmark:
        return math.inf
    return 1.0 + (_error(moments) * _NORMAL.inv_cdf(confidence) / (moments.sharpe - benchmark)) ** 2


def minimum_backtest_years(trials: int, best_annual_sharpe: float = 1.0) -> float:
    """Years of data below which the best of `trials` without skill is expected to reach this annual Sharpe ratio."""
    if trials < 2 or not best_annual_sharpe > 0.0:
        raise DataError(f"trials must be at least 2 and the ratio positive; got {trials!r} and {best_annual_sharpe!r}")
    return (expected_maximum_sharpe(trials, 1.0) / best_annual_sharpe) ** 2


def _error(moments: ReturnMoments) -> float:
    ratio = moments.sharpe
    variance = 1.0 - moments.skewness * ratio + (moments.kurtosis - 1.0) / 4.0 * ratio * ratio
    # kurtosis >= 1 + skewness^2 makes it positive but for rounding
    return math.sqrt(max(variance, 1e-12))


def _require_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise DataError(f"{name} must be within (0, 1); got {value!r}")
