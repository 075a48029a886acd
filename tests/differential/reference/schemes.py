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
    fee_rate: Decimal
    dust: Decimal


@dataclass(frozen=True)
class Wish:
    """An order of a scheme: `whole` sells everything, and first cancels the resting sells of the symbol."""

    symbol: int
    side: str
    quantity: Decimal
    whole: bool = False


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
        if abs(number) < exact(self.dead_zone):
            return []
        quantity = now.equity * abs(number) * exact(self.position_size) / now.closes[0]
        return [Wish(0, "buy" if number > 0 else "sell", quantity)]


@dataclass(frozen=True)
class Portfolio:
    """Target weights; what misses to a sum of 1 is cash, a larger sum is scaled down."""

    threshold: float = 0.01

    def wishes(self, action: Sequence[float], now: Situation) -> list[Wish]:
        weights = [min(max(exact(float(weight)), ZERO), ONE) for weight in action]
        total = sum(weights, ZERO)
        if total > 1:
            weights = [weight / total for weight in weights]
        wishes = []
        for symbol, weight in enumerate(weights):
            missing = now.equity * weight - now.positions[symbol] * now.closes[symbol]
            if abs(missing) <= exact(self.threshold) * now.equity:
                continue
            if weight == 0:
                wishes.append(Wish(symbol, "sell", now.positions[symbol], whole=True))
            else:
                side = "buy" if missing > 0 else "sell"
                wishes.append(Wish(symbol, side, abs(missing) / now.closes[symbol]))
        return sells_first(wishes)


@dataclass(frozen=True)
class TargetPositions:
    """The action chooses a target share of equity; the difference is traded, a buy with its fee inside [A6]."""

    targets: tuple[float, ...] = (0.0, 1.0)

    def wishes(self, action: int, now: Situation) -> list[Wish]:
        target = exact(self.targets[action])
        missing = now.equity * target - now.positions[0] * now.closes[0]
        if abs(missing) < now.dust:
            return []
        if target == 0:
            return [Wish(0, "sell", now.positions[0], whole=True)]
        if missing < 0:
            return [Wish(0, "sell", -missing / now.closes[0])]
        return [Wish(0, "buy", missing / (now.closes[0] * (1 + now.fee_rate)))]


def sells_first(wishes: list[Wish]) -> list[Wish]:
    """Sells before buys, then symbol order (section 2)."""
    return sorted(wishes, key=lambda wish: (wish.side != "sell", wish.symbol))
