"""What a backtest lets expect of the time after it: a fan of equity curves, to hold a live account against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.stationary import optimal_block, resampled_means
from tradeready_gym.evaluation.uncertainty import batches, generator_of, require_sample

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_POINTS = 300


@dataclass(frozen=True, eq=False)
class ExpectationFan:
    """Quantiles of equity over starting equity, `factors` float64[Q, H], after `horizons` int64[H] candles.

    `block` is the mean length of the blocks, `periods` how many returns the fan was made from.
    """

    horizons: NDArray[np.int64]
    quantiles: tuple[float, ...]
    factors: NDArray[np.float64]
    block: float
    periods: int

    def at(self, candles: ArrayLike) -> NDArray[np.float64]:
        """The quantiles after so many candles, float64[Q, N]; 1 at 0, NaN beyond the last horizon."""
        wanted = np.asarray(candles, np.float64).reshape(-1)
        places = np.concatenate(([0], self.horizons))
        logs = np.concatenate((np.zeros((len(self.quantiles), 1)), np.log(self.factors)), axis=1)
        return np.asarray(np.exp(np.stack([np.interp(wanted, places, row, right=np.nan) for row in logs])))


def expectation_fan(
    returns: ArrayLike,
    horizon: int,
    *,
    quantiles: tuple[float, ...] = QUANTILES,
    block: float | None = None,
    resamples: int = 1_000,
    seed: int = 0,
) -> ExpectationFan:
    """Where the equity of an account that goes on as in a backtest will be, up to `horizon` candles ahead, candle by candle.

    `returns` are the backtest's simple returns per candle, float64[T], T >= 20, above -1. Each of the `resamples` paths is made
    of blocks of them (the stationary bootstrap, Politis and Romano 1994; mean length `block`, by Politis and White 2004 by
    default), and of an error of their mean, drawn by the same bootstrap: a backtest knows its own mean only so well, and over
    a time as long as itself that is half of the variance. The quantiles are those of each candle for itself: a path that is as
    expected leaves the band of 5 to 95 % now and then, at any one moment in one case of ten.

    Raises `DataError` for too few returns, one that is not finite or not above -1, or a horizon or block below 1.
    """
    values = require_sample(returns, 20)
    if not (values > -1.0).all():
        raise DataError("a return of -1 or less is ruin, after which there is nothing to expect")
    if horizon < 1:
        raise DataError(f"horizon must be at least 1; got {horizon!r}")
    logs = np.log1p(values)
    length = optimal_block(logs) if block is None else float(block)
    if not length >= 1.0:
        raise DataError(f"block must be a mean length of at least 1; got {block!r}")
    horizons = np.unique(np.rint(np.geomspace(1, horizon, _POINTS)).astype(np.int64))
    drift = resampled_means(logs, length, resamples, seed + 1) - logs.mean()
    found = _paths(logs, horizons, length, resamples, seed) + drift[:, None] * horizons
    return ExpectationFan(horizons, quantiles, np.exp(np.quantile(found, quantiles, axis=0)), length, len(logs))


def _paths(
    logs: NDArray[np.float64], horizons: NDArray[np.int64], block: float, resamples: int, seed: int
) -> NDArray[np.float64]:
    generator, last = generator_of(seed), int(horizons[-1])
    found = np.empty((resamples, len(horizons)))
    first = 0
    for rows in batches(resamples, last):
        begins = generator.random((rows, last)) < 1.0 / block
        begins[:, 0] = True
        # where the newest block began on the path, and in the sample
        newest = np.maximum.accumulate(np.where(begins, np.arange(last), 0), axis=1)
        starts = generator.integers(0, len(logs), (rows, last))
        places = (np.take_along_axis(starts, newest, axis=1) + np.arange(last) - newest) % len(logs)
        found[first : first + rows] = np.cumsum(logs[places], axis=1)[:, horizons - 1]
        first += rows
    return found
