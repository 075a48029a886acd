"""`Discrete(n)`: the share of the equity to hold, chosen from a list."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import SPENDABLE, ActionScheme, Mask, percent, require_one_symbol, require_share
from tradeready_gym.actions.portfolio import rebalance
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    target = account.equity * parameters[1 + int(action[0])]
    return rebalance(orders, 0, 0, target, positions[0], float(candles[0].close), parameters[0] * account.equity)


@dataclass(frozen=True)
class TargetPosition(ActionScheme):
    """Action i moves the position to `positions[i]` of the equity; differences up to `threshold` x equity wait.

    A spot account holds shares from 0 (flat) to 1 (everything); a margin account also below 0 (short) and above 1 (borrowed),
    up to its leverage.
    """

    positions: tuple[float, ...] = (0.0, 1.0)
    threshold: float = 0.01
    kernel = staticmethod(_act)
    rests = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", tuple(float(p) for p in self.positions))
        if len(self.positions) < 2 or not all(math.isfinite(p) for p in self.positions):
            raise ConfigurationError(
                f"positions must be at least two finite shares of the equity; got {self.positions!r}"
            )
        require_share("threshold", self.threshold)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.threshold, *self.positions)

    @property
    def position_range(self) -> tuple[float, float]:
        return min(self.positions), max(self.positions)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(len(self.positions))

    def check(self, symbols: int) -> None:
        require_one_symbol(self, symbols)

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        low, high = self.position_range
        if low < 0.0 or high > 1.0:
            return np.ones((len(cash), len(self.positions)), np.bool_)
        held = quantities[:, 0] > 0.0
        can_buy = cash > SPENDABLE * equity
        # flat is where a flat account is: it can always be asked for, and everything else needs cash or a position
        return np.stack([np.full(len(cash), True) if p == 0.0 else (held | can_buy) for p in self.positions], axis=1)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        return f"hold {percent(self.positions[int(action)])} of the equity"
