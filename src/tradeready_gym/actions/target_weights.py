"""`Box(-1, 1, (N,))`: the share of the equity that each symbol should have, below 0 for a short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.portfolio import Rebalancing, rebalance, weights_in_words
from tradeready_gym.kernel import kernel


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    gross = 0.0
    for j in range(symbols):
        gross += min(abs(float(action[j])), 1.0)
    scale = 1.0 / gross if gross > 1.0 else 1.0
    threshold = float(parameters[0]) * account.equity
    count = 0
    for j in range(symbols):
        weight = min(max(float(action[j]), -1.0), 1.0) * scale
        count = rebalance(orders, count, j, account.equity * weight, positions[j], float(candles[j].close), threshold)
    return count


@dataclass(frozen=True)
class TargetWeights(Rebalancing):
    """Weights clipped to [-1, 1] and divided by the sum of their sizes if that exceeds 1; the rest is cash.

    Differences up to `threshold` x equity wait. A negative weight is a short, which a margin account holds. A spot account
    cannot: there a negative weight means 0 (it sells what is held), though it still counts in the sum.
    """

    kernel = staticmethod(_act)

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (symbols,), np.float32)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        return weights_in_words(np.clip(action, -1.0, 1.0), symbols)
