"""`Box(-1, 1, (2,))`: a direction and a share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, percent, require_one_symbol
from tradeready_gym.actions.resting import MARKET, buy_for, require_rate, sell_share
from tradeready_gym.kernel import kernel

_THIRD = 1.0 / 3.0


@kernel
def _side_of(value: float) -> int:
    if value > _THIRD:
        return 1
    return -1 if value < -_THIRD else 0


@kernel
def _share_of(value: float) -> float:
    return (min(max(value, -1.0), 1.0) + 1.0) / 2.0


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    side = _side_of(float(action[0]))
    share = _share_of(float(action[1]))
    held = float(positions[0].quantity)
    if side > 0:
        money = share * float(account.cash)
        return buy_for(orders, 0, 0, MARKET, money, 0.0, float(candles[0].close) * (1.0 + float(parameters[0])))
    if side < 0 and held > 0.0 and share > 0.0:
        return sell_share(orders, 0, 0, MARKET, share, held, 0.0)
    return 0


@dataclass(frozen=True)
class ParametricAction(ActionScheme):
    """(direction, amount): direction above 1/3 buys, below -1/3 sells, else holds; share = (amount + 1) / 2.

    Market orders: a buy spends its share of the cash, fee included at the close, a sell sells its share of the holding. One
    symmetric box, so that PPO, A2C, SAC and TD3 of Stable-Baselines3 take it as it is (they know no Tuple or Dict of actions).
    """

    fee_rate: float = 0.001
    kernel = staticmethod(_act)
    rests = False

    def __post_init__(self) -> None:
        require_rate("fee_rate", self.fee_rate)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.fee_rate,)

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (2,), np.float32)

    def check(self, symbols: int) -> None:
        require_one_symbol(self, symbols)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        direction, amount = np.asarray(action, np.float64).reshape(-1).tolist()
        side, share = _side_of(direction), _share_of(amount)
        if side == 0 or share == 0.0:
            return "hold"
        return (
            f"market buy with {percent(share)} of the cash"
            if side > 0
            else f"market sell of {percent(share)} of the holding"
        )
