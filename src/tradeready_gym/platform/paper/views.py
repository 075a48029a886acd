"""A paper account as the wire has it: decimals are strings, times ISO 8601 with Z."""

from dataclasses import asdict
from typing import Any

from tradeready_gym.live.ledger import PaperLedger
from tradeready_gym.live.orders import PaperFill, PaperOrder
from tradeready_gym.platform import clock
from tradeready_gym.platform.api.wire import decimal_text, exact_text, optional_exact, optional_text
from tradeready_gym.platform.sessions.session import assets

View = dict[str, Any]

# the amounts of a portfolio, and the field of the account that each is
_AMOUNTS = {
    "total_equity": "equity",
    "available_cash": "cash",
    "locked_cash": "locked_cash",
    "total_position_value": "position_value",
    "unrealized_pnl": "unrealized_pnl",
    "realized_pnl": "realized_pnl",
    "fees_paid": "fees_paid",
}


def placed_view(order: PaperOrder) -> View:
    """The answer to an order that was taken: filled, or pending."""
    filled = order.status == "filled"
    return {
        "order_id": order.order_id,
        "status": order.status,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "requested_quantity": exact_text(order.quantity) if filled else None,
        "executed_quantity": optional_exact(order.executed_quantity),
        "executed_price": optional_text(order.executed_price),
        "slippage_pct": optional_text(order.slippage_pct),
        "fee": optional_text(order.fee),
        "total_cost": optional_text(_total(order)),
        "filled_at": clock.iso(order.filled_at),
        "quantity": None if filled else exact_text(order.quantity),
        "price": None if filled else optional_text(order.price),
        "locked_amount": optional_text(order.locked),
        "created_at": clock.iso(order.created_at),
        "decision_delay_ms": order.decision_delay_ms,
        "quote_moved_pct": optional_text(order.quote_moved_pct),
        "client_order_id": order.client_order_id,
    }


def order_view(order: PaperOrder) -> View:
    """An order as the lists have it."""
    return {
        "order_id": order.order_id,
        "status": order.status,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "quantity": exact_text(order.quantity),
        "price": optional_text(order.price),
        "executed_price": optional_text(order.executed_price),
        "executed_qty": optional_exact(order.executed_quantity),
        "slippage_pct": optional_text(order.slippage_pct),
        "fee": optional_text(order.fee),
        "created_at": clock.iso(order.created_at),
        "filled_at": clock.iso(order.filled_at),
        "cancelled_at": clock.iso(order.cancelled_at),
        "reason": order.reason,
        "cause": order.cause,
        "decision_delay_ms": order.decision_delay_ms,
        "quote_moved_pct": optional_text(order.quote_moved_pct),
        "client_order_id": order.client_order_id,
    }


def order_event(order: PaperOrder) -> View:
    """An order as the channel `orders` has it; keys without a value are left out."""
    event = {
        "order_id": order.order_id,
        "status": order.status,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "quantity": optional_exact(order.quantity) if order.quantity == order.quantity else None,
        "price": optional_text(order.price),
        "executed_price": optional_text(order.executed_price),
        "executed_quantity": optional_exact(order.executed_quantity),
        "fee": optional_text(order.fee),
        "created_at": clock.iso(order.created_at),
        "decision_delay_ms": order.decision_delay_ms,
        "quote_moved_pct": optional_text(order.quote_moved_pct),
        "filled_at": clock.iso(order.filled_at),
        "cancelled_at": clock.iso(order.cancelled_at),
        "rejected_reason": order.reason if order.status == "rejected" else None,
    }
    return {name: value for name, value in event.items() if value is not None}


def trade_view(fill: PaperFill) -> View:
    """A fill."""
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "symbol": fill.symbol,
        "side": fill.side,
        "quantity": exact_text(fill.quantity),
        "price": decimal_text(fill.price),
        "fee": decimal_text(fill.fee),
        "total": decimal_text(fill.quantity * fill.price),
        "executed_at": clock.iso(fill.executed_at),
        "realized_pnl": decimal_text(fill.realized_pnl),
        "created_at": clock.iso(fill.created_at),
        "decision_delay_ms": fill.decision_delay_ms,
        "quote_moved_pct": optional_text(fill.quote_moved_pct),
    }


def portfolio_view(ledger: PaperLedger) -> View:
    """The account at the newest closes; `exact` has its amounts as numbers, to the last digit."""
    account = ledger.account
    exact = {name: float(account[field]) for name, field in _AMOUNTS.items()}
    start, equity = float(account.starting_balance), exact["total_equity"]
    return {
        **{name: _text(amount) for name, amount in exact.items()},
        "total_pnl": _text(equity - start),
        "roi_pct": _text(100.0 * (equity / start - 1.0)),
        "starting_balance": _text(start),
        "positions": positions_view(ledger),
        "timestamp": clock.iso(ledger.clock),
        "exact": exact,
    }


def positions_view(ledger: PaperLedger) -> list[View]:
    """What is held, symbol by symbol."""
    found, closes = [], ledger.closes
    for symbol, position in zip(ledger.symbols, ledger.positions, strict=True):
        quantity, average, close = float(position.quantity), float(position.average_entry), closes[symbol]
        if quantity == 0.0:
            continue
        found.append(
            {
                "symbol": symbol,
                "asset": assets(symbol)[0],
                "quantity": exact_text(quantity),
                "avg_entry_price": _text(average),
                "current_price": _text(close),
                "market_value": _text(quantity * close),
                "unrealized_pnl": _text((close - average) * quantity),
                "unrealized_pnl_pct": _text(100.0 * (close / average - 1.0)),
                "opened_at": clock.iso(ledger.opened_at.get(symbol)),
            }
        )
    return found


def terms_view(ledger: PaperLedger) -> View:
    """What the account trades at."""
    exchange = ledger.exchange
    rules = {symbol: asdict(rule) for symbol, rule in exchange.instruments.items()}
    return {
        "interval": ledger.feed.timeframe.label,
        "starting_balance": float(exchange.starting_balance),
        "fee_rate": exchange.fee_rate,
        "maker_fee_rate": exchange.maker_fee_rate,
        "slippage": repr(exchange.slippage),
        "fill_at": ledger.fill_at,
        "filters": {
            symbol: {name: value for name, value in rule.items() if name != "symbol"} for symbol, rule in rules.items()
        },
    }


def balances_view(ledger: PaperLedger) -> list[View]:
    """Cash, and every asset that is held."""
    account = ledger.account
    lines = [(assets(ledger.symbols[0])[1], float(account.cash), float(account.locked_cash))]
    for symbol, position in zip(ledger.symbols, ledger.positions, strict=True):
        if position.quantity != 0.0:
            lines.append((assets(symbol)[0], float(position.quantity - position.locked), float(position.locked)))
    return [
        {"asset": asset, "available": text(free), "locked": text(locked), "total": text(free + locked)}
        for (asset, free, locked), text in zip(lines, [decimal_text] + [exact_text] * (len(lines) - 1), strict=True)
    ]


def pnl_view(ledger: PaperLedger, period: str, since: int) -> View:
    """What was earned since a moment; what is open now counts in full."""
    fills = [fill for fill in ledger.records.fills if fill.executed_at >= since]
    sales = [fill.realized_pnl for fill in fills if fill.side == "sell"]
    realized, fees = sum(sales), sum(fill.fee for fill in fills)
    unrealized = float(ledger.account.unrealized_pnl)
    winning, losing = sum(pnl > 0.0 for pnl in sales), sum(pnl < 0.0 for pnl in sales)
    return {
        "period": period,
        "realized_pnl": _text(realized),
        "unrealized_pnl": _text(unrealized),
        "total_pnl": _text(realized + unrealized),
        "fees_paid": _text(fees),
        "net_pnl": _text(realized + unrealized - fees),
        "winning_trades": winning,
        "losing_trades": losing,
        "win_rate": f"{100.0 * winning / len(sales) if sales else 0.0:.2f}",
    }


def _total(order: PaperOrder) -> float | None:
    if order.executed_price is None or order.executed_quantity is None or order.fee is None:
        return None
    value = order.executed_price * order.executed_quantity
    return value + order.fee if order.side == "buy" else value - order.fee


def _text(value: Any) -> str:
    return decimal_text(float(value))
