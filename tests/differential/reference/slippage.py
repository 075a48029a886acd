"""Slippage models: the fraction by which the price moves against an order (section 5)."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class Seen:
    """What a model may look at: the order's value, and the last 24 h that are visible at the decision."""

    order_value: Decimal
    quote_volume: Decimal
    volatility: Callable[[], Decimal]
    draw: Callable[[], float]


class SlippageModel(Protocol):
    """A model gives a fraction for an order and promises never to exceed `ceiling`."""

    @property
    def ceiling(self) -> Decimal: ...

    def fraction(self, seen: Seen) -> Decimal: ...


@dataclass(frozen=True)
class VolumeShareSlippage:
    """clip(factor * v / V, minimum, maximum); maximum if V = 0."""

    factor: float = 0.1
    minimum: float = 0.0001
    maximum: float = 0.10

    @property
    def ceiling(self) -> Decimal:
        return Decimal(self.maximum)

    def fraction(self, seen: Seen) -> Decimal:
        if seen.quote_volume == 0:
            return self.ceiling
        raw = Decimal(self.factor) * seen.order_value / seen.quote_volume
        return min(max(raw, Decimal(self.minimum)), self.ceiling)


@dataclass(frozen=True)
class NoSlippage:
    """0."""

    @property
    def ceiling(self) -> Decimal:
        return Decimal(0)

    def fraction(self, seen: Seen) -> Decimal:
        return Decimal(0)


@dataclass(frozen=True)
class FixedSlippage:
    """Always the same fraction."""

    amount: float = 0.0001

    @property
    def ceiling(self) -> Decimal:
        return Decimal(self.amount)

    def fraction(self, seen: Seen) -> Decimal:
        return self.ceiling


@dataclass(frozen=True)
class HalfSpreadSlippage:
    """spread / 2."""

    spread: float = 0.0002

    @property
    def ceiling(self) -> Decimal:
        return Decimal(self.spread) / 2

    def fraction(self, seen: Seen) -> Decimal:
        return self.ceiling


@dataclass(frozen=True)
class UniformSlippage:
    """u * maximum for a draw u in [0, 1), which is an input of the reference."""

    maximum: float = 0.001

    @property
    def ceiling(self) -> Decimal:
        return Decimal(self.maximum)

    def fraction(self, seen: Seen) -> Decimal:
        return Decimal(seen.draw()) * self.ceiling


@dataclass(frozen=True)
class SquareRootSlippage:
    """clip(coefficient * daily volatility * sqrt(v / V), minimum, maximum); maximum if V = 0."""

    coefficient: float = 1.0
    minimum: float = 0.0001
    maximum: float = 0.10

    @property
    def ceiling(self) -> Decimal:
        return Decimal(self.maximum)

    def fraction(self, seen: Seen) -> Decimal:
        if seen.quote_volume == 0:
            return self.ceiling
        raw = Decimal(self.coefficient) * seen.volatility() * (seen.order_value / seen.quote_volume).sqrt()
        return min(max(raw, Decimal(self.minimum)), self.ceiling)
