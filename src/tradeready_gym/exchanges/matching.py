"""Orders that rest, and what one candle does to them.

A candle does not say whether its high or its low came first; the rule is pessimistic: (a) everything executable at the open,
(b) entries inside the candle, (c) stops, (d) profit-side exits, never of a position entered in (b). Within a phase the older
order goes first (order ids grow with age).
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
    floor_to_lot,
    order_prices_valid,
    record_fill,
    record_reject,
    round_price,
    settle_lots,
    smallest_value,
    snap_to_holding,
    unlocked,
    volume_left,
)
from tradeready_gym.kernel import cold_kernel
from tradeready_gym.ledger.spot import apply_buy, apply_sell


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
    account: Any, position: Any, order: Any, newest: Any, instrument: Any, costs: Any, book: Any, rejects: Any
) -> bool:
    """Lock what a resting order needs and put it into the book, or refuse it. Returns whether it rests."""
    if not book_has_room(account, book, order):
        record_reject(account, order, rejects, RISK_LIMIT)
        return False
    quantity = floor_to_lot(order.quantity, instrument.lot_size)
    if not (quantity > 0.0 and quantity < math.inf):
        record_reject(account, order, rejects, INVALID_QUANTITY)
        return False
    if not order_prices_valid(order, instrument.tick_size):
        record_reject(account, order, rejects, INVALID_PRICE)
        return False
    if quantity * newest.close < smallest_value(account, instrument, costs):
        record_reject(account, order, rejects, MIN_NOTIONAL)
        return False
    locked = 0.0
    if order.side > 0:
        locked = quantity * lock_price(order, costs)
        if locked > account.cash + ROUNDING * account.starting_balance:
            record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
            return False
        locked = min(locked, account.cash)
        account.cash -= locked
        account.locked_cash += locked
    else:
        quantity = snap_to_holding(account, position, quantity, newest.close)
        if quantity > unlocked(position):
            record_reject(account, order, rejects, INSUFFICIENT_POSITION)
            return False
        position.locked += quantity
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
    return True


@cold_kernel
def lock_price(order: Any, costs: Any) -> float:
    """What a resting buy locks for each unit: the most that it can cost."""
    if order.kind == STOP_LOSS:
        return float(order.price * (1.0 + costs.fee_rate) * (1.0 + costs.slippage_maximum))
    return float(order.price * (1.0 + max(costs.fee_rate, costs.maker_fee_rate)))


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
    if parent.stop_price <= 0.0 and parent.take_price <= 0.0:
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
    leg.side = -1
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


@cold_kernel
def match_book(
    account: Any, positions: Any, candles: Any, instruments: Any, costs: Any, book: Any, fills: Any, symbols: int
) -> None:
    """Match every resting order against the candles that begin at the clock; slippage has been quoted."""
    for phase in range(4):
        k = 0
        # the legs that a fill activates are the youngest: they come last in this very phase
        while k < account.resting:
            order = book[k]
            k += 1
            if order.alive == 0:
                continue
            candle = candles[order.symbol]
            if candle.volume <= 0.0:
                continue
            price = execution_price(account, order, candle, phase, book)
            if price > 0.0:
                position = positions[order.symbol]
                maker = is_maker(order, account.row)
                fill_resting(
                    account, position, order, price, maker, phase, candle, instruments[order.symbol], costs, book, fills
                )
    settle_locks(account, positions, book, symbols)
    compact_book(account, book)


@cold_kernel
def is_maker(order: Any, row: int) -> bool:
    """Whether the order rested before the candle opened; a stop takes liquidity when it triggers."""
    return order.kind != STOP_LOSS and order.submitted_row < row


@cold_kernel
def execution_price(account: Any, order: Any, candle: Any, phase: int, book: Any) -> float:
    """The price before ticks at which `order` executes in this phase of the candle, or 0 if it does not."""
    if order.kind == STOP_LOSS:
        return _stop_price(account, order, candle, phase, book)
    if order.side > 0:
        if phase == 0 and candle.open <= order.price:
            if order.submitted_row < account.row:
                return float(candle.open)
            return min(order.price, candle.open * (1.0 + order.slippage))
        if phase == 1 and candle.low < order.price:
            return float(order.price)
        return 0.0
    if phase == 0 and candle.open >= order.price:
        if order.submitted_row < account.row:
            return float(candle.open)
        return max(order.price, candle.open * (1.0 - order.slippage))
    if phase == 3 and candle.high > order.price and order.entered_row != account.row:
        return float(order.price)
    return 0.0


@cold_kernel
def _stop_price(account: Any, order: Any, candle: Any, phase: int, book: Any) -> float:
    if order.side > 0:
        at_open = candle.open >= order.price
        if (phase == 0 and at_open) or (phase == 1 and candle.high >= order.price):
            return max(candle.open, order.price) * (1.0 + order.slippage)
        return 0.0
    at_open = candle.open <= order.price
    if (phase == 0 and at_open) or (phase == 2 and candle.low <= order.price):
        start = candle.open
        if order.entered_row == account.row:
            start = _entry_price(account, order, book)
        return min(start, order.price) * (1.0 - order.slippage)
    return 0.0


@cold_kernel
def _entry_price(account: Any, leg: Any, book: Any) -> float:
    # a parent that filled inside this candle met the market at its own price, and the dead stay in the book until it is over
    price = leg.price
    for k in range(account.resting):
        if book[k].order_id == leg.group:
            price = book[k].price
    return float(price)


@cold_kernel
def fill_resting(
    account: Any,
    position: Any,
    order: Any,
    price: float,
    maker: bool,
    phase: int,
    candle: Any,
    instrument: Any,
    costs: Any,
    book: Any,
    fills: Any,
) -> None:
    """Execute a resting order as far as the candle's volume allows; what is left waits."""
    slips = order.kind == STOP_LOSS or (phase == 0 and not maker)
    if order.kind == STOP_LOSS:
        price = round_price(price, order.side, instrument.tick_size)
    elif slips:
        price = _round_within_limit(price, order, instrument.tick_size)
    rate = costs.maker_fee_rate if maker else costs.fee_rate
    if order.side > 0 and not _cut_to_lock(account, order, price * (1.0 + rate), instrument):
        return
    quantity = float(order.quantity)
    limit = volume_left(position, candle, costs)
    if quantity > limit:
        quantity = floor_to_lot(limit, instrument.lot_size)
    if order.side < 0 and (position.quantity - quantity) * price <= ROUNDING * account.starting_balance:
        # rounding is sold too: a sale of the whole position leaves exactly nothing
        quantity = float(position.quantity) if quantity > 0.0 else 0.0
    if quantity <= 0.0:
        return
    fee = rate * price * quantity
    realized = 0.0
    if order.side > 0:
        _pay_from_lock(account, order, quantity, price * (1.0 + rate))
        apply_buy(account, position, quantity, price, fee)
    else:
        realized = apply_sell(account, position, quantity, price, fee)
    settle_lots(position, instrument.lot_size)
    position.volume_used += quantity
    record_fill(account, order, fills, quantity, price, fee, order.slippage if slips else 0.0, realized)
    if order.side > 0:
        activate_legs(account, order, quantity, book, account.row if phase == 1 else -1)
    order.quantity -= quantity
    if order.quantity <= 0.0:
        order.alive = 0
    if order.side < 0:
        _end_exits(account, position, order, book)


@cold_kernel
def _round_within_limit(price: float, order: Any, tick_size: float) -> float:
    rounded = round_price(price, order.side, tick_size)
    if order.side > 0:
        return min(rounded, float(order.price))
    return max(rounded, float(order.price))


@cold_kernel
def _cut_to_lock(account: Any, order: Any, unit_cost: float, instrument: Any) -> bool:
    # only a stop buy can cost more than it locked; what it cannot pay for ends, and with it the order if that is all
    if order.quantity * unit_cost > order.locked + ROUNDING * account.starting_balance:
        order.quantity = affordable(account, float(order.locked), unit_cost, instrument.lot_size)
    if order.quantity > 0.0:
        return True
    account.cash += order.locked
    order.locked = 0.0
    order.alive = 0
    return False


@cold_kernel
def _pay_from_lock(account: Any, order: Any, quantity: float, unit_cost: float) -> None:
    share = order.locked if quantity >= order.quantity else order.locked * (quantity / order.quantity)
    order.locked -= share
    # what the fill does not cost goes back to available cash
    account.cash += max(share - quantity * unit_cost, 0.0)


@cold_kernel
def _end_exits(account: Any, position: Any, order: Any, book: Any) -> None:
    # the legs of a bracket share one quantity; and where nothing is held any more, nothing is left to exit
    flat = position.quantity <= 0.0
    for k in range(account.resting):
        other = book[k]
        if flat and other.symbol == order.symbol and other.side < 0:
            other.alive = 0
        elif order.group > 0 and other.group == order.group:
            other.quantity = order.quantity
            other.alive = min(other.alive, order.alive)
