"""Paid for several things at once: a weighted sum of Sortino, profit, activity and drawdown."""

import math
from dataclasses import dataclass
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_number, require_window
from tradeready_gym.rewards.ratio import SUMS, bounded_return, ratio_change


@kernel
def _pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    window = int(parameters[4])
    bonus = parameters[5]
    sortino = ratio_change(bounded_return(previous_equity, equity), memory[2:], window, True)
    starting_balance = parameters[6] if parameters[6] > 0.0 else account.starting_balance
    profit = (equity - previous_equity) / starting_balance
    if account.trades > memory[1]:
        memory[0] = 0.0
        memory[1] = account.trades
        activity = bonus
    else:
        memory[0] += 1.0
        activity = -bonus * min(memory[0] / window, 1.0)
    fall = (account.peak_equity - equity) / account.peak_equity
    paid = parameters[0] * sortino + parameters[1] * profit
    return float(paid + parameters[2] * activity - parameters[3] * fall)


@dataclass(frozen=True, kw_only=True)
class CompositeReward(RewardScheme):
    """A weighted sum of

    * the change of the rolling Sortino ratio over `sortino_window` steps,
    * `(equity - previous) / starting_balance` (that of the account by default),
    * activity: `+activity_bonus` on a step with a fill, else `-activity_bonus x min(idle steps / sortino_window, 1)`,
    * minus `(peak - equity) / peak`.

    Raises:
        ConfigurationError: the weights do not sum to 1 (within 1e-6), or a number is outside its domain.
    """

    sortino_weight: float = 0.4
    pnl_weight: float = 0.3
    activity_weight: float = 0.2
    drawdown_weight: float = 0.1
    sortino_window: int = 50
    activity_bonus: float = 1.0
    starting_balance: float | None = None
    kernel = staticmethod(_pay)

    def __post_init__(self) -> None:
        names = ("sortino_weight", "pnl_weight", "activity_weight", "drawdown_weight")
        weights = [getattr(self, name) for name in names]
        for name, weight in zip(names, weights, strict=True):
            require_number(name, weight)
        if abs(math.fsum(weights) - 1.0) > 1e-6:
            raise ConfigurationError(
                f"the four weights must sum to 1; got {weights!r}, which sum to {math.fsum(weights)!r}"
            )
        require_window(self.sortino_window)
        require_number("activity_bonus", self.activity_bonus, 0.0)
        if self.starting_balance is not None:
            require_number("starting_balance", self.starting_balance, 1e-9)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (
            self.sortino_weight,
            self.pnl_weight,
            self.activity_weight,
            self.drawdown_weight,
            float(self.sortino_window),
            self.activity_bonus,
            self.starting_balance or 0.0,
        )

    @property
    def memory_size(self) -> int:
        return 2 + SUMS + self.sortino_window
