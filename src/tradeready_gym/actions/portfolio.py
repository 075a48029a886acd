"""`Box(0, 1, (N,))`: the share of the equity that each symbol should have; the rest is cash."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, market_order, name_of, percent, require_share
from tradeready_gym.kernel import kernel


@kernel
def rebalance(
    orders: Any, count: int, symbol: int, target: float, position: Any, close: float, threshold: float
) -> int:
    """Trade the difference between the target value and what is held, if it exceeds `threshold` (both in quote)."""
    difference = target - position.quantity * close
    if abs(difference) <= threshold:
        return count
    if difference > 0.0:
        return market_order(orders, count, symbol, 1, difference / close, 0)
    return market_order(orders, count, symbol, -1, -difference / close, 1 if target == 0.0 else 0)


def weights_in_words(weights: Any, symbols: Sequence[str]) -> str:
    """The weights after division by the sum of their sizes where that exceeds 1."""
    shares = np.asarray(weights, np.float64).reshape(-1)
    shares = shares / max(float(np.abs(shares).sum()), 1.0)
    return "hold " + ", ".join(f"{percent(share)} in {name_of(symbols, j)}" for j, share in enumerate(shares))


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    total = 0.0
    for j in range(symbols):
        total += min(max(float(action[j]), 0.0), 1.0)
    scale = 1.0 / total if total > 1.0 else 1.0
    count = 0
    for j in range(symbols):
        weight = min(max(float(action[j]), 0.0), 1.0) * scale
        count = rebalance(
            orders,
            count,
            j,
            account.equity * weight,
            positions[j],
            float(candles[j].close),
            parameters[0] * account.equity,
        )
    return count


@dataclass(frozen=True)
class Rebalancing(ActionScheme):
    """A scheme of market orders towards what should be held; differences up to `threshold` x equity wait."""

    threshold: float = 0.01
    rests = False

    def __post_init__(self) -> None:
        require_share("threshold", self.threshold)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.threshold,)


@dataclass(frozen=True)
class PortfolioWeights(Rebalancing):
    """Weights clipped to [0, 1] and divided by their sum if that exceeds 1; differences up to `threshold` x equity wait."""

    kernel = staticmethod(_act)

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (symbols,), np.float32)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        return weights_in_words(np.clip(action, 0.0, 1.0), symbols)
