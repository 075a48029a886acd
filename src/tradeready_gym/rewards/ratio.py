"""Paid in risk-adjusted return: the change of a rolling Sharpe or Sortino ratio.

The ratio is `clip(mean / max(deviation, 1e-9), -10, 10)` of the last `window` returns, 0 until there are two. A return counts
as a million (1e8 per cent) at most, and as minus a million at least.

The sums over the window take in what enters less what leaves, with no loop and no branch. So that they do not drift, each
is kept as an unevaluated pair of doubles, high and low word: T. J. Dekker, A floating-point technique for extending the
available precision, Numerische Mathematik 18, 1971; by the error-free sum of D. E. Knuth, The Art of Computer Programming,
volume 2, 4.2.2, theorem B, as in T. Ogita, S. M. Rump and S. Oishi, Accurate sum and dot product, SIAM Journal on Scientific
Computing 26, 2005. A step then errs by some 1e-32 of the largest sum in it.

Memory: [steps, less whole windows from the second on; last ratio; sum, its low word; sum of squares, its low word; the
window's returns ...].
"""

import math
from dataclasses import dataclass
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_window

SUMS = 6
_SMALLEST_DEVIATION = 1e-9
_LARGEST_RATIO = 10.0
_LARGEST_RETURN = 1e100
# what rounding leaves of its square, 1e12 x 1e-32, is less than the square of the smallest deviation
_LARGEST_ROLLED = 1e6
# a sum below it is the rounding of returns that are gone; beside the smallest deviation it is nothing either way
_SMALLEST_SUM = 1e-20


@kernel
def simple_return(previous_equity: float, equity: float) -> float:
    """`(equity - previous) / previous`, 0 if there was nothing to earn on; bounded so that its square is a number."""
    earned = (equity - previous_equity) / (previous_equity if previous_equity > 0.0 else 1.0)
    return min(earned, _LARGEST_RETURN) if previous_equity > 0.0 else 0.0


@kernel
def bounded(number: float) -> float:
    """`number` within +-1e100: no reward is infinite, whatever it is multiplied with."""
    return min(max(number, -_LARGEST_RETURN), _LARGEST_RETURN)


@kernel
def bounded_return(previous_equity: float, equity: float) -> float:
    """`simple_return` within +-1e6, as it enters means and deviations."""
    return min(max(simple_return(previous_equity, equity), -_LARGEST_ROLLED), _LARGEST_ROLLED)


@kernel
def clipped_ratio(mean: float, deviation: float) -> float:
    """`mean / deviation`, bounded."""
    ratio = mean / max(deviation, _SMALLEST_DEVIATION)
    return min(max(ratio, -_LARGEST_RATIO), _LARGEST_RATIO)


@kernel
def two_sum(a: float, b: float) -> tuple[float, float]:
    """`a + b` rounded, and what the rounding left out; together they are the sum exactly."""
    total = a + b
    taken = total - a
    return total, (a - (total - taken)) + (b - taken)


@kernel
def rolled(high: float, low: float, entering: float, leaving: float) -> tuple[float, float]:
    """`high + low + entering - leaving` as such a pair again; its high word is the sum rounded."""
    change, left = two_sum(entering, -leaving)
    total, rest = two_sum(high, change)
    below = low + (left + rest)
    # Dekker's shorter sum: `total` is the larger, or nothing was rounded and it is a whole number of last places of `below`
    high = total + below
    return high, below - (high - total)


@kernel
def _squared(change: float, downside: bool) -> float:
    counted = min(change, 0.0) if downside else change
    return counted * counted


@kernel
def roll(change: float, memory: Any, window: int, downside: bool) -> tuple[float, float, float]:
    """Take in one return, of 1e7 in size at most: how many of the last `window` there are, their sum, and as many times their
    population deviation (with `downside`, `sqrt(mean(min(r, 0)^2))`)."""
    size = float(window)
    steps = memory[0]
    place = SUMS + int(steps - size if steps >= size else steps)
    steps += 1.0
    memory[0] = size if steps >= 2.0 * size else steps
    count = min(steps, size)
    old = memory[place]
    memory[place] = change
    total, total_low = rolled(memory[2], memory[3], change, old)
    memory[2] = total
    memory[3] = total_low
    squares, squares_low = rolled(memory[4], memory[5], _squared(change, downside), _squared(old, downside))
    memory[4] = squares
    memory[5] = squares_low
    spread = count * squares - (0.0 if downside else total * total)
    return count, total if abs(total) > _SMALLEST_SUM else 0.0, math.sqrt(max(spread, 0.0))


@kernel
def ratio_of(count: float, total: float, deviations: float) -> float:
    """The clipped ratio of so many returns, from their sum and as many times their deviation; 0 until there are two."""
    ratio = clipped_ratio(total, max(deviations, _SMALLEST_DEVIATION * count))
    return ratio if count >= 2.0 else 0.0


@kernel
def ratio_change(change: float, memory: Any, window: int, downside: bool) -> float:
    """Take in one return; the change of the rolling Sharpe (or, with `downside`, Sortino) ratio."""
    count, total, deviations = roll(change, memory, window, downside)
    ratio = ratio_of(count, total, deviations)
    paid = ratio - memory[1]
    memory[1] = ratio
    return float(paid)


@kernel
def _sharpe(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return ratio_change(bounded_return(previous_equity, equity), memory, int(parameters[0]), False)


@kernel
def _sortino(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return ratio_change(bounded_return(previous_equity, equity), memory, int(parameters[0]), True)


@dataclass(frozen=True)
class SharpeReward(RewardScheme):
    """The change of the rolling Sharpe ratio (mean over population deviation; per step, not annualised)."""

    window: int = 50
    kernel = staticmethod(_sharpe)

    def __post_init__(self) -> None:
        require_window(self.window)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.window),)

    @property
    def memory_size(self) -> int:
        return SUMS + self.window


@dataclass(frozen=True)
class SortinoReward(RewardScheme):
    """The change of the rolling Sortino ratio (deviation: `sqrt(mean(min(r, 0)^2))` over the whole window)."""

    window: int = 50
    kernel = staticmethod(_sortino)

    def __post_init__(self) -> None:
        require_window(self.window)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.window),)

    @property
    def memory_size(self) -> int:
        return SUMS + self.window
