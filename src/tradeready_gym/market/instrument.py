"""What an exchange demands of orders in one symbol."""

import math
from dataclasses import dataclass

from tradeready_gym.errors import ConfigurationError


@dataclass(frozen=True)
class Instrument:
    """An exchange's filters for one symbol; 0 means that there is none.

    `lot_size` is the step of quantities and `max_quantity` the most of one order, both in base units, `tick_size` the step
    of prices and `min_notional` the least value of an order, both in the quote currency. Raises `ConfigurationError` for a negative or infinite filter.
    """

    symbol: str
    lot_size: float = 0.0
    tick_size: float = 0.0
    min_notional: float = 0.0
    max_quantity: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lot_size", "tick_size", "min_notional", "max_quantity"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(
                    f"{name} of {self.symbol} must be finite and at least 0 (0: no filter); found {value!r}"
                )
