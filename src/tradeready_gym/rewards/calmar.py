"""Paid in return per drawdown."""

from dataclasses import dataclass
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_window
from tradeready_gym.rewards.ratio import bounded, clipped_ratio, simple_return


@kernel
def _deepest_fall(ring: Any, first: int, count: int, size: int) -> float:
    peak = 0.0
    worst = 0.0
    at = first
    for _ in range(count):
        value = ring[at]
        peak = max(peak, value)
        if peak > 0.0:
            worst = max(worst, (peak - value) / peak)
        at = at + 1 if at + 1 < size else 0
    return worst


@kernel
def _pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # memory: [equities in the ring, place of the newest, last ratio, the ring of window + 1 equities ...]
    size = int(parameters[0]) + 1
    count = int(memory[0])
    place = int(memory[1])
    if count == 0:
        memory[3] = previous_equity
        count = 1
    place = place + 1 if place + 1 < size else 0
    memory[3 + place] = equity
    count = min(count + 1, size)
    memory[0] = float(count)
    memory[1] = float(place)
    first = 0
    if count == size:
        first = place + 1 if place + 1 < size else 0
    ratio = 0.0
    if count > 2:
        fall = _deepest_fall(memory[3:], first, count, size)
        ratio = clipped_ratio(bounded(simple_return(memory[3 + first], equity)), fall)
    paid = ratio - memory[2]
    memory[2] = ratio
    return float(paid)


@dataclass(frozen=True)
class CalmarReward(RewardScheme):
    """The change of the rolling Calmar ratio: return over the last `window` steps / deepest drawdown within them.

    Not annualised, clipped to +-10, 0 until there are two returns; a drawdown below 1e-9 counts as 1e-9. Costs `window`
    steps of arithmetic per step.

    T. W. Young, Calmar ratio: a smoother tool, Futures 20, 1991.
    """

    window: int = 50
    kernel = staticmethod(_pay)

    def __post_init__(self) -> None:
        require_window(self.window)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.window),)

    @property
    def memory_size(self) -> int:
        return 4 + self.window
