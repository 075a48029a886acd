"""One order against one candle: sizing, the rejections, the fill.

A kernel here either changes nothing and records one rejection, or moves the money and records one fill. `candle` is the
record of the candle that begins at the clock; of it a market order uses the open only (`prev_close`, when the exchange fills
at the close), and whether anything was traded in it.
"""

import math
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.ledger.spot import apply_buy, apply_sell

MARKET = 0
LIMIT = 1
STOP_LOSS = 2
TAKE_PROFIT = 3

INSUFFICIENT_BALANCE = 1
INSUFFICIENT_POSITION = 2
MIN_NOTIONAL = 3
INVALID_QUANTITY = 4
INVALID_PRICE = 5
UNKNOWN_SYMBOL = 6
MARKET_CLOSED = 7
RISK_LIMIT = 8

# a quantity within this of a whole number of lots is that number of lots: 0.3 / 0.1 is 2.9999999999999996
_LOT_TOLERANCE = 1e-9
# what binary rounding may add to a quantity or a cost that was meant to be everything there is
ROUNDING = 1e-12


@kernel
def floor_to_lot(quantity: float, lot_size: float) -> float:
    """The largest whole number of lots in `quantity`; a lot size of 0 leaves it as it is."""
    if lot_size <= 0.0:
        return quantity
    return math.floor(quantity / lot_size + _LOT_TOLERANCE) * lot_size


@kernel
def round_price(price: float, side: int, tick_size: float) -> float:
    """`price` on the grid of ticks, rounded against the trader."""
    if tick_size <= 0.0:
        return price
    if side > 0:
        return math.ceil(price / tick_size - _LOT_TOLERANCE) * tick_size
    return math.floor(price / tick_size + _LOT_TOLERANCE) * tick_size


@kernel
def smallest_value(account: Any, instrument: Any, costs: Any) -> float:
    """The value below which an order is refused: the instrument's minimum, and never dust."""
    return max(costs.dust * account.starting_balance, instrument.min_notional)


@kernel
def record_fill(
    account: Any, order: Any, fills: Any, quantity: float, price: float, fee: float, slip: float, realized: float
) -> None:
    """Write down one execution, and count it."""
    fill = fills[account.fills]
    fill.order_id = order.order_id
    fill.symbol = order.symbol
    fill.side = order.side
    fill.kind = order.kind
    fill.quantity = quantity
    fill.price = price
    fill.fee = fee
    fill.slippage = slip
    fill.realized_pnl = realized
    fill.row = account.row
    account.fills += 1
    account.trades += 1
    account.traded_value += price * quantity


@kernel
def record_reject(account: Any, order: Any, rejects: Any, reason: int) -> None:
    """Write down one refusal. Nothing else changes."""
    reject = rejects[account.rejects]
    reject.order_id = order.order_id
    reject.symbol = order.symbol
    reject.side = order.side
    reject.kind = order.kind
    reject.quantity = order.quantity
    reject.price = order.price
    reject.reason = reason
    reject.row = account.row
    account.rejects += 1


@kernel
def volume_left(position: Any, candle: Any, costs: Any) -> float:
    """What `max_volume_share` still lets this candle fill."""
    if costs.max_volume_share <= 0.0:
        return math.inf
    return max(costs.max_volume_share * candle.volume - position.volume_used, 0.0)


@kernel
def cut_to_holding(position: Any, order: Any) -> None:
    """A sell that a scheme sized is cut to what is held and not locked."""
    available = position.quantity - position.locked
    if order.whole == 1 or order.quantity > available:
        order.quantity = available


@kernel
def execute_market(
    account: Any,
    position: Any,
    order: Any,
    candle: Any,
    newest: Any,
    instrument: Any,
    costs: Any,
    fills: Any,
    rejects: Any,
) -> float:
    """Fill or refuse a market order; `order.slippage` has been quoted. Returns the quantity that was filled.

    `newest` is the last visible candle: its close judges the minimum value, and is the reference of `fill_at="close"`.
    """
    reference = candle.open
    traded = candle.volume > 0.0
    if costs.fill_at_close == 1:
        reference = newest.close
        traded = newest.volume > 0.0
    if not traded:
        record_reject(account, order, rejects, MARKET_CLOSED)
        return 0.0
    quantity = floor_to_lot(order.quantity, instrument.lot_size)
    if not (quantity > 0.0 and quantity < math.inf):
        record_reject(account, order, rejects, INVALID_QUANTITY)
        return 0.0
    if order.side > 0:
        return _market_buy(
            account, position, order, quantity, reference, candle, newest, instrument, costs, fills, rejects
        )
    return _market_sell(
        account, position, order, quantity, reference, candle, newest, instrument, costs, fills, rejects
    )


@kernel
def _market_buy(
    account: Any,
    position: Any,
    order: Any,
    quantity: float,
    reference: float,
    candle: Any,
    newest: Any,
    instrument: Any,
    costs: Any,
    fills: Any,
    rejects: Any,
) -> float:
    price = round_price(reference * (1.0 + order.slippage), 1, instrument.tick_size)
    unit_cost = price * (1.0 + costs.fee_rate)
    spends_all = False
    if quantity * unit_cost > account.cash * (1.0 + ROUNDING):
        if order.sized == 0:
            record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
            return 0.0
        quantity = floor_to_lot(account.cash / unit_cost, instrument.lot_size)
        spends_all = instrument.lot_size <= 0.0
        if quantity <= 0.0:
            record_reject(account, order, rejects, INSUFFICIENT_BALANCE)
            return 0.0
    if quantity * newest.close < smallest_value(account, instrument, costs):
        record_reject(account, order, rejects, MIN_NOTIONAL)
        return 0.0
    limit = volume_left(position, candle, costs)
    if quantity > limit:
        quantity = floor_to_lot(limit, instrument.lot_size)
        spends_all = False
        if quantity <= 0.0:
            record_reject(account, order, rejects, MARKET_CLOSED)
            return 0.0
    fee = costs.fee_rate * price * quantity
    account.cash = 0.0 if spends_all else max(account.cash - quantity * unit_cost, 0.0)
    position.volume_used += quantity
    apply_buy(account, position, quantity, price, fee)
    record_fill(account, order, fills, quantity, price, fee, order.slippage, 0.0)
    return quantity


@kernel
def _market_sell(
    account: Any,
    position: Any,
    order: Any,
    quantity: float,
    reference: float,
    candle: Any,
    newest: Any,
    instrument: Any,
    costs: Any,
    fills: Any,
    rejects: Any,
) -> float:
    available = position.quantity - position.locked
    if quantity > available * (1.0 + ROUNDING):
        record_reject(account, order, rejects, INSUFFICIENT_POSITION)
        return 0.0
    quantity = min(quantity, available)
    if quantity * newest.close < smallest_value(account, instrument, costs):
        record_reject(account, order, rejects, MIN_NOTIONAL)
        return 0.0
    limit = volume_left(position, candle, costs)
    if quantity > limit:
        quantity = floor_to_lot(limit, instrument.lot_size)
        if quantity <= 0.0:
            record_reject(account, order, rejects, MARKET_CLOSED)
            return 0.0
    price = round_price(reference * (1.0 - order.slippage), -1, instrument.tick_size)
    fee = costs.fee_rate * price * quantity
    position.volume_used += quantity
    realized = apply_sell(account, position, quantity, price, fee)
    record_fill(account, order, fills, quantity, price, fee, order.slippage, realized)
    return quantity
