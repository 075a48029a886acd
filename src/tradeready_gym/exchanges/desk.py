"""The desk: orders of a person or a client, taken between two steps, and what is shown of them."""

import math
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges.book import (
    activate_legs,
    book_has_room,
    cancel_order,
    compact_book,
    rest_order,
    settle_locks,
)
from tradeready_gym.exchanges.execution import MARKET, UNKNOWN_SYMBOL, execute_market, record_reject
from tradeready_gym.exchanges.margin import execute_margin_market
from tradeready_gym.exchanges.matching import end_legs
from tradeready_gym.exchanges.quoting import quote
from tradeready_gym.exchanges.state import AccountState
from tradeready_gym.ledger.margin import charge_financing
from tradeready_gym.ledger.records import ACCOUNT_DTYPE
from tradeready_gym.ledger.spot import mark
from tradeready_gym.market import DataReplayer, format_time
from tradeready_gym.orders import (
    ORDER_DTYPE,
    REJECT_DTYPE,
    REJECT_NAMES,
    SIDE_NAMES,
    TYPE_NAMES,
    Order,
    OrderType,
    Reject,
    Side,
)

_SIDES = {name: code for code, name in SIDE_NAMES.items()}
_TYPES = {name: code for code, name in TYPE_NAMES.items() if name != "liquidation"}


def fill_view(fill: Any, symbols: tuple[str, ...], replayer: DataReplayer) -> dict[str, Any]:
    """A fill record as plain data, with the names of the wire."""
    return {
        "order_id": int(fill["order_id"]),
        "symbol": symbols[fill["symbol"]],
        "side": SIDE_NAMES[int(fill["side"])],
        "type": TYPE_NAMES[int(fill["kind"])],
        "quantity": float(fill["quantity"]),
        "price": float(fill["price"]),
        "fee": float(fill["fee"]),
        "slippage_pct": 100.0 * float(fill["slippage"]),
        "realized_pnl": float(fill["realized_pnl"]),
        "filled_at": format_time(int(replayer.times[fill["row"]])),
    }


def reject_view(reject: Any, symbols: tuple[str, ...]) -> dict[str, Any]:
    """A rejection record as plain data."""
    known = 0 <= reject["symbol"] < len(symbols)
    return {
        "order_id": int(reject["order_id"]),
        "symbol": symbols[reject["symbol"]] if known else None,
        "side": SIDE_NAMES.get(int(reject["side"])),
        "type": TYPE_NAMES.get(int(reject["kind"])),
        "quantity": float(reject["quantity"]) if math.isfinite(reject["quantity"]) else None,
        "price": float(reject["price"]) or None,
        "reason": REJECT_NAMES[int(reject["reason"])],
    }


def order_view(order: Any, symbols: tuple[str, ...]) -> dict[str, Any]:
    """A resting order as plain data."""
    return {
        "order_id": int(order["order_id"]),
        "symbol": symbols[order["symbol"]],
        "side": SIDE_NAMES[int(order["side"])],
        "type": TYPE_NAMES[int(order["kind"])],
        "quantity": float(order["quantity"]),
        "price": float(order["price"]),
        "stop_price": float(order["stop_price"]) or None,
        "take_price": float(order["take_price"]) or None,
        "locked": float(order["locked"]) if order["side"] > 0 else float(order["quantity"]),
        "parent_id": int(order["group"]) or None,
    }


def value_account(state: AccountState, replayer: DataReplayer, closes: Any = None) -> bool:
    """Mark account 0 at the last visible closes, or at `closes`; returns whether anything is held."""
    account, positions = state.accounts[0], state.positions[0]
    newest = replayer.rows.view(np.recarray)[account.row - 1]
    if closes is not None:
        newest = newest.copy().view(np.recarray)
        newest["close"] = closes
    return mark(account, positions, newest, positions.shape[0])


def finance(exchange: Any, state: AccountState, replayer: DataReplayer) -> None:
    """Charge a margin account for what it borrowed during the candle that ended at the clock, once."""
    account, rows = state.accounts[0], replayer.rows.view(np.recarray)
    charge_financing(
        account,
        state.positions[0],
        rows[account.row - 1],
        float(rows[account.row][0].time),
        exchange.costs_record()[0],
        exchange.funding_table(replayer),
        state.positions.shape[1],
    )


def submit_order(exchange: Any, state: AccountState, replayer: DataReplayer, order: Order) -> dict[str, Any]:
    """Take one order: a market order answers with its fill at the open of the candle that begins at the clock."""
    account = state.accounts[0]
    if account.reported == 1:
        account.fills = account.rejects = account.reported = 0
    record = order_record(order, exchange.symbols)
    if not _has_room(state):
        return {"status": "rejected", **reject_view(_refusal(record), exchange.symbols)}
    record.order_id = account.next_order_id
    account.next_order_id += 1
    if record.symbol < 0:
        record_reject(account, record, state.rejects[0], UNKNOWN_SYMBOL)
        return _rejection(state, exchange.symbols) | {"symbol": order.symbol}
    j = int(record.symbol)
    rows = replayer.rows.view(np.recarray)
    newest, candles = rows[account.row - 1], rows[account.row]
    positions, costs, symbols = state.positions[0], exchange.costs_record()[0], state.positions.shape[1]
    instrument = exchange.instrument_records()[j]
    margin = exchange.account is not None
    if margin:
        finance(exchange, state, replayer)
    if record.kind != MARKET:
        rests = rest_order(
            account, positions, record, newest, instrument, costs, state.book[0], state.rejects[0], symbols
        )
        if not rests:
            return _rejection(state, exchange.symbols)
        rested = state.book[0][int(account.resting) - 1]
        return {"status": "pending", **order_view(rested, exchange.symbols)}
    if not book_has_room(account, state.book[0], record):
        record_reject(account, record, state.rejects[0], Reject.RISK_LIMIT)
        return _rejection(state, exchange.symbols)
    refused = int(account.rejects)
    record.slippage = quote(
        exchange.slippage, np.array(exchange.slippage.parameters, dtype=np.float64), account, record, newest[j]
    )
    if margin:
        quantity = execute_margin_market(
            account, positions, record, candles, newest, instrument, costs, state.fills[0], state.rejects[0], symbols
        )
        end_legs(account, state.positions[0], state.book[0])
        compact_book(account, state.book[0])
    else:
        quantity = execute_market(
            account, positions[j], record, candles[j], newest[j], instrument, costs, state.fills[0], state.rejects[0]
        )
    if account.rejects > refused:
        return _rejection(state, exchange.symbols)
    if quantity <= 0.0:
        # `max_volume_share` left nothing of this candle
        return {"status": "cancelled", **order_view(record, exchange.symbols)}
    filled = fill_view(state.fills[0][int(account.fills) - 1], exchange.symbols, replayer)
    activate_legs(account, record, float(account.opened) if margin else quantity, state.book[0], -1)
    settle_locks(account, state.positions[0], state.book[0], state.positions.shape[1])
    return {"status": "filled", **filled}


def cancel_resting(state: AccountState, order_id: int) -> bool:
    """Cancel the resting order with this id."""
    account, book = state.accounts[0], state.book[0]
    for place in range(int(account.resting)):
        if book[place].order_id == order_id:
            cancel_order(account, state.positions[0], book, place, state.positions.shape[1])
            return True
    return False


def _rejection(state: AccountState, symbols: tuple[str, ...]) -> dict[str, Any]:
    reject = state.rejects[0][int(state.accounts[0].rejects) - 1]
    return {"status": "rejected", **reject_view(reject, symbols)}


def _refusal(record: Any) -> Any:
    rejects = np.zeros(1, REJECT_DTYPE).view(np.recarray)
    record_reject(np.zeros(1, ACCOUNT_DTYPE).view(np.recarray)[0], record, rejects, Reject.RISK_LIMIT)
    return rejects[0]


def order_record(order: Order, symbols: tuple[str, ...]) -> Any:
    """An order as the kernels read it; an unknown symbol has the code -1.

    Raises:
        UnknownName: no such side or type.
        ConfigurationError: a market order with a price, or another one without.
    """
    side, kind = str(order.side).lower(), str(order.type).lower()
    if side not in _SIDES:
        raise UnknownName("order side", order.side, _SIDES)
    if kind not in _TYPES:
        raise UnknownName("order type", order.type, _TYPES)
    if kind == "market" and order.price is not None:
        raise ConfigurationError(f"a market order has no price; got {order.price!r}. Use type='limit' to name one")
    if kind != "market" and order.price is None:
        raise ConfigurationError(f"a {kind} order needs price=: its limit or trigger")
    record = np.zeros(1, ORDER_DTYPE).view(np.recarray)[0]
    record.symbol = symbols.index(order.symbol.upper()) if order.symbol.upper() in symbols else -1
    record.side, record.kind = Side(_SIDES[side]), OrderType(_TYPES[kind])
    record.quantity = order.quantity
    record.sized = int(order.cut)
    for name in ("price", "stop_price", "take_price"):
        value = getattr(order, name)
        # an impossible price must reach the exchange as one, to be refused as invalid_price; 0 stands for none
        setattr(record, name, 0.0 if value is None else (value if value != 0.0 else math.nan))
    return record


def _has_room(state: AccountState) -> bool:
    account = state.accounts[0]
    return bool(
        account.fills + state.fills_per_action + 2 < state.fills.shape[1]
        and account.rejects + state.orders.shape[1] + 2 < state.rejects.shape[1]
    )
