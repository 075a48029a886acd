"""The book: orders that rest, what they lock, and the legs of brackets.

Order ids grow with age. A margin account locks nothing; what it affords is tested when an order arrives and when it fills.
"""

import math
from typing import Any

from tradeready_gym.exchanges.execution import (
    INSUFFICIENT_BALANCE,
    INSUFFICIENT_POSITION,
    INVALID_PRICE,
    INVALID_QUANTITY,
    MIN_NOTIONAL,
    RISK_LIMIT,
    ROUNDING,
    STOP_LOSS,
    TAKE_PROFIT,
    affordable,
    order_prices_valid,
    record_reject,
    refusal_of_cut,
    settle_prices,
    smallest_value,
    snap_to_holding,
    unlocked,
    within_limits,
)
from tradeready_gym.exchanges.fees import cost_of
from tradeready_gym.exchanges.margin import affordable_trade, exceeds, snap_to_close
from tradeready_gym.kernel import cold_kernel


@cold_kernel
def slots_needed(order: Any) -> int:
    """How many places in the book an order may come to need: itself, and two for the legs of a bracket."""
    legs = 2 if (order.stop_price > 0.0 or order.take_price > 0.0) else 0
    return legs if order.kind == 0 else legs + 1


@cold_kernel
def book_has_room(account: Any, book: Any, order: Any) -> bool:
    """Whether the order, and the legs that every resting order may still activate, fit into the book."""
    needed = slots_needed(order)
    for k in range(account.resting):
        if book[k].alive == 1:
            needed += slots_needed(book[k])
    return needed <= book.shape[0]


@cold_kernel
def rest_order(
    account: Any,
    positions: Any,
    order: Any,
    newest: Any,
    instrument: Any,
    costs: Any,
    book: Any,
    rejects: Any,
    symbols: int,
) -> bool:
    """Lock what a resting order needs and put it into the book, or refuse it. Returns whether it rests."""
    j = order.symbol
    position = positions[j]
    close = newest[j].close
    quantity = _admit_resting(account, order, close, instrument, costs, book, rejects)
    if quantity <= 0.0:
        return False
    locked = 0.0
    if costs.leverage > 0.0:
        for k in range(symbols):
            positions[k].reference = newest[k].close
        rate = max(costs.fee_rate, costs.maker_fee_rate)
        quantity = snap_to_close(account, position, order.side, quantity, close)
        most = affordable_trade(account, positions, j, order.side, order.price, rate, costs, symbols)
        if exceeds(account, quantity, most, order.price):
            record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
            return False
    elif order.side > 0:
        unit_cost, worst = lock_price(order, costs), worst_price(order, costs)
        locked = cost_of(worst, unit_cost, quantity, costs)
        if order.sized == 1 and locked > account.cash + ROUNDING * account.starting_balance:
            quantity = affordable(account, account.cash, worst, unit_cost, instrument.lot_size, costs)
            locked = cost_of(worst, unit_cost, quantity, costs)
            refusal = refusal_of_cut(account, quantity, close, instrument, costs)
            if refusal > 0:
                record_reject(account, order, rejects, refusal)
                return False
        if locked > account.cash + ROUNDING * account.starting_balance:
            record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
            return False
        locked = min(locked, account.cash)
        account.cash -= locked
        account.locked_cash += locked
    else:
        quantity = snap_to_holding(account, position, quantity, close)
        if quantity > unlocked(position):
            record_reject(account, order, rejects, INSUFFICIENT_POSITION)
            return False
        position.locked += quantity
    _place(account, order, quantity, locked, book)
    return True


@cold_kernel
def _admit_resting(
    account: Any, order: Any, close: float, instrument: Any, costs: Any, book: Any, rejects: Any
) -> float:
    # the quantity in whole lots, or 0: refused for what it is
    if not book_has_room(account, book, order):
        record_reject(account, order, rejects, RISK_LIMIT)
        return 0.0
    quantity = within_limits(order, close, instrument)
    if not (quantity > 0.0 and quantity < math.inf):
        record_reject(account, order, rejects, INVALID_QUANTITY)
        return 0.0
    if order.sized == 1:
        settle_prices(order, instrument.tick_size)
    if not order_prices_valid(order, instrument.tick_size, costs.leverage > 0.0):
        record_reject(account, order, rejects, INVALID_PRICE)
        return 0.0
    if quantity * close < smallest_value(account, instrument, costs):
        record_reject(account, order, rejects, MIN_NOTIONAL)
        return 0.0
    return quantity


@cold_kernel
def _place(account: Any, order: Any, quantity: float, locked: float, book: Any) -> None:
    place = account.resting
    account.resting += 1
    book[place] = order
    rested = book[place]
    rested.quantity = quantity
    rested.locked = locked
    rested.submitted_row = account.row
    rested.entered_row = -1
    rested.group = 0
    rested.alive = 1


@cold_kernel
def lock_price(order: Any, costs: Any) -> float:
    """What a resting buy locks for each unit: the most that it can cost with the fee's rate."""
    if order.kind == STOP_LOSS:
        return float(order.price * (1.0 + costs.fee_rate) * (1.0 + costs.slippage_maximum))
    return float(order.price * (1.0 + max(costs.fee_rate, costs.maker_fee_rate)))


@cold_kernel
def worst_price(order: Any, costs: Any) -> float:
    """The most that a unit of a resting buy can cost before the fee."""
    if order.kind == STOP_LOSS:
        return float(order.price * (1.0 + costs.slippage_maximum))
    return float(order.price)


@cold_kernel
def settle_locks(account: Any, positions: Any, book: Any, symbols: int) -> None:
    """Sum the locks anew from the book, so that they end at exactly 0 and never drift."""
    cash = 0.0
    for j in range(symbols):
        positions[j].locked = 0.0
    for k in range(account.resting):
        order = book[k]
        if order.alive == 0:
            continue
        if order.side > 0:
            cash += order.locked
        elif not _is_second_leg(account, book, k):
            positions[order.symbol].locked += order.quantity
    account.locked_cash = cash


@cold_kernel
def _is_second_leg(account: Any, book: Any, place: int) -> bool:
    if book[place].group == 0:
        return False
    for k in range(place):
        if book[k].alive == 1 and book[k].group == book[place].group:
            return True
    return False


@cold_kernel
def compact_book(account: Any, book: Any) -> None:
    """Drop the dead orders, keep the others in the order of age."""
    kept = 0
    for k in range(account.resting):
        if book[k].alive == 1:
            if kept != k:
                book[kept] = book[k]
            kept += 1
    account.resting = kept


@cold_kernel
def cancel_order(account: Any, positions: Any, book: Any, place: int, symbols: int) -> None:
    """Take one order out of the book and free exactly what it alone had locked."""
    order = book[place]
    order.alive = 0
    if order.side > 0:
        account.cash += order.locked
    settle_locks(account, positions, book, symbols)
    compact_book(account, book)


@cold_kernel
def cancel_sells(account: Any, positions: Any, book: Any, symbol: int, symbols: int) -> None:
    """Cancel a symbol's resting sells: selling the whole position comes first."""
    for k in range(account.resting):
        if book[k].symbol == symbol and book[k].side < 0:
            book[k].alive = 0
    settle_locks(account, positions, book, symbols)
    compact_book(account, book)


@cold_kernel
def activate_legs(account: Any, parent: Any, quantity: float, book: Any, entered_row: int) -> None:
    """The exits of a bracket, for what its parent has just filled; a further part joins the legs that are there.

    `entered_row` is the candle's row if the parent filled inside it, and -1 if it filled at the open.
    """
    if (parent.stop_price <= 0.0 and parent.take_price <= 0.0) or quantity <= 0.0:
        return
    joined = False
    for k in range(account.resting):
        leg = book[k]
        if leg.alive == 1 and leg.group == parent.order_id:
            leg.quantity += quantity
            leg.entered_row = entered_row
            joined = True
    if joined:
        return
    if parent.stop_price > 0.0:
        _add_leg(account, parent, quantity, STOP_LOSS, parent.stop_price, book, entered_row)
    if parent.take_price > 0.0:
        _add_leg(account, parent, quantity, TAKE_PROFIT, parent.take_price, book, entered_row)


@cold_kernel
def _add_leg(account: Any, parent: Any, quantity: float, kind: int, price: float, book: Any, entered_row: int) -> None:
    # whoever takes orders asks `book_has_room` first; a write past the end must be impossible all the same
    if account.resting >= book.shape[0]:
        return
    leg = book[account.resting]
    account.resting += 1
    leg.order_id = account.next_order_id
    account.next_order_id += 1
    leg.symbol = parent.symbol
    leg.side = -parent.side
    leg.kind = kind
    leg.quantity = quantity
    leg.price = price
    leg.stop_price = 0.0
    leg.take_price = 0.0
    leg.sized = 0
    leg.whole = 0
    leg.locked = 0.0
    leg.group = parent.order_id
    leg.submitted_row = account.row
    leg.entered_row = entered_row
    leg.alive = 1
    leg.slippage = parent.slippage
