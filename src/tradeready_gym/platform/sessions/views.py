"""A session in memory as the wire has it: decimals are strings, counters numbers, times ISO 8601 with Z."""

from typing import Any

import numpy as np

from tradeready_gym.market import Candles
from tradeready_gym.orders import SIDE_NAMES, TYPE_NAMES
from tradeready_gym.platform import clock
from tradeready_gym.platform.api.wire import decimal_text, exact_text, optional_exact, optional_text
from tradeready_gym.platform.errors import BadRequest
from tradeready_gym.platform.sessions.session import OrderRecord, Session, Stepped, assets

View = dict[str, Any]

# the amounts of a portfolio, and the field of the account that each is
_AMOUNTS = {
    "total_equity": "equity",
    "available_cash": "cash",
    "locked_cash": "locked_cash",
    "position_value": "position_value",
    "unrealized_pnl": "unrealized_pnl",
    "realized_pnl": "realized_pnl",
    "fees_paid": "fees_paid",
}


def step_view(session: Session, stepped: Stepped, last_step_only: bool = False) -> View:
    """The answer to a step: the clock, what is visible, and what was filled since the step before.

    `orders_filled` has the orders that rested until then (with `last_step_only`, until the last step); `filled_orders`
    has every fill, market orders' included.
    """
    account = session.account
    triggered = stepped.triggered
    if last_step_only:
        begun = account.time_of(int(account.record.row) - 1)
        triggered = [record for record in triggered if record.filled_at == begun]
    return {
        "virtual_time": clock.iso(account.clock),
        "step": account.steps,
        "total_steps": account.total_steps,
        "remaining_steps": account.total_steps - account.steps,
        "progress_pct": f"{100.0 * account.steps / account.total_steps:.2f}",
        "prices": prices(session),
        "orders_filled": [filled_view(record) for record in triggered],
        "filled_orders": [fill_view(session, fill) for fill in stepped.fills],
        "portfolio": portfolio(session),
        "is_complete": session.is_complete,
        "steps_executed": stepped.executed,
    }


def filled_view(record: OrderRecord) -> View:
    """An order as the answer to it has it."""
    return {
        "order_id": str(record.order_id),
        "status": record.status,
        "executed_price": optional_text(record.executed_price),
        "executed_qty": optional_exact(record.executed_qty),
        "fee": optional_text(record.fee),
        "realized_pnl": optional_text(record.realized_pnl),
        "symbol": record.symbol,
        "side": record.side,
        "type": record.type,
        "reason": record.reason,
    }


def order_view(record: OrderRecord) -> View:
    """An order as the lists have it; `stop_price` is the trigger of a stop-loss or take-profit, `price` too."""
    triggers = record.type in {"stop_loss", "take_profit"}
    return {
        "id": str(record.order_id),
        "symbol": record.symbol,
        "side": record.side,
        "type": record.type,
        "quantity": exact_text(record.quantity),
        "price": optional_text(record.price),
        "stop_price": optional_text(record.price) if triggers else None,
        "status": record.status,
        "executed_price": optional_text(record.executed_price),
        "fee": optional_text(record.fee),
        "executed_qty": optional_exact(record.executed_qty),
        "reason": record.reason,
        "created_at": clock.iso(record.created_at),
        "filled_at": clock.iso(record.filled_at),
    }


def fill_view(session: Session, fill: Any) -> View:
    """A fill as a step reports it."""
    return {
        "order_id": str(int(fill["order_id"])),
        "status": "filled",
        "symbol": session.symbols[int(fill["symbol"])],
        "side": SIDE_NAMES[int(fill["side"])],
        "type": TYPE_NAMES[int(fill["kind"])],
        "quantity": exact_text(fill["quantity"]),
        "price": _text(fill["price"]),
        "executed_price": _text(fill["price"]),
        "executed_qty": exact_text(fill["quantity"]),
        "fee": _text(fill["fee"]),
        "slippage_pct": _text(100.0 * fill["slippage"]),
        "realized_pnl": _text(fill["realized_pnl"]),
        "filled_at": clock.iso(session.account.time_of(int(fill["row"]))),
    }


def prices(session: Session) -> dict[str, str]:
    """The last visible close of each symbol."""
    return {
        symbol: _text(close) for symbol, close in zip(session.symbols, session.account.newest["close"], strict=True)
    }


def portfolio(session: Session) -> View:
    """The account, valued at the last visible closes; `exact` has its amounts as numbers, to the last digit."""
    account = session.account.record
    exact = {name: float(account[field]) for name, field in _AMOUNTS.items()}
    start, equity = float(account.starting_balance), exact["total_equity"]
    texts = {name: _text(amount) for name, amount in exact.items()}
    return {
        **texts,
        "total_position_value": texts["position_value"],
        "starting_balance": _text(start),
        "total_pnl": _text(equity - start),
        "roi_pct": _text(100.0 * (equity / start - 1.0)),
        "positions": positions(session),
        "exact": exact,
    }


def positions(session: Session) -> list[View]:
    """What is held, symbol by symbol."""
    held = session.account.state.positions[0]
    found = []
    for place, (symbol, newest) in enumerate(zip(session.symbols, session.account.newest, strict=True)):
        quantity, close = float(held[place].quantity), float(newest["close"])
        if quantity == 0.0:
            continue
        average = float(held[place].average_entry)
        found.append(
            {
                "symbol": symbol,
                "quantity": exact_text(quantity),
                "avg_entry_price": _text(average),
                "current_price": _text(close),
                "market_value": _text(quantity * close),
                "unrealized_pnl": _text((close - average) * quantity),
            }
        )
    return found


def positions_with_profit(session: Session) -> list[View]:
    """The same, each with what its symbol's sales have realised."""
    fills, found = session.account.fills, positions(session)
    for position in found:
        own = fills[fills["symbol"] == session.symbols.index(position["symbol"])]
        position["realized_pnl"] = _text(np.sum(own["realized_pnl"]))
    return found


def balances(session: Session) -> list[View]:
    """Cash and holdings that are not zero: what is available, and what resting orders lock."""
    account = session.account.record
    lines = [(assets(session.symbols[0])[1], float(account.cash), float(account.locked_cash))]
    for symbol, position in zip(session.symbols, session.account.state.positions[0], strict=True):
        lines.append((assets(symbol)[0], float(position.quantity - position.locked), float(position.locked)))
    return [
        {"asset": asset, "available": text(free), "locked": text(locked), "total": text(free + locked)}
        for (asset, free, locked), text in zip(lines, [decimal_text] + [exact_text] * (len(lines) - 1), strict=True)
        if free != 0.0 or locked != 0.0
    ]


def ticker(session: Session, symbol: str) -> View:
    """The last 24 h that are visible, as one candle."""
    place, bars = place_of(session, symbol), session.account.replayer.day_bars
    day = session.account.visible(bars)[:, place]
    counts, row = session.account.replayer.candles.columns.get("trades"), int(session.account.record.row)
    first, last = float(day["open"][0]), float(day["close"][-1])
    return {
        "symbol": symbol.upper(),
        "open": _text(first),
        "high": _text(day["high"].max()),
        "low": _text(day["low"].min()),
        "close": _text(last),
        "volume": _text(day["volume"].sum()),
        "trade_count": 0 if counts is None else _count(counts[place, max(0, row - bars) : row].sum()),
        "price_change": _text(last - first),
        "price_change_pct": _text(100.0 * (last / first - 1.0)),
        "virtual_time": clock.iso(session.account.clock),
    }


def candle_rows(candles: Candles, limit: int) -> list[View]:
    """The newest candles of one symbol, oldest first; `bucket` is the open time."""
    first = max(0, len(candles) - limit)
    counts = candles.columns.get("trades")
    names = ("open", "high", "low", "close", "volume")
    columns = {name: getattr(candles, name)[0, first:].tolist() for name in names}
    return [
        {
            "bucket": clock.iso(time),
            **{name: decimal_text(columns[name][k]) for name in names},
            "trade_count": _count(counts[0, first + k]) if counts is not None else 0,
        }
        for k, time in enumerate(candles.times[first:].tolist())
    ]


def place_of(session: Session, symbol: str) -> int:
    """The place of a symbol in the session.

    Raises:
        BadRequest: INVALID_SYMBOL.
    """
    if symbol.upper() not in session.symbols:
        raise BadRequest(
            f"this session trades {', '.join(session.symbols)}; got {symbol}", code="INVALID_SYMBOL", symbol=symbol
        )
    return session.symbols.index(symbol.upper())


def _text(value: Any) -> str:
    return decimal_text(float(value))


def _count(value: float) -> int:
    return int(value) if np.isfinite(value) else 0
