"""The margin account: signed quantities, borrowed cash, financing, and the worst that a candle can do to it.

Like those of the spot account these kernels move money and decide nothing. What they keep:

    equity = starting_balance + realized_pnl + unrealized_pnl - fees_paid - financing_paid + bankruptcy_loss
"""

import math
from typing import Any

from tradeready_gym.kernel import cold_kernel
from tradeready_gym.ledger.spot import close_trip


@cold_kernel
def closing_part(position: Any, side: int, quantity: float) -> float:
    """How much of a trade closes what is held; the rest opens or adds."""
    if side * position.quantity >= 0.0:
        return 0.0
    return min(quantity, abs(position.quantity))


@cold_kernel
def apply_trade(account: Any, position: Any, side: int, quantity: float, price: float, fee: float) -> float:
    """One execution; through zero it is a close and an open, which share the fee. Returns the realised PnL without it."""
    closing = closing_part(position, side, quantity)
    opening = quantity - closing
    account.opened = opening
    account.cash -= side * price * quantity + fee
    account.fees_paid += fee
    realized = 0.0
    if closing > 0.0:
        realized = -side * (price - position.average_entry) * closing
        account.realized_pnl += realized
        position.trip_pnl += realized - fee * (closing / quantity)
        if closing >= abs(position.quantity):
            position.quantity = 0.0
            position.average_entry = 0.0
            close_trip(account, position)
        else:
            position.quantity += side * closing
    if opening > 0.0:
        total = abs(position.quantity) + opening
        position.average_entry += (price - position.average_entry) * (opening / total)
        position.quantity += side * opening
        position.trip_pnl -= fee * (opening / quantity)
    return realized


@cold_kernel
def charge_financing(
    account: Any, positions: Any, newest: Any, time: float, costs: Any, funding: Any, symbols: int
) -> None:
    """What was borrowed during the candle that ended at `time` costs its interest, or its funding; once per candle.

    `funding` has the rates of each row and symbol, or no row: then the rate is the same at every funding time.
    """
    if account.financed_row == account.row:
        return
    account.financed_row = account.row
    charge = 0.0
    if costs.funding_interval > 0.0:
        interval = costs.funding_interval
        times = math.floor(time / interval) - math.floor(newest[0].time / interval)
        for j in range(symbols):
            charge += times * costs.funding_rate * positions[j].quantity * newest[j].close
    elif account.row < funding.shape[0]:
        for j in range(symbols):
            # a rate that nobody pays may be missing
            if positions[j].quantity != 0.0:
                charge += funding[account.row, j] * positions[j].quantity * newest[j].close
    else:
        borrowed = max(-account.cash, 0.0)
        for j in range(symbols):
            borrowed += max(-positions[j].quantity, 0.0) * newest[j].close
        # a candle's interest for each candle's length that has passed: nights between two sessions cost, too
        charge = costs.interest_rate * ((time - newest[0].time) / costs.candle_length) * borrowed
    account.cash -= charge
    account.financing_paid += charge


@cold_kernel
def worst_price(position: Any, candle: Any) -> float:
    """The candle's worst price for what is held."""
    return float(candle.low if position.quantity > 0.0 else candle.high)


@cold_kernel
def keeps_margin(
    account: Any, positions: Any, candles: Any, symbols: int, maintenance: float, own: int, own_price: float
) -> bool:
    """Whether equity is at least the maintenance margin at the worst prices, symbol `own` (or -1) being at `own_price`."""
    equity = account.cash
    gross = 0.0
    for j in range(symbols):
        quantity = positions[j].quantity
        price = own_price if j == own else worst_price(positions[j], candles[j])
        equity += quantity * price
        gross += abs(quantity) * price
    return bool(equity >= maintenance * gross)


@cold_kernel
def forgive_debt(account: Any) -> None:
    """An account that was closed below zero ends at zero; what is missing is recorded."""
    if account.cash < 0.0:
        account.bankruptcy_loss -= account.cash
        account.cash = 0.0
