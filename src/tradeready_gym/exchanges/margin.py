"""What a margin account affords, and how it is liquidated."""

import math
from typing import Any

from tradeready_gym.exchanges.execution import (
    INSUFFICIENT_BALANCE,
    INVALID_PRICE,
    MARKET,
    ROUNDING,
    admit_market,
    floor_to_lot,
    market_reference,
    record_fill,
    record_reject,
    refusal_of_cut,
    round_price,
    settle_lots,
    use_volume,
    volume_left,
)
from tradeready_gym.exchanges.fees import fee_of
from tradeready_gym.kernel import cold_kernel
from tradeready_gym.ledger.margin import apply_trade, closing_part, forgive_debt, worst_price

LIQUIDATION = 4


@cold_kernel
def exposed_quantity(account: Any, position: Any, orders: Any, symbol: int) -> float:
    """The most that the symbol's liquidation may have to close, as known at the decision: what is held, or will be."""
    after = position.quantity
    for k in range(account.pending):
        order = orders[k]
        if order.symbol == symbol and order.kind == MARKET:
            after += order.side * order.quantity
    return max(abs(position.quantity), abs(after))


@cold_kernel
def set_references(positions: Any, candles: Any, newest: Any, costs: Any, symbols: int) -> None:
    """What each symbol is worth while others trade: the open, or the last visible close with `fill_at="close"`."""
    for j in range(symbols):
        positions[j].reference = newest[j].close if costs.fill_at_close == 1 else candles[j].open


@cold_kernel
def affordable_trade(
    account: Any, positions: Any, symbol: int, side: int, price: float, fee_rate: float, costs: Any, symbols: int
) -> float:
    """The largest quantity that keeps gross value within leverage x equity, and never less than what closes."""
    held = positions[symbol].quantity
    equity = account.cash + held * price
    others = 0.0
    for j in range(symbols):
        if j != symbol:
            equity += positions[j].quantity * positions[j].reference
            others += abs(positions[j].quantity) * positions[j].reference
    room = costs.leverage * equity - others - side * held * price
    most = min(
        (room - costs.leverage * costs.fee_per_trade) / (price * (1.0 + costs.leverage * fee_rate)),
        (room - costs.leverage * costs.fee_minimum) / price,
    )
    if most * price <= ROUNDING * account.starting_balance:
        most = 0.0
    return max(most, closing_part(positions[symbol], side, math.inf))


@cold_kernel
def snap_to_close(account: Any, position: Any, side: int, quantity: float, price: float) -> float:
    """A trade that misses closing the whole position by no more than rounding closes it."""
    whole = closing_part(position, side, math.inf)
    if whole > 0.0 and abs(quantity - whole) * price <= ROUNDING * account.starting_balance:
        return whole
    return quantity


@cold_kernel
def exceeds(account: Any, quantity: float, most: float, price: float) -> bool:
    """Whether a quantity is more than the most, by more than rounding."""
    return bool((quantity - most) * price > ROUNDING * account.starting_balance)


@cold_kernel
def execute_margin_market(
    account: Any,
    positions: Any,
    order: Any,
    candles: Any,
    newest: Any,
    instrument: Any,
    costs: Any,
    fills: Any,
    rejects: Any,
    symbols: int,
) -> float:
    """Fill or refuse a market order of a margin account. Returns the quantity that was filled."""
    j = order.symbol
    position = positions[j]
    quantity = admit_market(account, order, candles[j], newest[j], instrument, costs)
    if quantity < 0.0:
        record_reject(account, order, rejects, int(-quantity))
    if quantity <= 0.0:
        return 0.0
    close = newest[j].close
    side = order.side
    quantity = snap_to_close(account, position, side, quantity, close)
    price = round_price(
        market_reference(candles[j], newest[j], costs) * (1.0 + side * order.slippage), side, instrument.tick_size
    )
    if not (price > 0.0 and price < math.inf):
        record_reject(account, order, rejects, INVALID_PRICE)
        return 0.0
    set_references(positions, candles, newest, costs, symbols)
    most = affordable_trade(account, positions, j, side, price, costs.fee_rate, costs, symbols)
    if exceeds(account, quantity, most, price):
        if order.sized == 0:
            record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
            return 0.0
        quantity = floor_to_lot(most, instrument.lot_size)
        refusal = refusal_of_cut(account, quantity, close, instrument, costs)
        if refusal > 0:
            record_reject(account, order, rejects, refusal)
            return 0.0
    limit = volume_left(position, candles[j], costs)
    if quantity > limit:
        quantity = floor_to_lot(limit, instrument.lot_size)
        if quantity <= 0.0:
            return 0.0
    fee = fee_of(costs.fee_rate * price * quantity, costs.fee_per_trade, costs.fee_minimum)
    use_volume(position, quantity, costs)
    realized = apply_trade(account, position, side, quantity, price, fee)
    settle_lots(position, instrument.lot_size)
    record_fill(account, order, fills, quantity, price, fee, order.slippage, realized)
    return quantity


@cold_kernel
def liquidate(
    account: Any,
    positions: Any,
    candles: Any,
    instruments: Any,
    costs: Any,
    book: Any,
    fills: Any,
    symbols: int,
) -> None:
    """Close every position at its worst price less slippage, cancel every order, and forgive what cash is below zero."""
    for k in range(account.resting):
        book[k].alive = 0
    for j in range(symbols):
        position = positions[j]
        quantity = abs(position.quantity)
        if quantity == 0.0:
            continue
        side = -1 if position.quantity > 0.0 else 1
        slippage = position.exit_slippage
        price = round_price(worst_price(position, candles[j]) * (1.0 + side * slippage), side, instruments[j].tick_size)
        fee = fee_of(
            (costs.fee_rate + costs.liquidation_fee) * price * quantity, costs.fee_per_trade, costs.fee_minimum
        )
        realized = apply_trade(account, position, side, quantity, price, fee)
        _record_liquidation(account, j, side, fills, quantity, price, fee, slippage, realized)
    forgive_debt(account)


@cold_kernel
def _record_liquidation(
    account: Any,
    symbol: int,
    side: int,
    fills: Any,
    quantity: float,
    price: float,
    fee: float,
    slippage: float,
    realized: float,
) -> None:
    # `record_fill` copies these from an order, and here there is none
    place = min(account.fills, fills.shape[0] - 1)
    fill = fills[place]
    fill.order_id = account.next_order_id
    account.next_order_id += 1
    fill.symbol = symbol
    fill.side = side
    fill.kind = LIQUIDATION
    fill.quantity = quantity
    fill.price = price
    fill.fee = fee
    fill.slippage = slippage
    fill.realized_pnl = realized
    fill.row = account.row
    account.fills = place + 1
    account.trades += 1
    account.traded_value += price * quantity
