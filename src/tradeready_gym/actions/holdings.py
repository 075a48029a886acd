"""The share of the equity that each symbol should have, as it is: what rules say, whatever the agent beside them does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import name_of, percent
from tradeready_gym.actions.portfolio import Rebalancing, rebalance
from tradeready_gym.kernel import kernel

_MOST = 1_000.0  # an account's leverage is no higher


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    count = 0
    for j in range(symbols):
        target = account.equity * action[j]
        count = rebalance(
            orders, count, j, target, positions[j], float(candles[j].close), parameters[0] * account.equity
        )
    return count


@dataclass(frozen=True)
class Holdings(Rebalancing):
    """Each number is the share of the equity that a symbol should have: 0 is out of it, below 0 short, above 1 borrowed.

    Nothing is cut or divided by a sum; the account refuses what it cannot hold. Differences up to `threshold` x equity wait.
    """

    kernel = staticmethod(_act)

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(-_MOST, _MOST, (symbols,), np.float64)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        shares = np.asarray(action, np.float64).reshape(-1).tolist()
        return "hold " + ", ".join(f"{percent(share)} in {name_of(symbols, j)}" for j, share in enumerate(shares))
