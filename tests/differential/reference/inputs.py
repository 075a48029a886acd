"""What an episode is made of: candles as plain lists, instruments and parameters, and how numbers become exact."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from reference.margin_terms import MarginTerms
from reference.slippage import SlippageModel, VolumeShareSlippage

PRECISION = 120
ZERO = Decimal(0)
ONE = Decimal(1)
DUST_SHARE = Decimal(10) ** -9  # section 3: an order below this share of the starting balance is dust
ROUNDING_SHARE = (
    Decimal(10) ** -12
)  # of the starting balance: what binary rounding may leave of a value that is meant to be 0
GRID_TOLERANCE = Decimal(10) ** -6  # 0.3 must count as three lots of 0.1 although neither is a binary fraction

Draw = Callable[[int, int], float]
"""(step, order number) -> u in [0, 1); a negative number is that of `liquidation_draw`."""


def liquidation_draw(symbol: int) -> int:
    """What stands for an order number in the draw of a symbol's liquidation, which is quoted before there is an order."""
    return -1 - symbol


def exact_context() -> Context:
    """A fresh decimal context of 120 digits (sums of floats stay exact): every public method of the reference computes inside one."""
    return Context(prec=PRECISION)


def exact(value: float | Decimal) -> Decimal:
    """The number itself: every binary digit of the float, nothing rounded."""
    return value if isinstance(value, Decimal) else Decimal(value)


@dataclass(frozen=True)
class Series:
    """The candles of one symbol on a complete grid. A gap row repeats the previous close and has volume 0."""

    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    gap: list[bool]

    def __len__(self) -> int:
        return len(self.close)

    def closed(self, row: int) -> bool:
        """Nothing trades in a gap, nor in a candle of volume 0 (section 1)."""
        return self.gap[row] or self.volume[row] == 0


@dataclass(frozen=True)
class Instrument:
    """An exchange's filters for one symbol; None means that there is no such filter."""

    lot_size: float | None = None
    tick_size: float | None = None
    min_notional: float | None = None
    max_quantity: float | None = None
    min_quantity: float | None = None
    max_notional: float | None = None

    def floor_quantity(self, quantity: Decimal) -> Decimal:
        """The quantity in whole lots; one that is on the lots already is returned unchanged."""
        if self.lot_size is None:
            return quantity
        lots = quantity / exact(self.lot_size)
        if _on_grid(lots) and lots >= ONE / 2:
            return quantity
        return lots.to_integral_value(ROUND_FLOOR) * exact(self.lot_size)

    def largest(self, close: Decimal) -> Decimal | None:
        """The most that one order may have at this close."""
        named = [] if self.max_quantity is None else [exact(self.max_quantity)]
        named += [] if self.max_notional is None else [exact(self.max_notional) / close]
        return min(named, default=None)

    def too_large(self, quantity: Decimal, close: Decimal) -> bool:
        """Whether it is more than one order may have; what rounding adds is not."""
        largest = self.largest(close)
        return largest is not None and quantity > largest * (1 + ROUNDING_SHARE)

    def too_small(self, quantity: Decimal) -> bool:
        """Whether it is less than one order must have."""
        return quantity < exact(self.min_quantity or 0.0) * (1 - ROUNDING_SHARE)

    def whole_lots(self, quantity: Decimal) -> Decimal:
        """What is affordable, in whole lots and never more."""
        if self.lot_size is None:
            return quantity
        return (quantity / exact(self.lot_size)).to_integral_value(ROUND_FLOOR) * exact(self.lot_size)

    def price_is_on_tick(self, price: Decimal) -> bool:
        """Whether a limit or trigger may be named in an order."""
        return self.tick_size is None or _on_grid(price / exact(self.tick_size))

    def round_against_trader(self, price: Decimal, side: str) -> Decimal:
        """A slipped price on the ticks: up for a buyer, down for a seller."""
        if self.tick_size is None:
            return price
        ticks = price / exact(self.tick_size)
        if _on_grid(ticks):
            return price
        rounding = ROUND_CEILING if side == "buy" else ROUND_FLOOR
        return ticks.to_integral_value(rounding) * exact(self.tick_size)


def _on_grid(count: Decimal) -> bool:
    off = abs(count - count.to_integral_value(ROUND_HALF_EVEN))
    return off <= GRID_TOLERANCE


@dataclass(frozen=True)
class Parameters:
    """The account, its costs and the rules of an episode. Fractions are fractions: a fee of 0.1 % is 0.001.

    With `margin` it is a margin account, without a spot account.
    """

    starting_balance: float = 10_000.0
    fee_rate: float = 0.001
    maker_fee_rate: float | None = None
    fee_per_trade: float = 0.0
    fee_minimum: float = 0.0
    slippage: SlippageModel = field(default_factory=VolumeShareSlippage)
    fill_at: str = "next_open"
    max_volume_share: float | None = None
    instruments: tuple[Instrument, ...] = ()
    max_loss: float = 0.9
    episode_end: str = "documented"
    random_window: bool = False
    bars_per_day: int = 24
    scheme: Any = None
    draw: Draw | None = None
    margin: MarginTerms | None = None

    @property
    def taker(self) -> Decimal:
        """The fee rate of an order that takes liquidity."""
        return exact(self.fee_rate)

    @property
    def maker(self) -> Decimal:
        """The fee rate of an order that rested before the candle opened."""
        return self.taker if self.maker_fee_rate is None else exact(self.maker_fee_rate)

    def fee(self, rate: Decimal, value: Decimal) -> Decimal:
        """What a fill of this value costs at one of the two rates."""
        return max(exact(self.fee_minimum), exact(self.fee_per_trade) + rate * value)

    def value_paid(self, money: Decimal, rate: Decimal) -> Decimal:
        """The value of the largest fill that, with its fee, takes no more than this money; 0 if there is none."""
        by_rate = (money - exact(self.fee_per_trade)) / (1 + rate)
        return max(min(by_rate, money - exact(self.fee_minimum)), ZERO)

    @property
    def dust(self) -> Decimal:
        """The smallest value, in quote currency, of an order."""
        return DUST_SHARE * exact(self.starting_balance)

    @property
    def rounding(self) -> Decimal:
        """A value of at most this, in quote currency, is what rounding leaves of nothing."""
        return ROUNDING_SHARE * exact(self.starting_balance)

    def instrument(self, symbol: int) -> Instrument:
        """The filters of a symbol."""
        return self.instruments[symbol] if self.instruments else Instrument()


def is_positive(value: object) -> bool:
    """A finite number above zero."""
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
