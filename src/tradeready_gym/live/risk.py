"""What a paper account may do: limits that are checked before an order, and the loss at which everything is sold."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from tradeready_gym.errors import ConfigurationError


@dataclass(frozen=True)
class RiskLimits:
    """Limits of one paper account. An order that is exactly at a limit is taken; a loss that is at its limit is one too many.

    Args:
        max_position_size_pct: what a buy may make of a symbol's position, in per cent of equity; resting buys count.
        max_order_size_pct: the most that one buy may cost, in per cent of equity. A sale only lowers a risk.
        daily_loss_limit_pct: the kill switch: a loss of so much of the equity at the day's beginning (UTC) sells everything,
            and no order is taken until the account is reset.
        orders_per_minute: orders that are taken in one minute of the venue's clock.
        max_open_orders: orders that may rest.
        min_order_value: the least value of an order, in the quote currency.

    Raises:
        ConfigurationError: a limit is outside its domain.
    """

    max_position_size_pct: float = 25.0
    max_order_size_pct: float = 50.0
    daily_loss_limit_pct: float = 20.0
    orders_per_minute: int = 100
    max_open_orders: int = 50
    min_order_value: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_position_size_pct", "max_order_size_pct", "daily_loss_limit_pct"):
            value = getattr(self, name)
            if not 0.0 < value <= 100.0:
                raise ConfigurationError(f"{name} must be in (0, 100]; got {value!r}")
        for name in ("orders_per_minute", "max_open_orders"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigurationError(f"{name} must be at least 1; got {value!r}")
        if not (math.isfinite(self.min_order_value) and self.min_order_value >= 0.0):
            raise ConfigurationError(f"min_order_value must be finite and at least 0; got {self.min_order_value!r}")

    def to_plain(self) -> dict[str, Any]:
        """The limits by name, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """The limits of these names; names that are no limit are left out."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})


@dataclass(frozen=True)
class Exposure:
    """An account as the limits see it, at the moment of an order. Values are in the quote currency.

    `position` is what is held of the order's symbol and what its resting buys would add; `accepted` counts the orders of this
    minute.
    """

    equity: float
    position: float
    resting: int
    accepted: int
    killed: bool


def refusal(limits: RiskLimits, exposure: Exposure, *, value: float, buys: bool, rests: bool) -> str | None:
    """Why an order worth `value` is refused; None if it is not. The first limit that it breaks gives the reason."""
    if exposure.killed:
        return "daily_loss_limit"
    if exposure.accepted >= limits.orders_per_minute:
        return "rate_limit_exceeded"
    if value < limits.min_order_value:
        return "order_too_small"
    if buys and value > _share(exposure.equity, limits.max_order_size_pct):
        return "order_too_large"
    if buys and exposure.position + value > _share(exposure.equity, limits.max_position_size_pct):
        return "position_limit_exceeded"
    if rests and exposure.resting >= limits.max_open_orders:
        return "max_open_orders_exceeded"
    return None


def _share(equity: float, percent: float) -> float:
    # a value that is a limit but for its last binary digit is at the limit
    return equity * percent / 100.0 * (1.0 + 1e-12)
