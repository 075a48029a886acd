"""Paid in return on the starting balance, fined for being below the peak."""

from dataclasses import dataclass
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_number


@kernel
def _pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # the account's peak already includes `equity`
    fall = (account.peak_equity - equity) / account.peak_equity
    return (equity - previous_equity) / account.starting_balance - parameters[0] * fall


@dataclass(frozen=True)
class DrawdownPenaltyReward(RewardScheme):
    """`(equity - previous) / starting_balance - penalty_coeff x (peak - equity) / peak`: one unit for both terms."""

    penalty_coeff: float = 1.0
    kernel = staticmethod(_pay)

    def __post_init__(self) -> None:
        require_number("penalty_coeff", self.penalty_coeff, 0.0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.penalty_coeff,)
