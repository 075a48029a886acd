"""How a resting order of a margin account meets one candle (section 12): entries in (b), stop exits in (c), others in (d).

What is executable at the open, phase (a), is that of the spot account (matching.py): nothing there depends on the position.
"""

from decimal import Decimal

from reference.inputs import exact
from reference.market import Market
from reference.matching import Execution
from reference.orders import Order


def inside(order: Order, market: Market, row: int) -> Execution | None:
    """A limit that is traded through, at its price; a stop that is touched, at the worse of the open and its price."""
    one = market.series[order.symbol]
    high, low = exact(one.high[row]), exact(one.low[row])
    buys = order.side == "buy"
    if not order.is_stop:
        through = low < order.price if buys else high > order.price
        maker = order.rested_before(row)
        return Execution(order.price, slips=False, clamped=True, maker=maker) if through else None
    if order.price > high if buys else order.price < low:
        return None
    start = order.entry_price if order.entered_inside(row) else exact(one.open[row])
    worse = max(start, order.price) if buys else min(start, order.price)
    return Execution(worse, slips=True, clamped=False, maker=False)


def in_phase(order: Order, phase: str, held: Decimal) -> bool:
    """Whether phase "b", "c" or "d" is the one of this order at this moment."""
    sign = 1 if order.side == "buy" else -1
    if sign * held >= 0:
        return phase == "b" and not order.leg
    return phase == ("c" if order.is_stop else "d")
