"""Orders on their way: what was submitted, what rests in the book, what was filled and what was refused."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from reference.inputs import ZERO, Instrument, exact, is_positive

OPPOSITE = {"buy": "sell", "sell": "buy"}
TYPES = ("market", "limit", "stop_loss", "take_profit")


class OrderRequest(TypedDict, total=False):
    """An explicit order of a script. `price` is the limit or the trigger; a market order has none."""

    symbol: int
    side: str
    type: str
    quantity: float
    price: float | None
    stop_price: float | None
    take_price: float | None


@dataclass(frozen=True)
class Fill:
    """One execution; `slippage` is what the price moved against the trader, as a fraction, after ticks and limits.

    `model_slippage` is the fraction that the model returned (0 where the price does not slip).
    """

    row: int
    number: int
    order: int
    leg: str
    symbol: int
    side: str
    type: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    slippage: Decimal
    model_slippage: Decimal
    realized_pnl: Decimal


@dataclass(frozen=True)
class Rejection:
    """A refused order, and the one reason."""

    row: int
    number: int
    order: int
    symbol: int
    reason: str


@dataclass(eq=False)
class Order:
    """An accepted order; `quantity` is what is still to fill.

    `number` counts every order in the order in which it came to be, from 1: submissions, refused ones too, and legs. `order`
    is the index of the submission; the legs of a bracket carry their parent's. `since` is the row in whose candle the order
    could first fill. `entered_row` and `entry_price` are set on the legs of a parent that filled inside a candle: that
    candle, and the price at which the parent met the market. `fraction` is what the slippage model has said of the order.
    """

    number: int
    order: int
    leg: str
    symbol: int
    side: str
    type: str
    quantity: Decimal
    since: int
    price: Decimal = ZERO
    stop_price: Decimal | None = None
    take_price: Decimal | None = None
    locked_cash: Decimal = ZERO
    entered_row: int = -1
    entry_price: Decimal = ZERO
    fraction: Decimal = ZERO
    sibling: "Order | None" = None

    @property
    def is_stop(self) -> bool:
        """Whether it triggers when the market turns against it."""
        return self.type == "stop_loss"

    def rested_before(self, row: int) -> bool:
        """Whether it was in the book before the candle opened."""
        return self.since < row

    def entered_inside(self, row: int) -> bool:
        """Whether it exits a position that was entered, if only in part, inside this very candle."""
        return self.entered_row == row


def refusal_of_form(
    request: OrderRequest, closes: list[Decimal], instruments: list[Instrument], *, short_brackets: bool = False
) -> str | None:
    """The reason for which an order is refused before anybody looks at the account, or None.

    `closes` are the last visible ones. A bracket on a sell needs `short_brackets`; its stop is above its take-profit.
    """
    if not 0 <= request["symbol"] < len(closes):
        return "unknown_symbol"
    instrument = instruments[request["symbol"]]
    if not is_positive(request["quantity"]) or instrument.floor_quantity(exact(request["quantity"])) == 0:
        return "invalid_quantity"
    quantity = instrument.floor_quantity(exact(request["quantity"]))
    if instrument.too_large(quantity, closes[request["symbol"]]) or instrument.too_small(quantity):
        return "invalid_quantity"
    stop, take = request.get("stop_price"), request.get("take_price")
    named = [price for price in (stop, take) if price is not None]
    if request["type"] == "market":
        if request.get("price") is not None:
            return "invalid_price"
    else:
        named.append(request.get("price") or 0.0)
    if not all(is_positive(price) and instrument.price_is_on_tick(exact(price)) for price in named):
        return "invalid_price"
    sells = request["side"] == "sell"
    if (stop is not None or take is not None) and sells and not short_brackets:
        return "invalid_price"
    if stop is not None and take is not None and (stop <= take if sells else stop >= take):
        return "invalid_price"
    return None
