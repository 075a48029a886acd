"""`Discrete(3)`: hold, buy a share of the equity, sell everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import (
    SPENDABLE,
    ActionScheme,
    Mask,
    market_order,
    percent,
    require_one_symbol,
    require_share,
)
from tradeready_gym.kernel import kernel


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    if action[0] == 1.0:
        return market_order(orders, 0, 0, 1, account.equity * parameters[0] / candles[0].close, 0)
    if action[0] == 2.0 and positions[0].quantity > 0.0:
        return market_order(orders, 0, 0, -1, 0.0, 1)
    return 0


@dataclass(frozen=True)
class HoldBuySell(ActionScheme):
    """0 does nothing; 1 buys `equity x position_size / close`; 2 sells the whole position."""

    position_size: float = 0.1
    kernel = staticmethod(_act)
    rests = False

    def __post_init__(self) -> None:
        require_share("position_size", self.position_size)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.position_size,)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(3)

    def check(self, symbols: int) -> None:
        require_one_symbol(self, symbols)

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        hold = np.ones(len(cash), np.bool_)
        return np.stack([hold, cash > SPENDABLE * equity, quantities[:, 0] > 0.0], axis=1)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        return ("hold", f"market buy for {percent(self.position_size)} of the equity", "sell the whole position")[
            int(action)
        ]
