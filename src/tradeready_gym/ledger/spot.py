"""The spot account: one quote currency, long only, fees in the quote currency.

These kernels move money and nothing else: whether an order may be filled is decided before they are called. What they keep:
cash and quantities are never negative, and

    equity = starting_balance + realized_pnl + unrealized_pnl - fees_paid        (to 1e-9 of the starting balance)
"""

from typing import Any

from tradeready_gym.kernel import kernel


@kernel
def open_account(account: Any, positions: Any, symbols: int) -> None:
    """Everything back to the starting balance, in cash."""
    account.cash = account.starting_balance
    account.equity = account.starting_balance
    account.clock_equity = account.starting_balance
    account.previous_equity = account.starting_balance
    account.peak_equity = account.starting_balance
    account.locked_cash = 0.0
    account.position_value = 0.0
    account.unrealized_pnl = 0.0
    account.realized_pnl = 0.0
    account.fees_paid = 0.0
    account.financing_paid = 0.0
    account.bankruptcy_loss = 0.0
    account.financed_row = -1
    account.opened = 0.0
    for j in range(symbols):
        position = positions[j]
        position.quantity = 0.0
        position.locked = 0.0
        position.average_entry = 0.0
        position.trip_pnl = 0.0
        position.volume_used = 0.0
        position.entered_row = -1


@kernel
def apply_buy(account: Any, position: Any, quantity: float, price: float, fee: float) -> None:
    """The position side of a buy; the caller pays `price * quantity + fee` out of cash or out of a lock."""
    total = position.quantity + quantity
    position.average_entry += (price - position.average_entry) * (quantity / total)
    position.quantity = total
    position.trip_pnl -= fee
    account.fees_paid += fee


@kernel
def apply_sell(account: Any, position: Any, quantity: float, price: float, fee: float) -> float:
    """The whole of a sale: proceeds into cash, realised PnL (without the fee), the round trip when it ends flat."""
    realized = (price - position.average_entry) * quantity
    account.cash += price * quantity - fee
    account.realized_pnl += realized
    account.fees_paid += fee
    position.trip_pnl += realized - fee
    if quantity >= position.quantity:
        position.quantity = 0.0
        position.average_entry = 0.0
        close_trip(account, position)
    else:
        position.quantity -= quantity
    return realized


@kernel
def close_trip(account: Any, position: Any) -> None:
    """Count a round trip (flat to flat), after fees."""
    account.round_trips += 1
    if position.trip_pnl > 0.0:
        account.winning_trips += 1
        account.gross_profit += position.trip_pnl
    else:
        account.gross_loss -= position.trip_pnl
    position.trip_pnl = 0.0


@kernel
def mark(account: Any, positions: Any, candles: Any, symbols: int) -> bool:
    """Value the account at the closes of `candles`, in symbol order; returns whether anything is held."""
    value = 0.0
    unrealized = 0.0
    held = False
    for j in range(symbols):
        quantity = positions[j].quantity
        close = candles[j].close
        value += quantity * close
        unrealized += (close - positions[j].average_entry) * quantity
        held = held or bool(quantity != 0.0)
    account.position_value = value
    account.unrealized_pnl = unrealized
    account.equity = account.cash + account.locked_cash + value
    return held
