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
    floor_to_lot,
    record_fill,
    record_reject,
    round_price,
    smallest_value,
    volume_left,
)
from tradeready_gym.kernel import cold_kernel
from tradeready_gym.ledger.spot import apply_buy, apply_sell

_TICK_TOLERANCE = 1e-6


@cold_kernel
def on_tick(price: float, tick_size: float) -> bool:
    """Whether `price` is a whole number of ticks (a tick size of 0 accepts any price)."""
    if tick_size <= 0.0:
        return True
    ticks = price / tick_size
    return abs(ticks - math.floor(ticks + 0.5)) <= _TICK_TOLERANCE


@cold_kernel
def valid_price(price: float, tick_size: float) -> bool:
    """A finite positive price on the grid of ticks."""
    return price > 0.0 and price < math.inf and on_tick(price, tick_size)


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
def order_prices_valid(order: Any, tick_size: float) -> bool:
    """Every price that the order carries is a price; a bracket belongs to a buy and encloses nothing impossible."""
    if order.kind != 0 and not valid_price(order.price, tick_size):
        return False
    if order.stop_price == 0.0 and order.take_price == 0.0:
        return True
    if order.side < 0:
        return False
    if order.stop_price != 0.0 and not valid_price(order.stop_price, tick_size):
        return False
    if order.take_price != 0.0 and not valid_price(order.take_price, tick_size):
        return False
    return not (order.stop_price > 0.0 and order.take_price > 0.0 and order.stop_price >= order.take_price)


@cold_kernel
def rest_order(
    account: Any, position: Any, order: Any, newest: Any, instrument: Any, costs: Any, book: Any, rejects: Any
) -> bool:
    """Lock what a resting order needs and put it into the book, or refuse it. Returns whether it rests."""
    quantity = floor_to_lot(order.quantity, instrument.lot_size)
    if not (quantity > 0.0 and quantity < math.inf):
        record_reject(account, order, rejects, INVALID_QUANTITY)
        return False
    if not order_prices_valid(order, instrument.tick_size):
        record_reject(account, order, rejects, INVALID_PRICE)
        return False
    if not book_has_room(account, book, order):
        record_reject(account, order, rejects, RISK_LIMIT)
        return False
    locked = 0.0
    if order.side > 0:
        unit = order.price * (1.0 + costs.fee_rate)
        if order.kind == STOP_LOSS:
            unit *= 1.0 + costs.slippage_maximum
        locked = quantity * unit
        if locked > account.cash * (1.0 + ROUNDING):
            if order.sized == 0:
                record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
                return False
            quantity = floor_to_lot(account.cash / unit, instrument.lot_size)
            locked = account.cash if instrument.lot_size <= 0.0 else quantity * unit
            if quantity <= 0.0:
                record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
                return False
    elif quantity > (position.quantity - position.locked) * (1.0 + ROUNDING):
        record_reject(account, order, rejects, INSUFFICIENT_POSITION)
        return False
    else:
        quantity = min(quantity, position.quantity - position.locked)
    if quantity * newest.close < smallest_value(account, instrument, costs):
        record_reject(account, order, rejects, MIN_NOTIONAL)
        return False
    if order.side > 0:
        locked = min(locked, account.cash)
        account.cash -= locked
        account.locked_cash += locked
    else:
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
def release_cash(account: Any, amount: float) -> None:
    """Back from the lock into available cash."""
    account.locked_cash -= amount
    account.cash += amount


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
    """The exits of a bracket, for what its parent has just filled; a further part joins the legs that are there."""
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
        # an order that this phase activates is looked at from the next phase on
        count = account.resting
        for k in range(count):
            order = book[k]
            if order.alive == 0:
                continue
            candle = candles[order.symbol]
            if candle.volume <= 0.0:
                continue
            price = execution_price(order, candle, phase, account.row)
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
def execution_price(order: Any, candle: Any, phase: int, row: int) -> float:
    """The price before ticks at which `order` executes in this phase of the candle, or 0 if it does not."""
    if order.kind == STOP_LOSS:
        return _stop_price(order, candle, phase)
    # a leg that this very candle activated has no open to execute at
    fresh_leg = order.group > 0 and order.submitted_row == row
    if order.side > 0:
        if phase == 0 and candle.open <= order.price:
            if order.submitted_row < row:
                return float(candle.open)
            return min(order.price, candle.open * (1.0 + order.slippage))
        if phase == 1 and candle.low < order.price:
            return float(order.price)
        return 0.0
    if phase == 0 and not fresh_leg and candle.open >= order.price:
        if order.submitted_row < row:
            return float(candle.open)
        return max(order.price, candle.open * (1.0 - order.slippage))
    if phase == 3 and candle.high > order.price and order.entered_row != row:
        return float(order.price)
    return 0.0


@cold_kernel
def _stop_price(order: Any, candle: Any, phase: int) -> float:
    if order.side > 0:
        at_open = candle.open >= order.price
        if (phase == 0 and at_open) or (phase == 1 and candle.high >= order.price):
            return max(candle.open, order.price) * (1.0 + order.slippage)
        return 0.0
    at_open = candle.open <= order.price
    if (phase == 0 and at_open) or (phase == 2 and candle.low <= order.price):
        return min(candle.open, order.price) * (1.0 - order.slippage)
    return 0.0


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
    quantity = min(order.quantity, floor_to_lot(volume_left(position, candle, costs), instrument.lot_size))
    if order.side < 0:
        quantity = min(quantity, position.quantity)
    if quantity <= 0.0:
        return
    slip = order.slippage if slips else 0.0
    fee = rate * price * quantity
    realized = 0.0
    if order.side > 0:
        quantity, fee = _pay_from_lock(account, order, quantity, price, rate, instrument)
        if quantity <= 0.0:
            return
        apply_buy(account, position, quantity, price, fee)
    else:
        realized = apply_sell(account, position, quantity, price, fee)
    position.volume_used += quantity
    record_fill(account, order, fills, quantity, price, fee, slip, realized)
    if order.side > 0:
        activate_legs(account, order, quantity, book, account.row if phase == 1 else -1)
    else:
        _shrink_sibling(account, order, quantity, book)
    order.quantity -= quantity
    if order.quantity <= 0.0 or (order.side < 0 and position.quantity <= 0.0):
        order.alive = 0


@cold_kernel
def _round_within_limit(price: float, order: Any, tick_size: float) -> float:
    rounded = round_price(price, order.side, tick_size)
    if order.side > 0:
        return min(rounded, float(order.price))
    return max(rounded, float(order.price))


@cold_kernel
def _pay_from_lock(
    account: Any, order: Any, quantity: float, price: float, rate: float, instrument: Any
) -> tuple[float, float]:
    unit = price * (1.0 + rate)
    complete = quantity >= order.quantity
    share = order.locked if complete else order.locked * (quantity / order.quantity)
    if quantity * unit > share:
        quantity = floor_to_lot(share / unit, instrument.lot_size)
        complete = True
        share = order.locked
        order.quantity = quantity
    if quantity <= 0.0:
        order.alive = 0
        account.cash += order.locked
        order.locked = 0.0
        return 0.0, 0.0
    # what the fill does not cost goes back to available cash
    account.cash += max(share - quantity * unit, 0.0)
    order.locked = 0.0 if complete else order.locked - share
    return quantity, rate * price * quantity


@cold_kernel
def _shrink_sibling(account: Any, order: Any, quantity: float, book: Any) -> None:
    if order.group == 0:
        return
    for k in range(account.resting):
        leg = book[k]
        if leg.alive == 1 and leg.group == order.group and leg.order_id != order.order_id:
            leg.quantity -= quantity
            if leg.quantity <= 0.0:
                leg.alive = 0
