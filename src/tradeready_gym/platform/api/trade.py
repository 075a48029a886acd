"""`/api/v1/trade`: orders of a paper account. The key's agent, or `X-Agent-Id`, says which account."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator

from tradeready_gym.platform import clock
from tradeready_gym.platform.api.dependencies import PaperTrader, PlatformState, Reader
from tradeready_gym.platform.api.documentation import WITH_A_KEY, answers, errors
from tradeready_gym.platform.api.paging import HistoryLimit, Offset, OpenOrdersLimit, PageLimit
from tradeready_gym.platform.api.paper_bodies import (
    PAPER,
    PaperAllCancelled,
    PaperCancelled,
    PaperOrders,
    PaperOrderView,
    PaperTrades,
)
from tradeready_gym.platform.api.sandbox import OrderRequest, Price
from tradeready_gym.platform.api.wire import decimal_text, exact_text, optional_text
from tradeready_gym.platform.errors import BadRequest, Conflict, NotFound

if TYPE_CHECKING:
    from tradeready_gym.live.ledger import PaperLedger
    from tradeready_gym.live.orders import ClientOrderIdTaken, PaperOrder
    from tradeready_gym.live.paper import PaperAccount
    from tradeready_gym.orders import Order

router = APIRouter(prefix="/trade", tags=["paper trading"], responses=WITH_A_KEY)

_UNAFFORDABLE = ("insufficient_balance", "insufficient_position")
View = dict[str, Any]
Symbol = Annotated[str | None, Query(max_length=20)]


class PaperOrderRequest(OrderRequest):
    """An order. Others than market orders need a price (also called `stop_price` or `trigger_price`).

    The same order with the same `client_order_id` is that order again. `stop_loss_price` and `take_profit_price` make a bracket.
    With `candle` the order may trade in the candle that opens then, and in no other (`candle_over`); with `cut` a market order is cut to
    what the account affords or holds, instead of being refused.
    """

    stop_loss_price: Price | None = None
    take_profit_price: Price | None = None
    client_order_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    candle: datetime | None = None
    cut: bool = False

    @model_validator(mode="after")
    def fits(self) -> "PaperOrderRequest":
        """Raise `ValueError` for a market order with a price, which it cannot have, and for another one with `cut`."""
        if self.type == "market" and self.price is not None:
            raise ValueError("a market order has no price; use type=limit to name one")
        if self.type != "market" and self.cut:
            raise ValueError("cut is for market orders; another one locks what it asks for, or is refused")
        return self


class Placed(BaseModel):
    """What became of an order that was taken: `filled` or `pending`; what does not apply is null.

    `filled_at` is the open of the candle in which it was filled, `created_at` when it came by the venue's clock: `decision_delay_ms`
    after that open, when the price had moved by `quote_moved_pct` from it (null where the feed does not know).
    """

    order_id: str
    status: str
    symbol: str
    side: str
    type: str
    requested_quantity: str | None
    executed_quantity: str | None
    executed_price: str | None
    slippage_pct: str | None
    fee: str | None
    total_cost: str | None
    filled_at: str | None
    quantity: str | None
    price: str | None
    locked_amount: str | None
    created_at: str | None
    decision_delay_ms: float | None
    quote_moved_pct: str | None
    client_order_id: str | None


@router.post(
    "/order",
    status_code=201,
    responses=errors(*PAPER, "INVALID_SYMBOL", "ORDER_REJECTED", "INSUFFICIENT_BALANCE", "CLIENT_ORDER_ID_TAKEN"),
)
def place_order(body: PaperOrderRequest, platform: PlatformState, caller: PaperTrader) -> Placed:
    """Submit an order: a market order is filled at once, at the open of the running candle, or at the book if the server says so.

    400 ORDER_REJECTED says which limit it breaks, 400 INSUFFICIENT_BALANCE that it cannot be paid for, 409 CLIENT_ORDER_ID_TAKEN
    that another order has its `client_order_id`.
    """
    from tradeready_gym.live.orders import ClientOrderIdTaken
    from tradeready_gym.orders import Order
    from tradeready_gym.platform.paper.views import placed_view

    account = platform.paper.of(caller)
    symbol = body.symbol.strip().upper()
    if symbol not in account.symbols:
        raise BadRequest(
            f"this account trades {', '.join(account.symbols)}; got {symbol}", code="INVALID_SYMBOL", symbol=symbol
        )
    numbers = (body.price, body.stop_loss_price, body.take_profit_price)
    price, stop, take = (None if number is None else float(number) for number in numbers)
    order = Order(symbol, body.side, float(body.quantity), body.type, price, stop, take, body.cut)
    candle = None if body.candle is None else clock.from_datetime(body.candle)
    try:
        record = account.submit(order, body.client_order_id, candle)
    except ClientOrderIdTaken as error:
        raise _taken(error, order) from error
    if record.status == "rejected" and record.reason in _UNAFFORDABLE:
        raise _unaffordable(account, record)
    if record.status == "rejected":
        raise BadRequest(str(record.reason), code="ORDER_REJECTED", reason=record.reason, symbol=symbol)
    return Placed(**placed_view(record))


@router.get("/order/{order_id}", responses=answers(PaperOrderView, *PAPER, "ORDER_NOT_FOUND"))
def get_order(order_id: str, platform: PlatformState, caller: Reader) -> View:
    """One order."""
    from tradeready_gym.platform.paper.views import order_view

    record = platform.paper.of(caller).look(lambda ledger: ledger.records.orders.get(order_id))
    if record is None:
        raise _unknown(order_id)
    return order_view(record)


@router.get("/orders", responses=answers(PaperOrders, *PAPER))
def list_orders(
    platform: PlatformState,
    caller: Reader,
    status: Annotated[str | None, Query(max_length=20)] = None,
    symbol: Symbol = None,
    limit: PageLimit = 100,
    offset: Offset = 0,
) -> View:
    """Orders, newest first; the newest 10,000 are kept. `total` counts all that match."""
    from tradeready_gym.platform.paper.views import order_view

    orders = platform.paper.of(caller).look(lambda ledger: [order_view(o) for o in ledger.records.orders.values()])
    found = [order for order in reversed(orders) if _fits(order, status=status, symbol=symbol)]
    return {"orders": found[offset : offset + limit], "total": len(found), "limit": limit, "offset": offset}


@router.get("/orders/open", responses=answers(PaperOrders, *PAPER))
def list_open_orders(platform: PlatformState, caller: Reader, limit: OpenOrdersLimit = 100, offset: Offset = 0) -> View:
    """The orders that rest, newest first."""
    return list_orders(platform, caller, "pending", None, limit, offset)


@router.delete(
    "/order/{order_id}",
    responses=answers(PaperCancelled, *PAPER, "ORDER_NOT_FOUND", "ORDER_NOT_CANCELLABLE"),
)
def cancel_order(order_id: str, platform: PlatformState, caller: PaperTrader) -> View:
    """Take a resting order back."""
    account = platform.paper.of(caller)
    done = account.cancel(order_id)
    if done is None:
        record = account.look(lambda ledger: ledger.records.orders.get(order_id))
        if record is None:
            raise _unknown(order_id)
        raise Conflict(
            f"the order does not rest: it is {record.status}",
            code="ORDER_NOT_CANCELLABLE",
            order_id=order_id,
            current_status=record.status,
        )
    record, unlocked = done
    return {
        "order_id": order_id,
        "status": "cancelled",
        "unlocked_amount": decimal_text(unlocked),
        "cancelled_at": clock.iso(record.cancelled_at),
    }


@router.delete("/orders/open", responses=answers(PaperAllCancelled, *PAPER))
def cancel_open_orders(platform: PlatformState, caller: PaperTrader) -> View:
    """Take every resting order back; `total_unlocked` sums amounts of different assets, as documented."""
    account = platform.paper.of(caller)
    resting = account.look(lambda ledger: [record.order_id for record in ledger.records.resting.values()])
    unlocked = [done[1] for order_id in resting if (done := account.cancel(order_id)) is not None]
    return {"cancelled_count": len(unlocked), "total_unlocked": optional_text(float(sum(unlocked)))}


@router.get("/history", responses=answers(PaperTrades, *PAPER))
def trade_history(
    platform: PlatformState,
    caller: Reader,
    symbol: Symbol = None,
    side: Literal["buy", "sell"] | None = None,
    limit: HistoryLimit = 50,
    offset: Offset = 0,
) -> View:
    """Fills, newest first; the newest 10,000 are kept. `total` counts all that match."""
    from tradeready_gym.platform.paper.views import trade_view

    trades = platform.paper.of(caller).look(lambda ledger: [trade_view(fill) for fill in ledger.records.fills])
    found = [trade for trade in reversed(trades) if _fits(trade, side=side, symbol=symbol)]
    return {"trades": found[offset : offset + limit], "total": len(found), "limit": limit, "offset": offset}


def _fits(view: View, *, symbol: str | None, **wanted: str | None) -> bool:
    named = symbol is None or view["symbol"] == symbol.strip().upper()
    return named and all(value is None or view[name] == value for name, value in wanted.items())


def _taken(error: "ClientOrderIdTaken", order: "Order") -> Conflict:
    from tradeready_gym.platform.paper.views import order_view

    amounts = {"price": order.price, "stop_loss_price": order.stop_price, "take_profit_price": order.take_price}
    asked = {"symbol": order.symbol, "side": order.side, "type": order.type, "quantity": exact_text(order.quantity)}
    first = {"stop_loss_price": error.order.stop_price, "take_profit_price": error.order.take_price}
    return Conflict(
        str(error),
        code="CLIENT_ORDER_ID_TAKEN",
        client_order_id=error.order.client_order_id,
        first=order_view(error.order) | {name: optional_text(amount) for name, amount in first.items()},
        second=asked | {name: optional_text(amount) for name, amount in amounts.items()},
    )


def _unaffordable(account: "PaperAccount", record: "PaperOrder") -> BadRequest:
    from tradeready_gym.platform.sessions.session import assets

    base, quote = assets(record.symbol)
    place = account.symbols.index(record.symbol)

    def view(ledger: "PaperLedger") -> tuple[float, float]:
        if record.reason == "insufficient_position":
            return record.quantity, float(ledger.positions[place].quantity - ledger.positions[place].locked)
        price = ledger.closes[record.symbol] if record.price is None else record.price
        return record.quantity * price * (1.0 + ledger.exchange.fee_rate), float(ledger.account.cash)

    needed, available = account.look(view)
    asset, text = (base, exact_text) if record.reason == "insufficient_position" else (quote, decimal_text)
    return BadRequest(
        f"{record.side} {record.quantity:.12g} {record.symbol} needs {needed:.12g} {asset}; {available:.12g} is available",
        code="INSUFFICIENT_BALANCE",
        asset=asset,
        required=text(needed),
        available=text(available),
        reason=record.reason,
    )


def _unknown(order_id: str) -> NotFound:
    return NotFound(f"there is no order {order_id}", code="ORDER_NOT_FOUND", order_id=order_id)
