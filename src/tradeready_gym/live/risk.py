"""What a paper account or an agent may do: limits that are checked before an order, and the loss at which everything is sold."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market.replayer import DAY_MICROSECONDS


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
class AgentLimits:
    """Limits of a deployed agent; None is none, so that without any it trades as in its backtest.

    An order of its scheme that would break one is refused, not cut; what lowers a position never is. Sales of the kill switch and
    of `flatten` are not the agent's.

    Args:
        max_position_size_pct: what an order may make of a symbol's position, long or short, in per cent of equity; resting orders
            of its side count.
        max_order_size_pct: the most that an order may be worth, in per cent of equity.
        orders_per_minute: orders that are taken in one minute of the venue's clock.
        stale_after_seconds: nothing is decided by what was seen so long ago, by the feed's clock; one candle by default.
        max_missed_candles: an agent before whose decisions so many candles have closed, one decision after the other, is too slow
            for its timeframe: everything is sold, and it ends.

    Raises:
        ConfigurationError: a limit is not positive.
    """

    max_position_size_pct: float | None = None
    max_order_size_pct: float | None = None
    orders_per_minute: int | None = None
    stale_after_seconds: float | None = None
    max_missed_candles: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise ConfigurationError(f"{name} must be positive, or None for no limit; got {value!r}")
        for name in ("orders_per_minute", "max_missed_candles"):
            value = getattr(self, name)
            if value is not None and value != int(value):
                raise ConfigurationError(f"{name} must be a whole number; got {value!r}")

    @property
    def of_orders(self) -> "OrderLimits | None":
        """Those that orders are held to; None if there are none."""
        given = (self.max_position_size_pct, self.max_order_size_pct, self.orders_per_minute)
        return None if given == (None, None, None) else OrderLimits(*given)

    def to_plain(self) -> dict[str, Any]:
        """The limits that there are, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """The limits of these names.

        Raises:
            ConfigurationError: a name is no limit.
        """
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            raise ConfigurationError(f"limits are {', '.join(cls.__dataclass_fields__)}; got {', '.join(unknown)}")
        return cls(**values)


class DailyLoss:
    """The kill switch of an agent: whether a day (UTC) has lost `percent` of the equity with which it began.

    A candle belongs to the day in which it opened, so the one that ends at midnight is judged by the day that ends with it.

    Args:
        percent: the loss at which it is too much, in per cent.
        day: days since 1970 of the day that is judged; None before the first moment.
        equity: with which that day began.
    """

    def __init__(self, percent: float, day: int | None = None, equity: float = 0.0) -> None:
        self._left = 1.0 - percent / 100.0
        self.day, self.equity = day, equity

    def see(self, clock: int, equity: float) -> bool:
        """Take the equity at a candle's end, microseconds since 1970; whether the day of that candle has lost too much."""
        lost = self.day is not None and equity <= self.equity * self._left
        if clock // DAY_MICROSECONDS != self.day:
            self.day, self.equity = clock // DAY_MICROSECONDS, equity
        return lost


@dataclass(frozen=True)
class OrderLimits:
    """What `refusal` holds an agent's order to."""

    position: float | None
    order: float | None
    rate: int | None

    max_open_orders = 1 << 62
    min_order_value = 0.0

    @property
    def max_position_size_pct(self) -> float:
        return math.inf if self.position is None else self.position

    @property
    def max_order_size_pct(self) -> float:
        return math.inf if self.order is None else self.order

    @property
    def orders_per_minute(self) -> int:
        return 1 << 62 if self.rate is None else self.rate


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


def refusal(
    limits: RiskLimits | OrderLimits, exposure: Exposure, *, value: float, buys: bool, rests: bool
) -> str | None:
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
