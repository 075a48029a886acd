"""`Box(0, 1, (2,))`: the kind of trade and its share, as two numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, require_one_symbol
from tradeready_gym.actions.resting import require_rate
from tradeready_gym.actions.trade_table import (
    HOLD,
    KINDS,
    MARKET_SELL,
    require_slippage_percent,
    trade_in_words,
    trade_one,
)
from tradeready_gym.kernel import kernel


@kernel
def _trade_of(value: float) -> int:
    return min(int(min(max(value, 0.0), 1.0) * KINDS), MARKET_SELL)


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    share = min(max(float(action[1]), 0.0), 1.0)
    return trade_one(
        _trade_of(float(action[0])),
        share,
        0,
        account,
        positions,
        candles,
        orders,
        float(parameters[0]),
        float(parameters[1]),
        symbols,
    )


@dataclass(frozen=True)
class ContinuousActions(ActionScheme):
    """(kind, share): kind below 0.2 hold, 0.4 limit buy, 0.6 market buy, 0.8 limit sell, else market sell, 1.0 too.

    The share is taken as it is, from 0 (nothing) to 1; prices, sizes, resting orders and `fee_rate` as in `DiscreteActions`.
    """

    max_allowed_slippage_percent: float = 1.0
    fee_rate: float = 0.001
    kernel = staticmethod(_act)

    def __post_init__(self) -> None:
        require_slippage_percent(self.max_allowed_slippage_percent)
        require_rate("fee_rate", self.fee_rate)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.max_allowed_slippage_percent / 100.0, self.fee_rate)

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (2,), np.float32)

    def check(self, symbols: int) -> None:
        require_one_symbol(self, symbols)

    def orders_per_action(self, symbols: int) -> int:
        return 1

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        kind, share = np.clip(np.asarray(action, np.float64).reshape(-1), 0.0, 1.0).tolist()
        return trade_in_words(_trade_of(kind) if share > 0.0 else HOLD, share, self.max_allowed_slippage_percent)
