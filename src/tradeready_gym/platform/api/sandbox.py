"""`/api/v1/backtest/{id}/trade|market|account`: what a client trades on and sees inside a backtest, also after its end."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AliasChoices, BaseModel, Field, field_validator, model_validator

from tradeready_gym.platform import clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.backtest import WAKING
from tradeready_gym.platform.api.backtest_bodies import Money, OrderAnswer, Portfolio, seconds_of
from tradeready_gym.platform.api.dependencies import PlatformState, Reader, Writer
from tradeready_gym.platform.api.documentation import WITH_A_KEY, answers, errors
from tradeready_gym.platform.api.paging import CandlesLimit, Offset, WholeSession
from tradeready_gym.platform.api.sandbox_bodies import (
    SandboxBalances,
    SandboxCancelled,
    SandboxCandles,
    SandboxOrders,
    SandboxPositions,
    SandboxPrice,
    SandboxPrices,
    SandboxTicker,
    SandboxTrades,
)
from tradeready_gym.platform.errors import Invalid
from tradeready_gym.platform.sessions import listing
from tradeready_gym.platform.state import Platform

if TYPE_CHECKING:
    from tradeready_gym.platform.sessions.session import Session

router = APIRouter(prefix="/backtest/{session_id}", tags=["backtest sandbox"], responses=WITH_A_KEY)

_LARGEST = Decimal("1e18")
View = dict[str, Any]
Price = Annotated[Money, Field(gt=0, le=_LARGEST)]


class OrderRequest(BaseModel):
    """An order. Others than market orders need a price (also called `stop_price` or `trigger_price`)."""

    symbol: Annotated[str, Field(min_length=1, max_length=20)]
    side: Literal["buy", "sell"]
    type: Literal["market", "limit", "stop_loss", "take_profit"] = "market"
    quantity: Price
    price: Annotated[Price | None, Field(validation_alias=AliasChoices("price", "stop_price", "trigger_price"))] = None

    @field_validator("side", "type", mode="before")
    @classmethod
    def lower(cls, value: Any) -> Any:
        """BUY is buy."""
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def first_price(cls, values: Any) -> Any:
        """A price that is null is none: the next of its names counts."""
        if isinstance(values, dict):
            return {
                k: v for k, v in values.items() if v is not None or k not in {"price", "stop_price", "trigger_price"}
            }
        return values

    @model_validator(mode="after")
    def has_price(self) -> "OrderRequest":
        """Raise `ValueError` for an order that could never execute."""
        if self.type != "market" and self.price is None:
            raise ValueError(f"a {self.type} order needs a price: its limit or trigger")
        return self


# ---- trade ----


@router.post("/trade/order", responses=errors(*WAKING, "INVALID_SYMBOL", "INSUFFICIENT_BALANCE", "ORDER_REJECTED"))
def place_order(session_id: str, body: OrderRequest, platform: PlatformState, caller: Writer) -> OrderAnswer:
    """Submit an order: a market order is filled at once at the open of the candle that begins at the clock.

    What the account cannot pay for, or does not hold, is 400 INSUFFICIENT_BALANCE.
    """
    from tradeready_gym.platform.sessions.views import filled_view

    price = None if body.type == "market" or body.price is None else float(body.price)
    order = {
        "symbol": body.symbol.strip().upper(),
        "side": body.side,
        "type": body.type,
        "quantity": float(body.quantity),
        "price": price,
    }
    answer = platform.sessions.submit(caller.account_id, session_id, order, lambda _, record: filled_view(record))
    return OrderAnswer(**answer)


@router.get("/trade/orders", responses=answers(SandboxOrders, *WAKING))
def list_orders(
    session_id: str, platform: PlatformState, caller: Reader, limit: WholeSession, offset: Offset = 0
) -> View:
    """Every order so far, oldest first."""
    return _orders(platform, caller, session_id, lambda session: list(session.orders), slice(offset, offset + limit))


@router.get("/trade/orders/open", responses=answers(SandboxOrders, *WAKING))
def list_open_orders(
    session_id: str, platform: PlatformState, caller: Reader, limit: WholeSession, offset: Offset = 0
) -> View:
    """The orders that rest, oldest first."""
    return _orders(platform, caller, session_id, lambda session: sorted(session.pending), slice(offset, offset + limit))


def _orders(
    platform: Platform, caller: Principal, session_id: str, chosen: Callable[["Session"], list[int]], page: slice
) -> View:
    from tradeready_gym.platform.sessions.views import order_view

    def view(session: "Session") -> tuple[list[View], int]:
        ids = chosen(session)
        return [order_view(session.orders[order_id]) for order_id in ids[page]], len(ids)

    orders, total = platform.sessions.look(caller.account_id, session_id, view)
    return {"orders": orders, "count": len(orders), "total": total}


@router.delete("/trade/order/{order_id}", responses=answers(SandboxCancelled, *WAKING))
def cancel_order(session_id: str, order_id: str, platform: PlatformState, caller: Writer) -> View:
    """Take a resting order back; `cancelled` is false if it does not rest."""
    number = int(order_id) if order_id.isdecimal() and len(order_id) < 19 else 0
    return {
        "order_id": order_id,
        "cancelled": platform.sessions.cancel_order(caller.account_id, session_id, number),
    }


@router.get("/trade/history", responses=answers(SandboxTrades, *WAKING))
def trade_history(
    session_id: str, platform: PlatformState, caller: Reader, limit: WholeSession, offset: Offset = 0
) -> View:
    """Every fill so far, in order."""
    rows, total = platform.sessions.trades(caller.account_id, session_id, limit, offset)
    return {"trades": [listing.trade_view(row) for row in rows], "count": len(rows), "total": total}


# ---- market ----


@router.get("/market/price/{symbol}", responses=answers(SandboxPrice, *WAKING, "INVALID_SYMBOL"))
def price(session_id: str, symbol: str, platform: PlatformState, caller: Reader) -> View:
    """The last visible close."""
    from tradeready_gym.platform.sessions.views import place_of, prices

    def view(session: "Session") -> View:
        name = session.symbols[place_of(session, symbol)]
        return {"symbol": name, "price": prices(session)[name], "virtual_time": clock.iso(session.account.clock)}

    return platform.sessions.look(caller.account_id, session_id, view)


@router.get("/market/prices", responses=answers(SandboxPrices, *WAKING))
def all_prices(session_id: str, platform: PlatformState, caller: Reader) -> View:
    """The last visible close of each symbol."""
    from tradeready_gym.platform.sessions.views import prices

    def view(session: "Session") -> View:
        return {"prices": prices(session), "virtual_time": clock.iso(session.account.clock)}

    return platform.sessions.look(caller.account_id, session_id, view)


@router.get("/market/ticker/{symbol}", responses=answers(SandboxTicker, *WAKING, "INVALID_SYMBOL"))
def ticker(session_id: str, symbol: str, platform: PlatformState, caller: Reader) -> View:
    """The last 24 h that are visible."""
    from tradeready_gym.platform.sessions import views

    return platform.sessions.look(caller.account_id, session_id, lambda session: views.ticker(session, symbol))


@router.get("/market/candles/{symbol}", responses=answers(SandboxCandles, *WAKING, "INVALID_SYMBOL"))
def candles(
    session_id: str,
    symbol: str,
    platform: PlatformState,
    caller: Reader,
    limit: CandlesLimit,
    interval: Annotated[str, Query(max_length=10)] | None = None,
) -> View:
    """The newest candles that lie wholly in the past of the clock, oldest first; the session's own interval by default."""
    try:
        seconds = None if interval is None else seconds_of(interval)
    except ValueError as error:
        raise Invalid(f"interval: {error}", field="interval") from error
    found = _candles(platform, caller.account_id, session_id, symbol, seconds, limit)
    return {"symbol": symbol.upper(), "interval": interval or found[1], "candles": found[0], "count": len(found[0])}


def _candles(
    platform: Platform, account_id: str, session_id: str, symbol: str, seconds: int | None, limit: int
) -> tuple[list[View], str]:
    from tradeready_gym.platform.sessions.manager import timeframe_of
    from tradeready_gym.platform.sessions.views import candle_rows, place_of

    def view(session: "Session") -> tuple[list[View], str]:
        own = session.account.replayer
        name = session.symbols[place_of(session, symbol)]
        timeframe = own.timeframe if seconds is None else timeframe_of(seconds)
        if timeframe == own.timeframe:
            seen = own.candles.between(None, session.account.clock).select(name)
        else:
            seen = platform.sessions.markets.candles(name, timeframe, session.account.clock, limit)
        return candle_rows(seen, limit), timeframe.label

    return platform.sessions.look(account_id, session_id, view)


# ---- account ----


@router.get("/account/balance", responses=answers(SandboxBalances, *WAKING))
def balance(session_id: str, platform: PlatformState, caller: Reader) -> View:
    """What is there of each asset."""
    from tradeready_gym.platform.sessions.views import balances

    return {"balances": platform.sessions.look(caller.account_id, session_id, balances)}


@router.get("/account/positions", responses=answers(SandboxPositions, *WAKING))
def positions(session_id: str, platform: PlatformState, caller: Reader) -> View:
    """What is held."""
    from tradeready_gym.platform.sessions.views import positions_with_profit

    return {"positions": platform.sessions.look(caller.account_id, session_id, positions_with_profit)}


@router.get("/account/portfolio", responses=errors(*WAKING))
def portfolio(session_id: str, platform: PlatformState, caller: Reader) -> Portfolio:
    """The account at the last visible closes."""
    from tradeready_gym.platform.sessions import views

    return Portfolio(**platform.sessions.look(caller.account_id, session_id, views.portfolio))
