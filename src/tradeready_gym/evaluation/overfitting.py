"""The probability that the best of several strategies in sample is below the middle out of sample.

Combinatorially symmetric cross-validation: D. H. Bailey, J. M. Borwein, M. Lopez de Prado, Q. J. Zhu, The probability of
backtest overfitting, Journal of Computational Finance 20 (4), 2017.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError


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
    chosen = list(combinations(range(parts), parts // 2))
    inside = np.zeros((len(chosen), parts))
    inside[np.arange(len(chosen))[:, np.newaxis], np.array(chosen)] = 1.0
    steps = length * parts // 2
    best = np.argmax(_ratios(inside @ sums, inside @ squares, steps), axis=1)
    outside = 1.0 - inside
    ratios = _ratios(outside @ sums, outside @ squares, steps)
    rows = np.arange(len(chosen))
    own = ratios[rows, best][:, np.newaxis]
    # a tie is half above and half below
    rank = (ratios < own).sum(axis=1) + 0.5 * ((ratios == own).sum(axis=1) + 1)
    share = rank / (table.shape[1] + 1)
    logits = np.log(share / (1.0 - share))
    losses = (outside @ sums)[rows, best] < 0.0
    return Overfitting(float(np.mean(logits <= 0.0)), float(np.mean(losses)), logits)


def _ratios(sums: NDArray[np.float64], squares: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    mean = sums / steps
    variance = np.maximum(squares / steps - mean * mean, 0.0)
    return np.asarray(np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 1e-18))
