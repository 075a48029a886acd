"""The action schemes: what an agent's number wants to trade (section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from reference.inputs import ONE, ZERO, exact


@dataclass(frozen=True)
class Situation:
    """The account at the decision, valued at the last visible close."""

    equity: Decimal
    closes: list[Decimal]
    positions: list[Decimal]


@dataclass(frozen=True)
class Wish:
    """An order of a scheme: `whole` sells everything, and first cancels the resting sells of the symbol.

    On a spot account no sell exceeds the holding; on a margin account those that are `of_holding`.
    """

    symbol: int
    side: str
    quantity: Decimal
    whole: bool = False
    of_holding: bool = False


@dataclass(frozen=True)
class HoldBuySell:
    """0 nothing; 1 buy `E * position_size / P`; 2 sell the whole position, if there is one."""

    position_size: float = 0.1

    def wishes(self, action: int, now: Situation) -> list[Wish]:
        if action == 1:
            return [Wish(0, "buy", now.equity * exact(self.position_size) / now.closes[0])]
        if action == 2 and now.positions[0] > 0:
            return [Wish(0, "sell", now.positions[0], whole=True)]
        return []


@dataclass(frozen=True)
class Continuous:
    """A number in [-1, 1]; below 0.05 nothing; a sell is cut to the holding."""

    position_size: float = 0.1
    dead_zone: float = 0.05

    def wishes(self, action: float, now: Situation) -> list[Wish]:
        number = min(max(exact(float(action)), -ONE), ONE)
        if abs(number) < exact(self.dead_zone) or (number < 0 and now.positions[0] <= 0):
            return []
        quantity = now.equity * abs(number) * exact(self.position_size) / now.closes[0]
        return [Wish(0, "buy" if number > 0 else "sell", quantity, of_holding=number < 0)]


@dataclass(frozen=True)
class Portfolio:
    """Target weights; what misses to a sum of 1 is cash, a larger sum is scaled down."""

    threshold: float = 0.01

    def wishes(self, action: Sequence[float], now: Situation) -> list[Wish]:
        weights = [min(max(exact(float(weight)), ZERO), ONE) for weight in action]
        total = sum(weights, ZERO)
        if total > 1:
            weights = [weight / total for weight in weights]
        parts = (_towards(j, weight, exact(self.threshold), now) for j, weight in enumerate(weights))
        return [wish for part in parts for wish in part]


@dataclass(frozen=True)
class TargetPositions:
    """The action chooses a target share of equity; the difference is traded like one of a portfolio [A6]."""

    targets: tuple[float, ...] = (0.0, 1.0)
    threshold: float = 0.01

    def wishes(self, action: int, now: Situation) -> list[Wish]:
        return _towards(0, exact(self.targets[action]), exact(self.threshold), now)


def _towards(symbol: int, weight: Decimal, threshold: Decimal, now: Situation) -> list[Wish]:
    missing = now.equity * weight - now.positions[symbol] * now.closes[symbol]
    if abs(missing) <= threshold * now.equity:
        return []
    if weight == 0 and now.positions[symbol] >= 0:
        return [Wish(symbol, "sell", now.positions[symbol], whole=True)]
    return [Wish(symbol, "buy" if missing > 0 else "sell", abs(missing) / now.closes[symbol])]
