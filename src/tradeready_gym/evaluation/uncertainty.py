"""How far a figure may be from what it estimates: intervals across seeds, and over time.

- across seeds: Student's t; the interquartile mean and the probability of improvement with a stratified bootstrap, as in
  R. Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS 2021
- over time: the stationary bootstrap (D. N. Politis, J. P. Romano, JASA 89, 1994) with the automatic block length of
  D. N. Politis, H. White, Econometric Reviews 23, 2004 (corrected by A. Patton et al., 28, 2009)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError

ENOUGH_SEEDS = 10
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Interval:
    """An estimate with a confidence interval; `warning` says when it should not be relied on, and is empty otherwise."""

    estimate: float
    low: float
    high: float
    confidence: float
    method: str
    warning: str = ""

    def __str__(self) -> str:
        text = f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}] ({self.confidence:.0%}, {self.method})"
        return f"{text}; {self.warning}" if self.warning else text


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's interval of the mean of one value a seed, float64[N], N >= 2; says so below ten seeds."""
    seeds = _sample(values, 2)
    error = float(seeds.std(ddof=1)) / math.sqrt(len(seeds))
    reach = t_quantile(0.5 + confidence / 2.0, len(seeds) - 1) * error
    mean = float(seeds.mean())
    return Interval(mean, mean - reach, mean + reach, confidence, "Student's t", _few(len(seeds)))


def interquartile_mean(values: ArrayLike) -> float:
    """The mean of the middle half (a quarter of the values, rounded down, is left out on either side)."""
    seeds = np.sort(_sample(values, 1))
    cut = len(seeds) // 4
    return float(seeds[cut : len(seeds) - cut].mean())


def iqm_interval(values: ArrayLike, confidence: float = 0.95, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The interquartile mean of one value a seed with its percentile bootstrap interval."""
    seeds = _sample(values, 2)
    draws = _generator(seed).choice(seeds, (resamples, len(seeds)))
    draws.sort(axis=1)
    cut = len(seeds) // 4
    means = draws[:, cut : len(seeds) - cut].mean(axis=1)
    low, high = _percentiles(means, confidence)
    return Interval(interquartile_mean(seeds), low, high, confidence, "percentile bootstrap", _few(len(seeds)))


def probability_of_improvement(
    ours: ArrayLike, theirs: ArrayLike, confidence: float = 0.95, *, resamples: int = 2_000, seed: int = 0
) -> Interval:
    """How often a run of ours has a higher value than one of theirs (ties count half), with its bootstrap interval."""
    a, b = _sample(ours, 1), _sample(theirs, 1)
    generator = _generator(seed)
    drawn = [_share_above(generator.choice(a, len(a)), generator.choice(b, len(b))) for _ in range(resamples)]
    low, high = _percentiles(np.array(drawn), confidence)
    return Interval(_share_above(a, b), low, high, confidence, "percentile bootstrap", _few(min(len(a), len(b))))


def stationary_bootstrap(
    returns: ArrayLike,
    statistic: Statistic | None = None,
    confidence: float = 0.95,
    *,
    block: float | None = None,
    resamples: int = 2_000,
    seed: int = 0,
) -> Interval:
    """The interval of a statistic of a return series, float64[T], T >= 20, that allows for dependence in time.

    `statistic` maps float64[resamples, T] to float64[resamples]; the per-period Sharpe ratio by default. Blocks have a random
    length with mean `block`, chosen from the series by default. It is the basic interval: the percentiles of the resampled
    errors, reflected about the estimate. Its coverage in simulation is stated in tests/honesty.
    """
    values = _sample(returns, 20)
    measure = sharpe_of_rows if statistic is None else statistic
    length = optimal_block(values) if block is None else float(block)
    if not length >= 1.0:
        raise DataError(f"block must be a mean length of at least 1; got {block!r}")
    generator = _generator(seed)
    measured = []
    # some hundred resamples at a time: a long series must not be copied thousands of times at once
    batch = max(1, min(resamples, 20_000_000 // len(values)))
    for first in range(0, resamples, batch):
        rows = min(batch, resamples - first)
        measured.append(measure(values[_stationary_indices(generator, rows, len(values), length)]))
    low, high = _percentiles(np.concatenate(measured), confidence)
    estimate = float(measure(values[np.newaxis])[0])
    # reflected about the estimate, so that a skewed error lies on the right side
    return Interval(
        estimate,
        2.0 * estimate - high,
        2.0 * estimate - low,
        confidence,
        f"stationary bootstrap, blocks of {length:.1f}",
    )


def sharpe_of_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The per-period Sharpe ratio of each row; 0 where a row has no deviation."""
    deviation = rows.std(axis=1, ddof=1)
    return np.asarray(np.divide(rows.mean(axis=1), deviation, out=np.zeros(len(rows)), where=deviation > 0.0))


def optimal_block(values: NDArray[np.float64]) -> float:
    """The mean block length of the stationary bootstrap by Politis and White, at least 1."""
    count = len(values)
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    if not variance > 0.0:
        return 1.0
    run = max(5, int(math.log10(count)))
    longest = min(math.ceil(math.sqrt(count)) + run, count - 1)
    covariance = np.array([float(np.dot(centred[: count - k], centred[k:])) / count for k in range(longest + 1)])
    band = 2.0 * math.sqrt(math.log10(count) / count)
    small = np.abs(covariance[1:] / covariance[0]) < band
    quiet = next((k for k in range(len(small) - run + 1) if small[k : k + run].all()), len(small))
    lags = np.arange(-min(2 * max(quiet, 1), longest), min(2 * max(quiet, 1), longest) + 1)
    share = np.abs(lags) / max(lags.max(), 1)
    weights = np.where(share <= 0.5, 1.0, 2.0 * (1.0 - share))
    weighted = weights * covariance[np.abs(lags)]
    slope, level = float(np.sum(np.abs(lags) * weighted)), float(np.sum(weighted))
    if not level > 0.0:
        return 1.0
    length = (slope * slope / (level * level)) ** (1.0 / 3.0) * count ** (1.0 / 3.0)
    return float(min(max(length, 1.0), math.ceil(min(3.0 * math.sqrt(count), count / 3.0))))


def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution, by bisection of its distribution function."""
    if freedom < 1 or not 0.5 <= probability < 1.0:
        raise DataError(f"t_quantile needs freedom >= 1 and a probability in [0.5, 1); got {freedom}, {probability}")
    low, high = 0.0, 1.0
    while _t_cdf(high, freedom) < probability:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _t_cdf(middle, freedom) < probability else (low, middle)
    return 0.5 * (low + high)


def _t_cdf(t: float, freedom: int) -> float:
    # the finite sums of M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    term = total = 1.0 if freedom % 2 == 0 else cosine
    for k in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if freedom % 2 == 0:
        return 0.5 + 0.5 * sine * total
    rest = sine * total if freedom > 1 else 0.0
    return 0.5 + (angle + rest) / math.pi


def _stationary_indices(generator: np.random.Generator, rows: int, count: int, block: float) -> NDArray[np.int64]:
    begins = generator.random((rows, count)) < 1.0 / block
    begins[:, 0] = True
    starts = generator.integers(0, count, (rows, count))
    places = np.arange(count)
    newest = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, newest, axis=1) + places - newest) % count)


def _share_above(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    ordered = np.sort(b)
    below, not_above = np.searchsorted(ordered, a, side="left"), np.searchsorted(ordered, a, side="right")
    return float(np.mean(below + not_above) / (2.0 * len(b)))


def _percentiles(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    if not 0.0 < confidence < 1.0:
        raise DataError(f"confidence must be within (0, 1); got {confidence!r}")
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return float(low), float(high)


def _sample(values: ArrayLike, least: int) -> NDArray[np.float64]:
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1 or len(sample) < least or not np.isfinite(sample).all():
        raise DataError(f"at least {least} finite values in one dimension are needed; got shape {sample.shape}")
    return sample


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _few(count: int) -> str:
    return "" if count >= ENOUGH_SEEDS else f"{count} seeds are too few to rely on; take at least {ENOUGH_SEEDS}"
