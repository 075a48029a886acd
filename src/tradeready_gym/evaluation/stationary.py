"""How far a figure of a return series may be from what it estimates, when returns depend on one another.

The stationary bootstrap (D. N. Politis, J. P. Romano, JASA 89, 1994) with the automatic block length of D. N. Politis,
H. White, Econometric Reviews 23, 2004 (corrected by A. Patton et al., 28, 2009).
"""

import math
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.stretches import ROWS, central_sums, stretches
from tradeready_gym.evaluation.uncertainty import Interval, batches, generator_of, percentiles, require_sample

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# a longer series is cut into about half as many stretches, which are resampled whole
LONG = 20_000
_HELD = 65_536  # numbers of resamples at a time: less than a megabyte
_LAGS = 32


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
    estimate = _estimate(values, measure)
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
    mean = float(values.mean())
    variance = float(_products(values, mean, 0, 1)[0]) / count
    if not variance > 0.0:
        return 1.0
    run = max(5, int(math.log10(count)))
    longest = min(math.ceil(math.sqrt(count)) + run, count - 1)
    correlation, found = [1.0], _correlations(values, mean, variance)
    quiet, small = longest, 0
    band = 2.0 * math.sqrt(math.log10(count) / count)
    for lag in range(1, longest + 1):
        correlation.append(next(found))
        small = small + 1 if abs(correlation[-1]) < band else 0
        if small == run:
            # the first of them, as in A. Patton's own code; the paper would take the one before
            quiet = lag - run + 1
            break
    widest = min(2 * quiet, longest)
    correlation += islice(found, max(widest + 1 - len(correlation), 0))
    lags = np.arange(1, widest + 1)
    weights = np.clip(2.0 * (1.0 - lags / widest), 0.0, 1.0) * np.array(correlation[1 : widest + 1])
    slope, level = 2.0 * float(np.sum(lags * weights)), 1.0 + 2.0 * float(np.sum(weights))
    if not level > 0.0:
        return 1.0
    length = (slope / level) ** 2 * count
    return float(min(max(math.cbrt(length), 1.0), math.ceil(min(3.0 * math.sqrt(count), count / 3.0))))


def _estimate(values: NDArray[np.float64], measure: Statistic) -> float:
    if len(values) <= LONG or measure is not sharpe_of_rows:
        return float(measure(values[np.newaxis])[0])
    sums = central_sums(lambda: (values[rows] for rows in stretches(len(values))))
    return sums.mean / math.sqrt(sums.second / (sums.number - 1)) if sums.second > 0.0 else 0.0


def _correlations(values: NDArray[np.float64], mean: float, variance: float) -> Iterator[float]:
    # of lag 1, 2 ...; most need only a few of them
    for first in range(1, len(values), _LAGS):
        last = min(first + _LAGS, len(values))
        yield from (_products(values, mean, first, last) / (len(values) * variance)).tolist()


def _products(values: NDArray[np.float64], mean: float, first: int, last: int) -> NDArray[np.float64]:
    # the sums of (x_t - mean) (x_t+lag - mean), stretch by stretch: nothing is held centred, and what is fits a fast memory
    sums = np.zeros(last - first)
    for rows in stretches(len(values)):
        early = values[rows] - mean
        late = values[rows.start + first : rows.stop + last - 1] - mean
        for k in range(last - first):
            there = late[k : k + len(early)]
            sums[k] += np.dot(early[: len(there)], there)
    return sums


def _places(resamples: int, count: int, block: float, seed: int) -> Iterator[NDArray[np.int64]]:
    generator = generator_of(seed)
    along = np.arange(count)
    for rows in batches(resamples, count, _HELD):
        begins = generator.random((rows, count)) < 1.0 / block
        begins[:, 0] = True
        starts = generator.integers(0, count, (rows, count))
        newest = np.maximum.accumulate(np.where(begins, along, 0), axis=1)
        yield (np.take_along_axis(starts, newest, axis=1) + along - newest) % count


def _resample_stretches(
    values: NDArray[np.float64], ratio: bool, size: int, block: float, resamples: int, seed: int
) -> NDArray[np.float64]:
    level = float(values.mean())
    counts, sums, squares = _of_stretches(values, level, size)
    measured = []
    for places in _places(resamples, len(counts), max(block, 1.0), seed):
        drawn = counts[places].sum(axis=1)
        shift = sums[places].sum(axis=1) / drawn
        means = level + shift
        if ratio:
            variance = (squares[places].sum(axis=1) - drawn * shift * shift) / (drawn - 1.0)
            means = np.divide(means, np.sqrt(variance), out=np.zeros_like(means), where=variance > 0.0)
        measured.append(means)
    return np.concatenate(measured)


def _of_stretches(values: NDArray[np.float64], level: float, size: int) -> tuple[NDArray[np.float64], ...]:
    # how many, their sum and their sum of squares about the level, of each stretch of `size`
    found = []
    together = size * max(ROWS // size, 1)
    for first in range(0, len(values), together):
        part = values[first : first + together] - level
        edges = np.arange(0, len(part), size)
        counts = np.diff(edges, append=len(part)).astype(np.float64)
        found.append((counts, np.add.reduceat(part, edges), np.add.reduceat(np.square(part, out=part), edges)))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))
