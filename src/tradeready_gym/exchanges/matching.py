"""What one candle does to the orders that rest, and to a margin account.

A candle does not say whether its high or its low came first; the rule is pessimistic: (a) everything executable at the open,
(b) entries inside the candle, (c) stops, then the liquidation of a margin account that the worst of the candle would break,
(d) profit-side exits, never of a position entered in (b). Within a phase the older order goes first.
"""

import math
from typing import Any

from tradeready_gym.exchanges.book import activate_legs, compact_book, settle_locks
from tradeready_gym.exchanges.execution import (
    ROUNDING,
    STOP_LOSS,
    affordable,
    floor_to_lot,
    record_fill,
    round_price,
    settle_lots,
    use_volume,
    volume_left,
)
from tradeready_gym.exchanges.fees import cost_of, fee_of
from tradeready_gym.exchanges.margin import affordable_trade, exceeds, liquidate, set_references, snap_to_close
from tradeready_gym.kernel import cold_kernel
from tradeready_gym.ledger.margin import apply_trade, closing_part, keeps_margin
from tradeready_gym.ledger.spot import apply_buy, apply_sell


@cold_kernel
def match_book(
    account: Any,
    positions: Any,
    candles: Any,
    newest: Any,
    instruments: Any,
    costs: Any,
    book: Any,
    fills: Any,
    symbols: int,
) -> None:
    """Match every resting order against the candles that begin at the clock; slippage has been quoted."""
    margin = costs.leverage > 0.0
    if margin:
        set_references(positions, candles, newest, costs, symbols)
        end_legs(account, positions, book)
    for phase in range(4):
        if phase == 3 and margin and not keeps_margin(account, positions, candles, symbols, costs.maintenance, -1, 0.0):
            liquidate(account, positions, candles, instruments, costs, book, fills, symbols)
        k = 0
        # the legs that a fill activates are the youngest: they come last in this very phase
        while k < account.resting:
            order = book[k]
            k += 1
            if order.alive == 0:
                continue
            j = order.symbol
            if candles[j].volume <= 0.0:
                continue
            price = execution_price(account, positions[j], order, candles[j], phase, book)
            if not (price > 0.0 and price < math.inf) or (
                margin and liquidated_first(account, positions, order, candles, phase, costs, symbols)
            ):
                continue
            fill_resting(
                account, positions, order, price, phase, candles[j], instruments[j], costs, book, fills, symbols
            )
            if margin:
                end_legs(account, positions, book)
    settle_locks(account, positions, book, symbols)
    compact_book(account, book)


@cold_kernel
def liquidated_first(
    account: Any, positions: Any, order: Any, candles: Any, phase: int, costs: Any, symbols: int
) -> bool:
    """Whether the account is broken before the price reaches a stop that would close a position."""
    if phase != 2:
        return False
    return not keeps_margin(account, positions, candles, symbols, costs.maintenance, order.symbol, float(order.price))


@cold_kernel
def end_legs(account: Any, positions: Any, book: Any) -> None:
    """A leg only ever closes: it ends where its position has ended or turned."""
    for k in range(account.resting):
        leg = book[k]
        if leg.group > 0 and leg.side * positions[leg.symbol].quantity >= 0.0:
            leg.alive = 0


@cold_kernel
def is_maker(order: Any, row: int) -> bool:
    """Whether the order rested before the candle opened; a stop takes liquidity when it triggers."""
    return order.kind != STOP_LOSS and order.submitted_row < row


@cold_kernel
def execution_price(account: Any, position: Any, order: Any, candle: Any, phase: int, book: Any) -> float:
    """The price before ticks at which `order` executes in this phase of the candle, or 0 if it does not."""
    entry = order.side * position.quantity >= 0.0
    if order.kind == STOP_LOSS:
        return _stop_price(account, order, candle, phase, 1 if entry else 2, book)
    side = order.side
    if phase == 0 and side * (candle.open - order.price) <= 0.0:
        if order.submitted_row < account.row:
            return float(candle.open)
        slipped = candle.open * (1.0 + side * order.slippage)
        return float(min(order.price, slipped) if side > 0 else max(order.price, slipped))
    through = candle.low < order.price if side > 0 else candle.high > order.price
    if not through:
        return 0.0
    if entry:
        return float(order.price) if phase == 1 else 0.0
    fresh = order.entered_row == account.row or position.entered_row == account.row
    return float(order.price) if phase == 3 and not fresh else 0.0


@cold_kernel
def _stop_price(account: Any, order: Any, candle: Any, phase: int, inside: int, book: Any) -> float:
    side = order.side
    at_open = side * (candle.open - order.price) >= 0.0
    touched = candle.high >= order.price if side > 0 else candle.low <= order.price
    if not ((phase == 0 and at_open) or (phase == inside and touched)):
        return 0.0
    start = candle.open
    if order.entered_row == account.row:
        start = _entry_price(account, order, book)
    worse = max(start, order.price) if side > 0 else min(start, order.price)
    return float(worse * (1.0 + side * order.slippage))


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
    positions: Any,
    order: Any,
    price: float,
    phase: int,
    candle: Any,
    instrument: Any,
    costs: Any,
    book: Any,
    fills: Any,
    symbols: int,
) -> None:
    """Execute a resting order as far as the account and the candle's volume allow; what the volume leaves waits."""
    position = positions[order.symbol]
    maker = is_maker(order, account.row)
    slips = order.kind == STOP_LOSS or (phase == 0 and not maker)
    if order.kind == STOP_LOSS:
        price = round_price(price, order.side, instrument.tick_size)
    elif slips:
        price = _round_within_limit(price, order, instrument.tick_size)
    rate = costs.maker_fee_rate if maker else costs.fee_rate
    limit = volume_left(position, candle, costs)
    amounts = costs.fee_per_trade + costs.fee_minimum > 0.0
    # where nothing can fill, nothing is cut either: a part that filled has left less in the lock than the rest may cost
    if (costs.leverage > 0.0 or amounts) and order.quantity > limit and floor_to_lot(limit, instrument.lot_size) <= 0.0:
        return
    if costs.leverage > 0.0:
        if not _cut_to_margin(account, positions, order, price, rate, instrument, costs, symbols):
            return
    elif order.side > 0 and not _cut_to_lock(account, order, price, price * (1.0 + rate), instrument, costs):
        return
    quantity = float(order.quantity)
    if order.group > 0 and costs.leverage > 0.0:
        quantity = closing_part(position, order.side, quantity)
    if quantity > limit:
        quantity = floor_to_lot(limit, instrument.lot_size)
    if costs.leverage > 0.0:
        quantity = snap_to_close(account, position, order.side, quantity, price)
    elif order.side < 0 and (position.quantity - quantity) * price <= ROUNDING * account.starting_balance:
        # rounding is sold too: a sale of the whole position leaves exactly nothing
        quantity = float(position.quantity) if quantity > 0.0 else 0.0
    if quantity <= 0.0:
        return
    fee = fee_of(rate * price * quantity, costs.fee_per_trade, costs.fee_minimum)
    if order.side < 0 and costs.leverage <= 0.0:
        fee = min(fee, price * quantity)
    realized = _move(account, position, order, quantity, price, rate, fee, phase, costs)
    settle_lots(position, instrument.lot_size)
    use_volume(position, quantity, costs)
    record_fill(account, order, fills, quantity, price, fee, order.slippage if slips else 0.0, realized)
    opened = float(account.opened) if costs.leverage > 0.0 else quantity
    activate_legs(account, order, opened, book, account.row if phase > 0 else -1)
    order.quantity -= quantity
    if order.quantity <= 0.0 or (
        costs.leverage > 0.0 and order.quantity * price <= ROUNDING * account.starting_balance
    ):
        order.alive = 0
    _end_exits(account, position, order, book, costs.leverage > 0.0)


@cold_kernel
def _move(
    account: Any,
    position: Any,
    order: Any,
    quantity: float,
    price: float,
    rate: float,
    fee: float,
    phase: int,
    costs: Any,
) -> float:
    if costs.leverage > 0.0:
        before = position.quantity
        realized = apply_trade(account, position, order.side, quantity, price, fee)
        if phase > 0 and before * position.quantity <= 0.0 and position.quantity != 0.0:
            position.entered_row = account.row
        return float(realized)
    if order.side > 0:
        _pay_from_lock(account, order, quantity, cost_of(price, price * (1.0 + rate), quantity, costs), costs)
        apply_buy(account, position, quantity, price, fee)
        return 0.0
    return float(apply_sell(account, position, quantity, price, fee))


@cold_kernel
def _cut_to_margin(
    account: Any, positions: Any, order: Any, price: float, rate: float, instrument: Any, costs: Any, symbols: int
) -> bool:
    # what the account no longer affords ends, and with it the order if that is all; a leg closes what is there
    if order.group > 0:
        return True
    most = affordable_trade(account, positions, order.symbol, order.side, price, rate, costs, symbols)
    if exceeds(account, float(order.quantity), most, price):
        order.quantity = floor_to_lot(most, instrument.lot_size)
    if order.quantity > 0.0:
        return True
    order.alive = 0
    return False


@cold_kernel
def _round_within_limit(price: float, order: Any, tick_size: float) -> float:
    rounded = round_price(price, order.side, tick_size)
    if order.side > 0:
        return min(rounded, float(order.price))
    return max(rounded, float(order.price))


@cold_kernel
def _cut_to_lock(account: Any, order: Any, price: float, unit_cost: float, instrument: Any, costs: Any) -> bool:
    # a stop buy can cost more than it locked, and so can the parts of an order that each pay an amount; what it cannot pay for
    # ends, and with it the order if that is all
    if cost_of(price, unit_cost, order.quantity, costs) > order.locked + ROUNDING * account.starting_balance:
        order.quantity = affordable(account, float(order.locked), price, unit_cost, instrument.lot_size, costs)
    if order.quantity > 0.0:
        return True
    account.cash += order.locked
    order.locked = 0.0
    order.alive = 0
    return False


@cold_kernel
def _pay_from_lock(account: Any, order: Any, quantity: float, cost: float, costs: Any) -> None:
    share = order.locked if quantity >= order.quantity else order.locked * (quantity / order.quantity)
    if costs.fee_per_trade + costs.fee_minimum > 0.0:
        # a part pays its amounts whole
        share = min(max(share, cost), order.locked)
    order.locked -= share
    # what the fill does not cost goes back to available cash
    account.cash += max(share - cost, 0.0)


@cold_kernel
def _end_exits(account: Any, position: Any, order: Any, book: Any, margin: bool) -> None:
    # the legs of a bracket share one quantity; and where a spot account holds nothing any more, nothing is left to exit
    flat = position.quantity <= 0.0 and order.side < 0 and not margin
    for k in range(account.resting):
        other = book[k]
        if flat and other.symbol == order.symbol and other.side < 0:
            other.alive = 0
        elif order.group > 0 and other.group == order.group:
            other.quantity = order.quantity
            other.alive = min(other.alive, order.alive)
