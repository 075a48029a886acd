"""What an exchange charges for a fill: a share of its value, an amount per fill, and a least amount."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel
from tradeready_gym.parameters import PlainArguments


@dataclass(frozen=True)
class FeeSchedule(PlainArguments):
    """The fee of a fill is `max(minimum, per_trade + rate x price x quantity)`.

    `rate` is a fraction (0.001 is 0.1 %); `maker_rate` takes its place for orders that rested before the candle opened, and
    is the same by default. `per_trade` and `minimum` are amounts in the quote currency. An order that is filled in parts
    pays for each of them. A sale on a spot account pays at most what it brings.

    Raises:
        ConfigurationError: a rate is not in [0, 1), or an amount is negative or not finite.
    """

    rate: float = 0.001
    maker_rate: float | None = None
    per_trade: float = 0.0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        _require_rate("fee_rate", self.rate)
        if self.maker_rate is not None:
            _require_rate("maker_fee_rate", self.maker_rate)
        for name in ("per_trade", "minimum"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0.0):
                raise ConfigurationError(f"{name} is an amount of money, finite and at least 0; got {value!r}")

    @property
    def maker(self) -> float:
        """The rate of orders that rested before the candle opened."""
        return float(self.rate if self.maker_rate is None else self.maker_rate)

    def fee(self, price: float, quantity: float, *, maker: bool = False) -> float:
        """The fee of a fill, in the quote currency."""
        return float(fee_of((self.maker if maker else self.rate) * price * quantity, self.per_trade, self.minimum))

    def scaled(self, times: float) -> "FeeSchedule":
        """`times` as expensive in every part.

        Raises:
            ConfigurationError: a rate would leave its domain.
        """
        amounts = {name: times * getattr(self, name) for name in ("rate", "per_trade", "minimum")}
        return FeeSchedule(**amounts, maker_rate=None if self.maker_rate is None else times * self.maker_rate)


def make_fees(fee_rate: Any, maker_fee_rate: float | None = None) -> FeeSchedule:
    """A schedule from itself, a mapping of its arguments, or the rates alone.

    Raises:
        ConfigurationError: a rate or an amount is outside its domain, or two makers' rates are given.
    """
    if isinstance(fee_rate, Mapping):
        known = [field.name for field in dataclasses.fields(FeeSchedule)]
        if strange := sorted(set(fee_rate) - set(known)):
            raise ConfigurationError(f"a fee schedule has {', '.join(known)}; got {', '.join(strange)}")
        fee_rate = FeeSchedule(**fee_rate)
    if not isinstance(fee_rate, FeeSchedule):
        return FeeSchedule(fee_rate, maker_fee_rate)
    if maker_fee_rate is not None:
        raise ConfigurationError(
            f"a fee schedule has its own maker_rate; got maker_fee_rate={maker_fee_rate!r} beside {fee_rate!r}. "
            "Leave maker_fee_rate out"
        )
    return fee_rate


@kernel
def fee_of(share: float, per_trade: float, minimum: float) -> float:
    """The fee of a fill whose rate alone would cost `share`; with amounts of 0 it is exactly that."""
    return max(share + per_trade, minimum)


@kernel
def cost_of(price: float, unit_cost: float, quantity: float, costs: Any) -> float:
    """What a buy takes out of cash, fee included; `unit_cost` is its price with the rate alone."""
    if costs.fee_per_trade == 0.0 and costs.fee_minimum == 0.0:
        return float(quantity * unit_cost)
    return float(max(quantity * unit_cost + costs.fee_per_trade, quantity * price + costs.fee_minimum))


@kernel
def paid_by(cash: float, price: float, unit_cost: float, costs: Any) -> float:
    """The quantity for which `cost_of` is exactly `cash`; negative where cash does not even pay the amounts."""
    if costs.fee_per_trade == 0.0 and costs.fee_minimum == 0.0:
        return float(cash / unit_cost)
    return float(min((cash - costs.fee_per_trade) / unit_cost, (cash - costs.fee_minimum) / price))


def _require_rate(name: str, value: Any) -> None:
    if not (isinstance(value, int | float) and math.isfinite(value) and 0.0 <= value < 1.0):
        raise ConfigurationError(f"{name} is a fraction in [0, 1): 0.001 is 0.1 %; got {value!r}")
