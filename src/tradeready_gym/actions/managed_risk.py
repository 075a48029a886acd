"""`Discrete`: buys that bring their own stop and take-profit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import SPENDABLE, ActionScheme, Mask, market_order, name_of, percent
from tradeready_gym.actions.resting import require_rate, shares_of
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel

_CONSTANTS = 4


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    if action[0] < 1.0:
        return 0
    stops = int(parameters[0])
    takes = int(parameters[1])
    sizes = int(parameters[2])
    choices = stops * takes * sizes + 1
    number = (int(action[0]) - 1) % choices
    symbol = (int(action[0]) - 1) // choices
    if number == choices - 1:
        if positions[symbol].quantity > 0.0:
            return market_order(orders, 0, symbol, -1, 0.0, 1)
        return 0
    close = float(candles[symbol].close)
    share = float(parameters[_CONSTANTS + stops + takes + number % sizes])
    quantity = share * float(account.cash) / (close * (1.0 + float(parameters[3])))
    count = market_order(orders, 0, symbol, 1, quantity, 0)
    if count == 1:
        orders[0].stop_price = close * (1.0 - float(parameters[_CONSTANTS + number // (takes * sizes)]))
        orders[0].take_price = close * (1.0 + float(parameters[_CONSTANTS + stops + number // sizes % takes]))
    return count


@dataclass(frozen=True)
class ManagedRiskOrders(ActionScheme):
    """0 holds; for each symbol the product stop x take x sizes of buys, the last one fastest, then one that sells everything.

    A buy is a market order for its share of the cash, fee included at the close, and carries a bracket: a stop at
    `close x (1 - stop)` and a take-profit at `close x (1 + take)`, one of which ends it and cancels the other. Buys add up,
    each with its own bracket; nothing else sells, so the last action is the way out of a market that reaches neither: it cancels
    the symbol's brackets and sells the whole position. Each bracket takes two places in the book (`max_open_orders`); a buy
    that finds none is refused (`risk_limit`).
    """

    stop: tuple[float, ...] = (0.02, 0.04, 0.06)
    take: tuple[float, ...] = (0.01, 0.02, 0.03)
    sizes: Any = 10
    fee_rate: float = 0.001
    kernel = staticmethod(_act)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", _distances("stop", self.stop, 1.0))
        object.__setattr__(self, "take", _distances("take", self.take, np.inf))
        object.__setattr__(self, "sizes", shares_of("sizes", self.sizes))
        require_rate("fee_rate", self.fee_rate)

    @property
    def parameters(self) -> tuple[float, ...]:
        counts = (float(len(self.stop)), float(len(self.take)), float(len(self.sizes)))
        return (*counts, self.fee_rate, *self.stop, *self.take, *self.sizes)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(1 + symbols * (self._buys + 1))

    def orders_per_action(self, symbols: int) -> int:
        return 1

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        held = np.asarray(quantities) > 0.0
        masks = np.ones((*held.shape, self._buys + 1), np.bool_)
        masks[:, :, :-1] = (np.asarray(cash) > SPENDABLE * np.asarray(equity))[:, None, None]
        masks[:, :, -1] = held
        return np.concatenate([np.ones((len(held), 1), np.bool_), masks.reshape(len(held), -1)], axis=1)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        if int(action) == 0:
            return "hold"
        symbol, number = divmod(int(action) - 1, self._buys + 1)
        words = "sell the whole position"
        if number < self._buys:
            stop = self.stop[number // (len(self.take) * len(self.sizes))]
            take = self.take[number // len(self.sizes) % len(self.take)]
            size = self.sizes[number % len(self.sizes)]
            words = f"market buy with {percent(size)} of the cash, stop {percent(stop)} below and take-profit {percent(take)} above the close"
        return f"{name_of(symbols, symbol)}: {words}" if symbol or len(symbols) > 1 else words

    @property
    def _buys(self) -> int:
        return len(self.stop) * len(self.take) * len(self.sizes)


def _distances(name: str, values: Any, limit: float) -> tuple[float, ...]:
    given = tuple(values) if isinstance(values, tuple | list) else (values,)
    if not given or not all(isinstance(v, int | float) and 0.0 < v < limit for v in given):
        raise ConfigurationError(
            f"{name} must be fractions of the price above 0{' and below 1' if limit == 1.0 else ''}, such as 0.02 for two per "
            f"cent; got {values!r}"
        )
    return tuple(float(v) for v in given)
