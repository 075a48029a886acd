"""One order against one candle: sizing, the rejections, the fill.

A kernel here either changes nothing and says why, or moves the money and records one fill. `candle` is the
record of the candle that begins at the clock; of it a market order uses the open only (and not even that when the exchange
fills at the last visible close), and how much was traded in it.

The checks come in one order, and the first that fails gives the reason: unknown symbol, no room in the book (risk limit),
quantity, prices, minimum value, closed market, position or balance.
"""

import math
from typing import Any

from tradeready_gym.exchanges.fees import cost_of, fee_of, paid_by
from tradeready_gym.kernel import cold_kernel, kernel
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

# a value within this share of the starting balance is what binary rounding leaves of nothing
ROUNDING = 1e-12
# a count of lots or ticks within this of a whole number is that number: 0.3 / 0.1 is 2.9999999999999996, and a price of 1e7
# ticks is known to 1e-9 of one
_COUNT_TOLERANCE = 1e-6
# a count beyond this is no longer known to the tolerance, and soon not an integer that compiled code can hold
_COUNTABLE = 1e12


@kernel
def floor_to_lot(quantity: float, lot_size: float) -> float:
    """The largest whole number of lots in `quantity`; a lot size of 0 leaves it as it is."""
    if lot_size <= 0.0:
        return quantity
    lots = quantity / lot_size
    if not abs(lots) < _COUNTABLE:
        return quantity
    return math.floor(lots + _COUNT_TOLERANCE) * lot_size


@kernel
def settle_lots(position: Any, lot_size: float) -> None:
    """Keep a position that is made of lots a whole number of them, or rounding would add up to one."""
    if lot_size > 0.0 and position.quantity < _COUNTABLE * lot_size:
        lots = position.quantity / lot_size
        whole = math.floor(lots + 0.5)
        if abs(lots - whole) <= 1000.0 * _COUNT_TOLERANCE:
            position.quantity = whole * lot_size


@kernel
def affordable(account: Any, cash: float, price: float, unit_cost: float, lot_size: float, costs: Any) -> float:
    """The largest quantity in whole lots that `cash` pays for, at a price that is `unit_cost` with the fee's rate."""
    quantity = floor_to_lot(paid_by(cash, price, unit_cost, costs), lot_size)
    if cost_of(price, unit_cost, quantity, costs) > cash + ROUNDING * account.starting_balance:
        quantity -= lot_size
    return max(quantity, 0.0)


@kernel
def round_price(price: float, side: int, tick_size: float) -> float:
    """`price` on the grid of ticks, rounded against the trader."""
    if tick_size <= 0.0:
        return price
    ticks = price / tick_size
    if not abs(ticks) < _COUNTABLE:
        return price
    if side > 0:
        return math.ceil(ticks - _COUNT_TOLERANCE) * tick_size
    return math.floor(ticks + _COUNT_TOLERANCE) * tick_size


@cold_kernel
def valid_price(price: float, tick_size: float) -> bool:
    """A finite positive price on the grid of ticks (a tick size of 0 accepts any)."""
    if not (price > 0.0 and price < math.inf):
        return False
    if tick_size <= 0.0:
        return True
    ticks = price / tick_size
    return ticks >= _COUNTABLE or abs(ticks - math.floor(ticks + 0.5)) <= _COUNT_TOLERANCE


@cold_kernel
def order_prices_valid(order: Any, tick_size: float, shorts: bool) -> bool:
    """Every price that the order carries is a price; a bracket encloses something, and is on a sell only with `shorts`."""
    if order.kind != MARKET and not valid_price(order.price, tick_size):
        return False
    if order.stop_price == 0.0 and order.take_price == 0.0:
        return True
    if order.side < 0 and not shorts:
        return False
    if order.stop_price != 0.0 and not valid_price(order.stop_price, tick_size):
        return False
    if order.take_price != 0.0 and not valid_price(order.take_price, tick_size):
        return False
    both = order.stop_price > 0.0 and order.take_price > 0.0
    return not (both and order.side * (order.take_price - order.stop_price) <= 0.0)


@cold_kernel
def settle_prices(order: Any, tick_size: float) -> None:
    """A scheme does not know the ticks: its prices go to the grid, on the side that asks for no more than it did."""
    side = int(order.side)
    if order.kind != MARKET:
        order.price = round_price(order.price, -side, tick_size)
    if order.stop_price > 0.0:
        order.stop_price = round_price(order.stop_price, -side, tick_size)
    if order.take_price > 0.0:
        order.take_price = round_price(order.take_price, side, tick_size)


@kernel
def smallest_value(account: Any, instrument: Any, costs: Any) -> float:
    """The value below which an order is refused: the instrument's minimum, and never dust."""
    return max(costs.dust * account.starting_balance, instrument.min_notional)


@kernel
def record_fill(
    account: Any, order: Any, fills: Any, quantity: float, price: float, fee: float, slip: float, realized: float
) -> None:
    """Write down one execution, and count it."""
    # there is always room; a write past the end must be impossible all the same
    place = min(account.fills, fills.shape[0] - 1)
    fill = fills[place]
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
    account.fills = place + 1
    account.trades += 1
    account.traded_value += price * quantity


@kernel
def record_reject(account: Any, order: Any, rejects: Any, reason: int) -> None:
    """Write down one refusal. Nothing else changes."""
    place = min(account.rejects, rejects.shape[0] - 1)
    reject = rejects[place]
    reject.order_id = order.order_id
    reject.symbol = order.symbol
    reject.side = order.side
    reject.kind = order.kind
    reject.quantity = order.quantity
    reject.price = order.price
    reject.reason = reason
    reject.row = account.row
    account.rejects = place + 1


@kernel
def fault_of(order: Any, symbols: int) -> int:
    """Why something that a scheme of others wrote is no order at all; 0 if it is one."""
    if order.symbol < 0 or order.symbol >= symbols:
        return UNKNOWN_SYMBOL
    known = (order.side == 1 or order.side == -1) and MARKET <= order.kind <= TAKE_PROFIT
    return 0 if known else INVALID_QUANTITY


@kernel
def refuse_faulty(account: Any, order: Any, rejects: Any, reason: int) -> None:
    """Number and refuse it; what it asks for is not looked at."""
    order.order_id = account.next_order_id
    account.next_order_id += 1
    record_reject(account, order, rejects, reason)


@kernel
def volume_left(position: Any, candle: Any, costs: Any) -> float:
    """What `max_volume_share` still lets this candle fill; what rounding leaves of it is nothing."""
    if costs.max_volume_share <= 0.0:
        return math.inf
    cap = costs.max_volume_share * candle.volume
    left = cap - position.volume_used
    return left if left > ROUNDING * cap else 0.0


@kernel
def use_volume(position: Any, quantity: float, costs: Any) -> None:
    """Count what this candle has filled, where that is bounded."""
    if costs.max_volume_share > 0.0:
        position.volume_used += quantity


@kernel
def unlocked(position: Any) -> float:
    """What is held and not locked; locks that are all of it but for rounding leave nothing."""
    left = position.quantity - position.locked
    return left if left > ROUNDING * position.quantity else 0.0


@kernel
def cut_to_holding(position: Any, order: Any) -> None:
    """A sell that a scheme sized is cut to what is held and not locked."""
    available = unlocked(position)
    if order.whole == 1 or order.quantity > available:
        order.quantity = available


@kernel
def snap_to_holding(account: Any, position: Any, quantity: float, close: float) -> float:
    """A sell that misses what can be sold by no more than rounding sells exactly that: 0.1 + 0.2 can be sold as 0.3."""
    available = unlocked(position)
    if abs(quantity - available) * close <= ROUNDING * account.starting_balance:
        return available
    return quantity


@kernel
def within_limits(order: Any, close: float, instrument: Any) -> float:
    """The quantity in whole lots; beyond the most that is allowed it is cut if a scheme sized it, else 0; 0 below the least."""
    quantity = floor_to_lot(order.quantity, instrument.lot_size)
    most = math.inf
    if instrument.max_quantity > 0.0:
        most = instrument.max_quantity
    if instrument.max_notional > 0.0 and most * close > instrument.max_notional:
        most = instrument.max_notional / close
    if quantity > most * (1.0 + ROUNDING):
        quantity = floor_to_lot(most, instrument.lot_size) if order.sized == 1 else 0.0
    return 0.0 if below_least(quantity, instrument) else quantity


@kernel
def below_least(quantity: float, instrument: Any) -> bool:
    """Whether it is less than an order of the instrument must have."""
    return bool(quantity < instrument.min_quantity * (1.0 - ROUNDING))


@kernel
def refused(reason: int) -> float:
    """What stands for a quantity where an order is refused: the reason, negated."""
    return -float(reason)


@kernel
def refusal_of_cut(account: Any, quantity: float, close: float, instrument: Any, costs: Any) -> int:
    """Why what cash or margin has left of an order is too small to be one; 0 if it is not."""
    if quantity * close < smallest_value(account, instrument, costs):
        return MIN_NOTIONAL
    return INVALID_QUANTITY if below_least(quantity, instrument) else 0


@kernel
def admit_market(account: Any, order: Any, candle: Any, newest: Any, instrument: Any, costs: Any) -> float:
    """The quantity of a market order in whole lots; 0 for a scheme's sale of nothing, or `refused`."""
    if order.sized == 1 and order.quantity <= 0.0:
        return 0.0
    quantity = within_limits(order, newest.close, instrument)
    if not (quantity > 0.0 and quantity < math.inf):
        return refused(INVALID_QUANTITY)
    if order.sized == 1 and (order.stop_price != 0.0 or order.take_price != 0.0):
        settle_prices(order, instrument.tick_size)
    if (order.stop_price != 0.0 or order.take_price != 0.0) and not order_prices_valid(
        order, instrument.tick_size, costs.leverage > 0.0
    ):
        return refused(INVALID_PRICE)
    if quantity * newest.close < smallest_value(account, instrument, costs):
        return refused(MIN_NOTIONAL)
    if candle.volume <= 0.0:
        return refused(MARKET_CLOSED)
    return quantity


@kernel
def market_reference(candle: Any, newest: Any, costs: Any) -> float:
    """The price of a market order before slippage."""
    return float(newest.close if costs.fill_at_close == 1 else candle.open)


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

    `newest` is the last visible candle: its close judges the minimum value, and is the price of `fill_at="close"`. An order
    for which `max_volume_share` leaves nothing is cancelled, and a scheme's sale of nothing is no order: neither is refused.
    """
    quantity = admit_market(account, order, candle, newest, instrument, costs)
    price, fee, realized = 0.0, 0.0, 0.0
    if quantity > 0.0:
        reference = market_reference(candle, newest, costs)
        if order.side > 0:
            quantity, price, fee = _market_buy(
                account, position, order, quantity, reference, candle, newest, instrument, costs
            )
        else:
            quantity, price, fee, realized = _market_sell(
                account, position, order, quantity, reference, candle, newest, instrument, costs
            )
    if quantity > 0.0:
        use_volume(position, quantity, costs)
        settle_lots(position, instrument.lot_size)
        record_fill(account, order, fills, quantity, price, fee, order.slippage, realized)
        return quantity
    if quantity < 0.0:
        record_reject(account, order, rejects, int(-quantity))
    return 0.0


# Both move the money, or return `refused`, or a quantity of 0 where nothing is left to fill.


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
) -> tuple[float, float, float]:
    price = round_price(reference * (1.0 + order.slippage), 1, instrument.tick_size)
    if not (price > 0.0 and price < math.inf):
        return refused(INVALID_PRICE), price, 0.0
    unit_cost = price * (1.0 + costs.fee_rate)
    spends_all = False
    if cost_of(price, unit_cost, quantity, costs) > account.cash + ROUNDING * account.starting_balance:
        if order.sized == 0:
            return refused(INSUFFICIENT_BALANCE), price, 0.0
        quantity = affordable(account, account.cash, price, unit_cost, instrument.lot_size, costs)
        spends_all = instrument.lot_size <= 0.0
        refusal = refusal_of_cut(account, quantity, newest.close, instrument, costs)
        if refusal > 0:
            return refused(refusal), price, 0.0
    limit = volume_left(position, candle, costs)
    if quantity > limit:
        quantity = floor_to_lot(limit, instrument.lot_size)
        spends_all = False
        if quantity <= 0.0:
            return 0.0, price, 0.0
    fee = fee_of(costs.fee_rate * price * quantity, costs.fee_per_trade, costs.fee_minimum)
    account.cash = 0.0 if spends_all else max(account.cash - cost_of(price, unit_cost, quantity, costs), 0.0)
    apply_buy(account, position, quantity, price, fee)
    return quantity, price, fee


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
) -> tuple[float, float, float, float]:
    quantity = snap_to_holding(account, position, quantity, newest.close)
    if quantity > unlocked(position):
        return refused(INSUFFICIENT_POSITION), 0.0, 0.0, 0.0
    limit = volume_left(position, candle, costs)
    if quantity > limit:
        quantity = floor_to_lot(limit, instrument.lot_size)
        if quantity <= 0.0:
            return 0.0, 0.0, 0.0, 0.0
    price = round_price(reference * (1.0 - order.slippage), -1, instrument.tick_size)
    if not (price > 0.0 and price < math.inf):
        return refused(INVALID_PRICE), price, 0.0, 0.0
    # a sale never costs more than it brings, or available cash could end below 0
    fee = fee_of(costs.fee_rate * price * quantity, costs.fee_per_trade, costs.fee_minimum)
    fee = min(fee, price * quantity)
    return quantity, price, fee, apply_sell(account, position, quantity, price, fee)
