"""The probability that the best of several strategies in sample is below the middle out of sample.

Combinatorially symmetric cross-validation: D. H. Bailey, J. M. Borwein, M. Lopez de Prado, Q. J. Zhu, The probability of
backtest overfitting, Journal of Computational Finance 20 (4), 2017.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError

_MOST_NUMBERS = 2_000_000


@dataclass(frozen=True)
class Overfitting:
    """`probability` (PBO); `logits`, float64[combinations], of the chosen strategy's rank out of sample; `loss_probability`: how
    often the chosen one loses money there."""

    probability: float
    loss_probability: float
    logits: NDArray[np.float64]


def probability_of_overfitting(returns: ArrayLike, parts: int = 16) -> Overfitting:
    """Choose the strategy with the best Sharpe ratio on each half of the time, and see how it ranks on the other.

    `returns` is float64[T, N] of N >= 2 strategies over the same T steps; time is cut into `parts` (even) stretches, and every
    choice of half of them is in sample once. A remainder of T / parts at the beginning is left out.

    Raises `DataError` for fewer than two strategies, too few steps, or an odd number of parts.
    """
    table = np.asarray(returns, np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise DataError(f"returns must be finite and of shape (steps, strategies >= 2); got {table.shape}")
    if parts < 2 or parts % 2 or parts > 20 or len(table) < 2 * parts:
        raise DataError(f"parts must be even, from 2 to 20 and at most half of the {len(table)} steps; got {parts!r}")
    length = len(table) // parts
    blocks = table[len(table) - parts * length :].reshape(parts, length, -1)
    sums, squares = blocks.sum(axis=1), (blocks * blocks).sum(axis=1)
    chosen = np.array(list(combinations(range(parts), parts // 2)))
    # some at a time: a wide table would otherwise be held thousands of times over
    rows = max(1, _MOST_NUMBERS // table.shape[1])
    found = [_choose(sums, squares, chosen[k : k + rows], length) for k in range(0, len(chosen), rows)]
    logits, outside = (np.concatenate(column) for column in zip(*found, strict=True))
    return Overfitting(float(np.mean(logits <= 0.0)), float(np.mean(outside < 0.0)), logits)


def _choose(
    sums: NDArray[np.float64], squares: NDArray[np.float64], chosen: NDArray[np.int64], length: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # the logit of the rank, and the sum of the returns, that the best in sample has out of sample
    rows = np.arange(len(chosen))
    inside = np.zeros((len(chosen), len(sums)))
    inside[rows[:, np.newaxis], chosen] = 1.0
    outside = 1.0 - inside
    steps = length * len(sums) // 2
    best = np.argmax(_ratios(inside @ sums, inside @ squares, steps), axis=1)
    ratios = _ratios(outside @ sums, outside @ squares, steps)
    own = ratios[rows, best][:, np.newaxis]
    # a tie is half above and half below
    rank = (ratios < own).sum(axis=1) + 0.5 * ((ratios == own).sum(axis=1) + 1)
    share = rank / (sums.shape[1] + 1)
    return np.log(share / (1.0 - share)), (outside @ sums)[rows, best]


def _ratios(sums: NDArray[np.float64], squares: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    mean = sums / steps
    variance = np.maximum(squares / steps - mean * mean, 0.0)
    return np.asarray(np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 1e-18))
