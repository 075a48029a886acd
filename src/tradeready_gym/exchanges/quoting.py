"""Ask the slippage model for the orders that may execute against the next candle."""

from typing import Any

import numpy as np

from tradeready_gym.exchanges.draws import LIQUIDATION_STREAM, SLIPPAGE_STREAM, uniform
from tradeready_gym.exchanges.margin import exposed_quantity
from tradeready_gym.exchanges.slippage import CustomSlippage, SlippageModel, bounded_fraction


def quote(model: SlippageModel, parameters: Any, account: Any, order: Any, newest: Any) -> float:
    """The fraction for one order, outside the compiled step: the same kernel, or a plain Python model."""
    return _fraction(model, parameters, account, order.quantity, newest, SLIPPAGE_STREAM, order.order_id)


def quote_liquidations(
    model: SlippageModel, parameters: Any, account: Any, positions: Any, orders: Any, newest: Any
) -> None:
    """Quote what the liquidation of each position of a margin account would cost."""
    for j in range(len(positions)):
        quantity = exposed_quantity(account, positions[j], orders, j)
        positions[j].exit_slippage = _fraction(model, parameters, account, quantity, newest[j], LIQUIDATION_STREAM, j)


def _fraction(
    model: SlippageModel, parameters: Any, account: Any, quantity: float, newest: Any, stream: int, index: int
) -> float:
    # an impossible quantity is refused after it was quoted, and no model need know what to say of it
    value = quantity * newest.close if quantity > 0.0 else 0.0
    with np.errstate(over="ignore"):
        step = account.row - account.start_row
        draw = uniform(np.uint64(account.seed), account.episode, step, stream, index)
    asked = float(value), float(newest.quote_volume), float(newest.volatility)
    if isinstance(model, CustomSlippage):
        said = model.fraction(*asked, draw)
    elif model.kernel is None:
        raise TypeError(f"{type(model).__name__} needs a kernel, or derive it from CustomSlippage")
    else:
        said = model.kernel(value, newest.quote_volume, newest.volatility, draw, parameters)
    return bounded_fraction(model, said, *asked)


def quote_book(exchange: Any, state: Any, newest: Any, environment: int = 0) -> None:
    """Quote every resting order of one account, and the liquidation of a margin account."""
    account, book = state.accounts[environment], state.book[environment]
    parameters = np.array(exchange.slippage.parameters, dtype=np.float64)
    for k in range(int(account.resting)):
        book[k].slippage = quote(exchange.slippage, parameters, account, book[k], newest[book[k].symbol])
    if exchange.account is not None:
        quote_liquidations(
            exchange.slippage, parameters, account, state.positions[environment], state.orders[environment], newest
        )
