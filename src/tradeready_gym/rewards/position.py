"""Paid for the position that was held, whatever it cost to get there."""

from dataclasses import dataclass
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme
from tradeready_gym.rewards.ratio import bounded


@kernel
def _pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # before fees, the sum over symbols of quantity x price change is what realised and unrealised profit gained
    gained = account.realized_pnl + account.unrealized_pnl - memory[0]
    memory[0] = account.realized_pnl + account.unrealized_pnl
    if previous_equity <= 0.0:
        return 0.0
    return bounded(gained / previous_equity)


@dataclass(frozen=True)
class PositionBasedReward(RewardScheme):
    """Position x price change: the share of the equity in each symbol times the relative change of its price, summed.

    What was traded within the step counts from, or up to, its fill price. Fees are not deducted (add a `TurnoverPenalty`),
    and being flat pays 0.
    """

    kernel = staticmethod(_pay)

    @property
    def memory_size(self) -> int:
        return 1
