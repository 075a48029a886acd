"""How a resting order meets one candle (section 4): the four phases, and the price of each.

Every function answers with an `Execution`, or with None where the order does not fill in that phase.
"""

from dataclasses import dataclass
from decimal import Decimal

from reference.inputs import exact
from reference.market import Market
from reference.orders import Order


@dataclass(frozen=True)
class Execution:
    """`price` before slippage; whether it slips; whether it can be no worse than the order's own price."""

    price: Decimal
    slips: bool
    clamped: bool
    maker: bool


def at_the_open(order: Order, market: Market, row: int) -> Execution | None:
    """(a) Everything that is executable at the open, by age."""
    open_price = exact(market.series[order.symbol].open[row])
    wants_lower = (order.side == "buy") != order.is_stop
    if open_price > order.price if wants_lower else open_price < order.price:
        return None
    if order.is_stop:
        return Execution(open_price, slips=True, clamped=False, maker=False)
    if order.rested_before(row):
        return Execution(open_price, slips=False, clamped=True, maker=True)
    return Execution(open_price, slips=True, clamped=True, maker=False)


def entry_inside(order: Order, market: Market, row: int) -> Execution | None:
    """(b) Buys inside the candle [A15]: a limit that is traded through, or a stop that is touched from below."""
    if order.side != "buy":
        return None
    if order.is_stop:
        touched = exact(market.series[order.symbol].high[row]) >= order.price
        return Execution(order.price, slips=True, clamped=False, maker=False) if touched else None
    through = exact(market.series[order.symbol].low[row]) < order.price
    return _at_own_price(order, row) if through else None


def stop_inside(order: Order, market: Market, row: int) -> Execution | None:
    """(c) Stop sells that the low reaches, at min(open, stop).

    For a leg whose parent filled inside this candle the price at which its parent met the market takes the place of the
    open: the account did not hold the position at the open [A17].
    """
    if order.side != "sell" or not order.is_stop:
        return None
    if exact(market.series[order.symbol].low[row]) > order.price:
        return None
    start = order.entry_price if order.entered_inside(row) else exact(market.series[order.symbol].open[row])
    return Execution(min(start, order.price), slips=True, clamped=False, maker=False)


def profit_inside(order: Order, market: Market, row: int) -> Execution | None:
    """(d) Limit and take-profit sells that are traded through, never for a position entered in (b)."""
    if order.side != "sell" or order.is_stop or order.entered_inside(row):
        return None
    through = exact(market.series[order.symbol].high[row]) > order.price
    return _at_own_price(order, row) if through else None


def _at_own_price(order: Order, row: int) -> Execution:
    return Execution(order.price, slips=False, clamped=True, maker=order.rested_before(row))


PHASES = (at_the_open, entry_inside, stop_inside, profit_inside)
