"""What an exchange demands of orders in one symbol."""

import math
from dataclasses import dataclass

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.parameters import PlainArguments


@dataclass(frozen=True)
class Instrument(PlainArguments):
    """An exchange's filters for one symbol; 0 means that there is none.

    `lot_size` is the step of quantities, `min_quantity` and `max_quantity` the least and the most of one order, all in base
    units; `tick_size` is the step of prices, `min_notional` and `max_notional` are the least and the largest value of an
    order, in the quote currency. Raises `ConfigurationError` for a negative or infinite filter, or a least above its most.
    """

    symbol: str
    lot_size: float = 0.0
    tick_size: float = 0.0
    min_notional: float = 0.0
    max_quantity: float = 0.0
    min_quantity: float = 0.0
    max_notional: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lot_size", "tick_size", "min_notional", "max_quantity", "min_quantity", "max_notional"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(
                    f"{name} of {self.symbol} must be finite and at least 0 (0: no filter); found {value!r}"
                )
        for kind in ("quantity", "notional"):
            least, most = getattr(self, f"min_{kind}"), getattr(self, f"max_{kind}")
            if 0 < most < least:
                raise ConfigurationError(
                    f"min_{kind} of {self.symbol} must not be above max_{kind}; found {least!r} and {most!r}"
                )
