"""How far a figure of a return series may be from what it estimates, when returns depend on one another.

The stationary bootstrap (D. N. Politis, J. P. Romano, JASA 89, 1994) with the automatic block length of D. N. Politis,
H. White, Econometric Reviews 23, 2004 (corrected by A. Patton et al., 28, 2009).
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.uncertainty import Interval, batches, generator_of, percentiles, require_sample

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# a longer series is cut into about half as many stretches, which are resampled whole
LONG = 20_000


def sharpe_of_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The per-period Sharpe ratio of each row; 0 where a row has no deviation."""
    deviation = rows.std(axis=1, ddof=1)
    return np.asarray(np.divide(rows.mean(axis=1), deviation, out=np.zeros(len(rows)), where=deviation > 0.0))


def mean_of_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each row."""
    return np.asarray(rows.mean(axis=1))


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

    `statistic` maps float64[resamples, T] to float64[resamples]; `sharpe_of_rows` (per period) by default. Blocks have a
    random length with mean `block`, chosen from the series by default. It is the basic interval: the percentiles of the
    resampled errors, reflected about the estimate, so that a skewed error lies on the right side. Its coverage in simulation
    is stated in tests/honesty.

    `sharpe_of_rows` and `mean_of_rows` of more than 20,000 returns are resampled by stretches of T / 10,000 returns, which
    takes a second for a million where single returns would take minutes; no block is shorter than a stretch.

    Raises `DataError` for too few returns, one that is not finite, or a block below 1.
    """
    values = require_sample(returns, 20)
    measure = sharpe_of_rows if statistic is None else statistic
    length = optimal_block(values) if block is None else float(block)
    if not length >= 1.0:
        raise DataError(f"block must be a mean length of at least 1; got {block!r}")
    method = f"stationary bootstrap, blocks of {length:.1f}"
    if len(values) > LONG and measure in (sharpe_of_rows, mean_of_rows):
        size = math.ceil(2 * len(values) / LONG)
        measured = _resample_stretches(values, measure is sharpe_of_rows, size, length / size, resamples, seed)
        method = f"stationary bootstrap, blocks of {max(length, size):.1f} from stretches of {size}"
    else:
        places = _places(resamples, len(values), length, seed)
        measured = np.concatenate([measure(values[some]) for some in places])
    low, high = percentiles(measured, confidence)
    estimate = float(measure(values[np.newaxis])[0])
    return Interval(estimate, 2.0 * estimate - high, 2.0 * estimate - low, confidence, method)


def resampled_means(values: NDArray[np.float64], block: float, resamples: int, seed: int) -> NDArray[np.float64]:
    """The means of resamples of a whole series, float64[resamples]; of a long one by stretches, as `stationary_bootstrap`."""
    if len(values) > LONG:
        size = math.ceil(2 * len(values) / LONG)
        return _resample_stretches(values, False, size, block / size, resamples, seed)
    return np.concatenate([values[some].mean(axis=1) for some in _places(resamples, len(values), block, seed)])


def optimal_block(values: NDArray[np.float64]) -> float:
    """The mean block length of the stationary bootstrap by Politis and White, at least 1 and at most 3 √T."""
    count = len(values)
    centred = values - values.mean()
    variance = float(np.dot(centred, centred)) / count
    if not variance > 0.0:
        return 1.0
    run = max(5, int(math.log10(count)))
    longest = min(math.ceil(math.sqrt(count)) + run, count - 1)
    correlation = [1.0]
    quiet, small = longest, 0
    band = 2.0 * math.sqrt(math.log10(count) / count)
    for lag in range(1, longest + 1):
        correlation.append(_correlation(centred, variance, lag))
        small = small + 1 if abs(correlation[-1]) < band else 0
        if small == run:
            # the first of them, as in A. Patton's own code; the paper would take the one before
            quiet = lag - run + 1
            break
    widest = min(2 * quiet, longest)
    correlation += [_correlation(centred, variance, lag) for lag in range(len(correlation), widest + 1)]
    lags = np.arange(1, widest + 1)
    weights = np.clip(2.0 * (1.0 - lags / widest), 0.0, 1.0) * np.array(correlation[1 : widest + 1])
    slope, level = 2.0 * float(np.sum(lags * weights)), 1.0 + 2.0 * float(np.sum(weights))
    if not level > 0.0:
        return 1.0
    length = (slope / level) ** 2 * count
    return float(min(max(math.cbrt(length), 1.0), math.ceil(min(3.0 * math.sqrt(count), count / 3.0))))


def _correlation(centred: NDArray[np.float64], variance: float, lag: int) -> float:
    count = len(centred)
    return float(np.dot(centred[: count - lag], centred[lag:])) / (count * variance)


def _places(resamples: int, count: int, block: float, seed: int) -> Iterator[NDArray[np.int64]]:
    generator = generator_of(seed)
    along = np.arange(count)
    for rows in batches(resamples, count):
        begins = generator.random((rows, count)) < 1.0 / block
        begins[:, 0] = True
        starts = generator.integers(0, count, (rows, count))
        newest = np.maximum.accumulate(np.where(begins, along, 0), axis=1)
        yield (np.take_along_axis(starts, newest, axis=1) + along - newest) % count


def _resample_stretches(
    values: NDArray[np.float64], ratio: bool, size: int, block: float, resamples: int, seed: int
) -> NDArray[np.float64]:
    edges = np.arange(0, len(values), size)
    counts = np.diff(edges, append=len(values)).astype(np.float64)
    level = float(values.mean())
    centred = values - level
    sums = np.add.reduceat(centred, edges)
    squares = np.add.reduceat(np.square(centred, out=centred), edges)
    measured = []
    for places in _places(resamples, len(edges), max(block, 1.0), seed):
        drawn = counts[places].sum(axis=1)
        shift = sums[places].sum(axis=1) / drawn
        means = level + shift
        if ratio:
            variance = (squares[places].sum(axis=1) - drawn * shift * shift) / (drawn - 1.0)
            means = np.divide(means, np.sqrt(variance), out=np.zeros_like(means), where=variance > 0.0)
        measured.append(means)
    return np.concatenate(measured)
