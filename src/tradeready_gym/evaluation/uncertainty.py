"""How far a figure may be from what it estimates, across seeds.

Student's t; the studentised bootstrap (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12); the
interquartile mean and the probability of improvement with a stratified percentile bootstrap, as in R. Agarwal et al., Deep
reinforcement learning at the edge of the statistical precipice, NeurIPS 2021.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.student import t_quantile

ENOUGH_SEEDS = 10


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
    seeds = require_sample(values, 2)
    _require_confidence(confidence)
    reach = t_quantile(0.5 + confidence / 2.0, len(seeds) - 1) * float(seeds.std(ddof=1)) / math.sqrt(len(seeds))
    mean = float(seeds.mean())
    return Interval(mean, mean - reach, mean + reach, confidence, "Student's t", _few(len(seeds)))


def studentised_interval(
    values: ArrayLike, confidence: float = 0.95, *, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The bootstrap-t interval of the mean of one value a seed, float64[N], N >= 3: each resample's error is divided by its
    own standard error, so that a skewed distribution gets an interval that is longer on its long side.

    A resample of equal values has no standard error and does not count; values that are all equal have no width.
    """
    seeds = require_sample(values, 3)
    _require_confidence(confidence)
    mean, error = float(seeds.mean()), float(seeds.std(ddof=1)) / math.sqrt(len(seeds))
    draws = generator_of(seed).choice(seeds, (resamples, len(seeds)))
    errors = draws.std(axis=1, ddof=1) / math.sqrt(len(seeds))
    # equal values have a deviation of rounding
    counted = errors > 1e-12 * error
    low = high = 0.0
    if error > 0.0 and counted.any():
        low, high = percentiles((draws[counted].mean(axis=1) - mean) / errors[counted], confidence)
    return Interval(
        mean, mean - high * error, mean - low * error, confidence, "studentised bootstrap", _few(len(seeds))
    )


def interquartile_mean(values: ArrayLike) -> float:
    """The mean of the middle half of all values, of any shape (a quarter, rounded down, is left out on either side)."""
    seeds = np.sort(require_sample(np.reshape(np.asarray(values, np.float64), -1), 1))
    cut = len(seeds) // 4
    return float(seeds[cut : len(seeds) - cut].mean())


def iqm_interval(values: ArrayLike, confidence: float = 0.95, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The interquartile mean of one value a seed, float64[N], with its percentile bootstrap interval.

    float64[N, M] are N seeds on M tasks (markets, spans) whose values can be compared: the mean is of the middle half of
    all, and each task's seeds are resampled for themselves (stratified).
    """
    table = _table(values, 2)
    count, tasks = table.shape
    _require_confidence(confidence)
    generator = generator_of(seed)
    cut = table.size // 4
    means = []
    for rows in batches(resamples, table.size):
        places = generator.integers(0, count, (rows, count, tasks))
        draws = np.take_along_axis(table[np.newaxis], places, axis=1).reshape(rows, -1)
        draws.sort(axis=1)
        means.append(draws[:, cut : table.size - cut].mean(axis=1))
    low, high = percentiles(np.concatenate(means), confidence)
    method = "percentile bootstrap" if tasks == 1 else f"stratified bootstrap over {tasks} tasks"
    return Interval(interquartile_mean(table), low, high, confidence, method, _few(count))


def probability_of_improvement(
    ours: ArrayLike, theirs: ArrayLike, confidence: float = 0.95, *, resamples: int = 2_000, seed: int = 0
) -> Interval:
    """How often a run of ours has a higher value than one of theirs, with its bootstrap interval.

    One value a seed, float64[N] against float64[K]: the Mann-Whitney statistic over N × K, ties count half. float64[N, M]
    against float64[K, M] are M tasks: the mean over the tasks, each resampled for itself.
    """
    a, b = _table(ours, 1), _table(theirs, 1)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"both must have the same tasks, one a column; got {a.shape[1]} and {b.shape[1]}")
    generator = generator_of(seed)
    drawn = [
        np.mean(
            [
                _share_above(generator.choice(x, len(x)), generator.choice(y, len(y)))
                for x, y in zip(a.T, b.T, strict=True)
            ]
        )
        for _ in range(resamples)
    ]
    low, high = percentiles(np.array(drawn), confidence)
    estimate = float(np.mean([_share_above(x, y) for x, y in zip(a.T, b.T, strict=True)]))
    return Interval(estimate, low, high, confidence, "percentile bootstrap", _few(min(len(a), len(b))))


def require_sample(values: ArrayLike, least: int) -> NDArray[np.float64]:
    """The values as float64[N]; raises `DataError` for fewer than `least`, another shape, or one that is not finite."""
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1 or len(sample) < least or not np.isfinite(sample).all():
        raise DataError(f"at least {least} finite values in one dimension are needed; got shape {sample.shape}")
    return sample


def percentiles(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """What leaves out (1 - confidence) / 2 of the values on either side."""
    _require_confidence(confidence)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return float(low), float(high)


def generator_of(seed: int) -> np.random.Generator:
    """The generator of a seed, of a kind that stays the same."""
    return np.random.Generator(np.random.PCG64(seed))


def batches(resamples: int, size: int, most: int = 1_000_000) -> list[int]:
    """How many resamples of `size` values to draw at a time, so that not more than `most` numbers are held at once."""
    rows = max(1, most // size)
    return [min(rows, resamples - first) for first in range(0, resamples, rows)]


def _table(values: ArrayLike, least: int) -> NDArray[np.float64]:
    table = np.asarray(values, np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) < least or not table.size or not np.isfinite(table).all():
        raise DataError(
            f"finite values of at least {least} seeds (and tasks, one a column) are needed; got {table.shape}"
        )
    return table


def _share_above(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    ordered = np.sort(b)
    below, not_above = np.searchsorted(ordered, a, side="left"), np.searchsorted(ordered, a, side="right")
    return float(np.mean(below + not_above) / (2.0 * len(b)))


def _require_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise DataError(f"confidence must be within (0, 1); got {confidence!r}")


def _few(count: int) -> str:
    if count >= ENOUGH_SEEDS:
        return ""
    return f"{'1 seed is' if count == 1 else f'{count} seeds are'} too few to rely on; take at least {ENOUGH_SEEDS}"
