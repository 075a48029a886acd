"""Paid in money, or in its logarithm."""

import math
from dataclasses import dataclass
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme


@kernel
def _pnl(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return equity - previous_equity


@kernel
def _log_return(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # ruin ends the episode before equity can be 0; a price that rounds to nothing must still not pay infinity
    if equity <= 0.0 or previous_equity <= 0.0:
        return 0.0
    return math.log(equity / previous_equity)


@dataclass(frozen=True)
class PnLReward(RewardScheme):
    """`equity - previous equity`, in the quote currency."""

    kernel = staticmethod(_pnl)


@dataclass(frozen=True)
class LogReturnReward(RewardScheme):
    """`ln(equity / previous equity)`: sums to the log return of the episode."""

    kernel = staticmethod(_log_return)
