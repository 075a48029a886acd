"""Paid in risk-adjusted return: the change of a rolling Sharpe or Sortino ratio.

The ratio is `clip(mean / max(deviation, 1e-9), -10, 10)` of the last `window` returns, 0 until there are two. The rolling sums
are rebuilt from the window once per window, so that they do not drift.

Memory: [returns in the window, sum, sum of squares, last ratio, place of the next return, the window's returns ...].
"""

import math
from dataclasses import dataclass
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_window

SUMS = 5
_SMALLEST_DEVIATION = 1e-9
_LARGEST_RATIO = 10.0
_LARGEST_RETURN = 1e100


@kernel
def simple_return(previous_equity: float, equity: float) -> float:
    """`(equity - previous) / previous`, 0 if there was nothing to earn on; bounded so that its square is a number."""
    if previous_equity <= 0.0:
        return 0.0
    return min((equity - previous_equity) / previous_equity, _LARGEST_RETURN)


@kernel
def bounded(number: float) -> float:
    """`number` within +-1e100: no reward is infinite, whatever it is multiplied with."""
    return min(max(number, -_LARGEST_RETURN), _LARGEST_RETURN)


@kernel
def clipped_ratio(mean: float, deviation: float) -> float:
    """`mean / deviation`, bounded."""
    ratio = mean / max(deviation, _SMALLEST_DEVIATION)
    return min(max(ratio, -_LARGEST_RATIO), _LARGEST_RATIO)


@kernel
def _squared(change: float, downside: bool) -> float:
    return change * change if not downside or change < 0.0 else 0.0


@kernel
def ratio_change(change: float, memory: Any, window: int, downside: bool) -> float:
    """Take in one return; the change of the rolling Sharpe (or, with `downside`, Sortino) ratio."""
    count = memory[0]
    place = int(memory[4])
    old = memory[SUMS + place]
    memory[SUMS + place] = change
    if count < window:
        count += 1.0
        memory[0] = count
    last = place == window - 1
    memory[4] = 0.0 if last else place + 1.0
    leaving = _squared(old, downside)
    squares = memory[2] + (_squared(change, downside) - leaving)
    # what is left beside a return a thousand times larger is the rounding of its square
    if last or squares < 1e-3 * leaving:
        total = 0.0
        squares = 0.0
        for k in range(window):
            total += memory[SUMS + k]
            squares += _squared(memory[SUMS + k], downside)
    else:
        total = memory[1] + (change - old)
    memory[1] = total
    memory[2] = squares
    ratio = 0.0
    if count >= 2.0:
        mean = total / count
        spread = squares / count
        if not downside:
            spread -= mean * mean
        ratio = clipped_ratio(mean, math.sqrt(max(spread, 0.0)))
    paid = ratio - memory[3]
    memory[3] = ratio
    return paid


@kernel
def _sharpe(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return ratio_change(simple_return(previous_equity, equity), memory, int(parameters[0]), False)


@kernel
def _sortino(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return ratio_change(simple_return(previous_equity, equity), memory, int(parameters[0]), True)


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
