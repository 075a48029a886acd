"""The words that everyone shares: orders, fills, sides, types and reject reasons.

The integer codes are the ones that the compiled engine writes; the names are the ones of the wire and of `info`.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Side(IntEnum):
    """Which way an order moves the position; the value is the sign of the quantity."""

    SELL = -1
    BUY = 1


class OrderType(IntEnum):
    """How an order is executed."""

    MARKET = 0
    LIMIT = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    LIQUIDATION = 4
    """Never submitted: the fill that closes a position of a margin account that was liquidated."""


class Reject(IntEnum):
    """Why an order was refused. A rejection changes nothing."""

    INSUFFICIENT_BALANCE = 1
    INSUFFICIENT_POSITION = 2
    MIN_NOTIONAL = 3
    INVALID_QUANTITY = 4
    INVALID_PRICE = 5
    UNKNOWN_SYMBOL = 6
    MARKET_CLOSED = 7
    RISK_LIMIT = 8


SIDE_NAMES = {side.value: side.name.lower() for side in Side}
TYPE_NAMES = {kind.value: kind.name.lower() for kind in OrderType}
REJECT_NAMES = {reason.value: reason.name.lower() for reason in Reject}


@dataclass(frozen=True)
class Order:
    """An order as a person or a client submits it.

    `quantity` is in base units. `price` is the limit of a limit order and the trigger of a stop or take-profit; market
    orders have none. `stop_price` and `take_price` make a bracket: two exits that activate when this order fills, one
    cancelling the other. A market order with `cut` is cut to what the account affords or holds, instead of being refused.
    """

    symbol: str
    side: str
    quantity: float
    type: str = "market"
    price: float | None = None
    stop_price: float | None = None
    take_price: float | None = None
    cut: bool = False


@dataclass(frozen=True)
class Fill:
    """One execution. `fee` is in the quote currency, `slippage_pct` in per cent of the price before slippage.

    `realized_pnl` excludes fees; `filled_at` is ISO 8601 with Z: the open of the candle in which it happened.
    """

    order_id: int
    symbol: str
    side: str
    type: str
    quantity: float
    price: float
    fee: float
    slippage_pct: float
    realized_pnl: float
    filled_at: str


# The records that the engine writes. `sized` marks an order whose quantity a scheme chose: it is cut to what the account
# affords instead of being rejected. `group` ties the two legs of a bracket: the order id of their parent.
ORDER_DTYPE = np.dtype(
    [
        ("order_id", "i8"),
        ("symbol", "i8"),
        ("side", "i8"),
        ("kind", "i8"),
        ("quantity", "f8"),
        ("price", "f8"),
        ("stop_price", "f8"),
        ("take_price", "f8"),
        ("sized", "i8"),
        ("whole", "i8"),
        ("locked", "f8"),
        ("group", "i8"),
        ("submitted_row", "i8"),
        ("entered_row", "i8"),
        ("alive", "i8"),
        ("slippage", "f8"),
    ]
)
FILL_DTYPE = np.dtype(
    [
        ("env", "i8"),
        ("order_id", "i8"),
        ("symbol", "i8"),
        ("side", "i8"),
        ("kind", "i8"),
        ("quantity", "f8"),
        ("price", "f8"),
        ("fee", "f8"),
        ("slippage", "f8"),
        ("realized_pnl", "f8"),
        ("row", "i8"),
    ]
)
REJECT_DTYPE = np.dtype(
    [
        ("env", "i8"),
        ("order_id", "i8"),
        ("symbol", "i8"),
        ("side", "i8"),
        ("kind", "i8"),
        ("quantity", "f8"),
        ("price", "f8"),
        ("reason", "i8"),
        ("row", "i8"),
    ]
)
