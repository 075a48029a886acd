"""`Box(-1, 1, (1,))`: how much to buy or to sell, as a share of the largest order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, market_order, percent, require_one_symbol, require_share
from tradeready_gym.kernel import kernel


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    a = min(max(float(action[0]), -1.0), 1.0)
    if abs(a) < parameters[1]:
        return 0
    quantity = account.equity * abs(a) * parameters[0] / candles[0].close
    if a > 0.0:
        return market_order(orders, 0, 0, 1, quantity, 0)
    if positions[0].quantity > 0.0:
        return market_order(orders, 0, 0, -1, min(quantity, positions[0].quantity), 0)
    return 0


@dataclass(frozen=True)
class ContinuousOrder(ActionScheme):
    """Nothing if `abs(a) < dead_zone`; else `equity x abs(a) x position_size / close`, bought if a > 0, sold if a < 0."""

    position_size: float = 0.1
    dead_zone: float = 0.05
    kernel = staticmethod(_act)
    rests = False

    def __post_init__(self) -> None:
        require_share("position_size", self.position_size)
        require_share("dead_zone", self.dead_zone)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.position_size, self.dead_zone)

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def check(self, symbols: int) -> None:
        require_one_symbol(self, symbols)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        a = float(np.clip(np.asarray(action, np.float64).reshape(-1)[0], -1.0, 1.0))
        if abs(a) < self.dead_zone:
            return "hold"
        return f"market {'buy' if a > 0.0 else 'sell'} for {percent(abs(a) * self.position_size)} of the equity"
