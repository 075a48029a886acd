"""`Discrete`: the product of what triggers an order, how large it is, and its side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, Mask, name_of, percent
from tradeready_gym.actions.resting import (
    LIMIT,
    MARKET,
    STOP,
    buy_for,
    can_spend,
    cancel_resting,
    mask_sells,
    require_rate,
    sell_share,
    shares_of,
)
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel

Criterion = tuple[str, float]
_KINDS = {"market": MARKET, "limit": LIMIT, "stop": STOP}
_SIDES = {"buy": 1.0, "sell": -1.0}
_CONSTANTS = 5


@kernel
def _price_of(kind: int, side: int, distance: float, close: float) -> float:
    # a limit waits on the better side of the close, a stop on the worse
    return close * (1.0 - side * distance) if kind == LIMIT else close * (1.0 + side * distance)


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    number = int(action[0]) - 1
    if number < 0:
        return 0
    criteria = int(parameters[0])
    sizes = int(parameters[1])
    sides = int(parameters[2])
    fee_rate = float(parameters[3])
    symbol = number // (criteria * sizes * sides)
    criterion = number // (sizes * sides) % criteria
    share = float(parameters[_CONSTANTS + 2 * criteria + number // sides % sizes])
    side = int(parameters[_CONSTANTS + 2 * criteria + sizes + number % sides])
    held = float(positions[symbol].quantity)
    if (side > 0 and not can_spend(account)) or (side < 0 and held <= 0.0):
        return 0
    cancel_resting(account, positions, symbols)
    kind = int(parameters[_CONSTANTS + 2 * criterion])
    price = _price_of(kind, side, float(parameters[_CONSTANTS + 2 * criterion + 1]), float(candles[symbol].close))
    if side < 0:
        return sell_share(orders, 0, symbol, kind, share, held, price)
    unit_cost = price * (1.0 + fee_rate)
    if kind == STOP:
        unit_cost *= 1.0 + float(parameters[4])
    return buy_for(orders, 0, symbol, kind, share * float(account.cash), price, unit_cost)


@dataclass(frozen=True)
class SimpleOrders(ActionScheme):
    """0 holds; the other actions are the product symbols x criteria x sizes x sides, the last one fastest.

    A criterion is `"market"`, `("limit", x)` or `("stop", x)`: a limit buy waits at `close x (1 - x)` and a limit sell at
    `close x (1 + x)` (below 0: on the other side of the close, so executable at once, at most that far); a stop buy waits
    at `close x (1 + x)`, a stop sell at `close x (1 - x)`. A size is a share of the cash for a buy, fee included, and of the
    holding for a sell; a whole number n stands for 1/n, 2/n ... 1.

    An action that trades first cancels every resting order, those of other symbols too; the others leave them. `fee_rate` and
    `slippage_maximum` are the exchange's: a stop buy locks its trigger plus that slippage.
    """

    criteria: Sequence[Any] = ("market", ("limit", 0.01), ("stop", 0.02))
    sizes: Any = 4
    sides: Sequence[str] = ("buy", "sell")
    fee_rate: float = 0.001
    slippage_maximum: float = 0.1
    kernel = staticmethod(_act)

    def __post_init__(self) -> None:
        object.__setattr__(self, "criteria", tuple(_criterion(entry) for entry in self.criteria))
        object.__setattr__(self, "sizes", shares_of("sizes", self.sizes))
        object.__setattr__(self, "sides", tuple(self.sides))
        if not self.criteria or len(set(self.criteria)) != len(self.criteria):
            raise ConfigurationError(f"criteria must be at least one, each of them once; got {self.criteria!r}")
        if not self.sides or len(set(self.sides)) != len(self.sides) or not set(self.sides) <= set(_SIDES):
            raise ConfigurationError(f"sides must be 'buy', 'sell', or both of them; got {self.sides!r}")
        require_rate("fee_rate", self.fee_rate)
        require_rate("slippage_maximum", self.slippage_maximum)

    @property
    def parameters(self) -> tuple[float, ...]:
        counts = (float(len(self.criteria)), float(len(self.sizes)), float(len(self.sides)))
        criteria = [number for kind, distance in self.criteria for number in (float(_KINDS[kind]), distance)]
        sides = [_SIDES[side] for side in self.sides]
        return (*counts, self.fee_rate, self.slippage_maximum, *criteria, *self.sizes, *sides)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(1 + symbols * self._orders)

    def orders_per_action(self, symbols: int) -> int:
        return 1

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        sells = np.arange(self._orders) % len(self.sides) == (self.sides.index("sell") if "sell" in self.sides else -1)
        masks = mask_sells(sells, quantities)
        return np.concatenate([np.ones((len(masks), 1), np.bool_), masks.reshape(len(masks), -1)], axis=1)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        if int(action) == 0:
            return "hold"
        symbol, number = divmod(int(action) - 1, self._orders)
        kind, distance = self.criteria[number // (len(self.sizes) * len(self.sides))]
        size = percent(self.sizes[number // len(self.sides) % len(self.sizes)])
        side = self.sides[number % len(self.sides)]
        words = f"{kind} {side} " + (f"with {size} of the cash" if side == "buy" else f"of {size} of the holding")
        if kind != "market":
            offset = _price_of(_KINDS[kind], int(_SIDES[side]), distance, 1.0) - 1.0
            words += f", {percent(round(abs(offset), 12))} {'above' if offset > 0.0 else 'below'} the close"
        return f"{name_of(symbols, symbol)}: {words}" if symbol or len(symbols) > 1 else words

    @property
    def _orders(self) -> int:
        return len(self.criteria) * len(self.sizes) * len(self.sides)


def _criterion(entry: Any) -> Criterion:
    kind, distance = (entry, 0.0) if isinstance(entry, str) else (tuple(entry) if _is_pair(entry) else ("", 0.0))
    good = kind in _KINDS and isinstance(distance, int | float) and math.isfinite(distance)
    lowest = -1.0 if kind == "limit" else 0.0
    if not good or (kind == "market") != (distance == 0.0) or not lowest <= distance < 1.0:
        raise ConfigurationError(
            f"a criterion must be 'market', ('limit', x) with x in (-1, 1) or ('stop', x) with x in (0, 1), such as 0.01 for "
            f"one per cent, and x not 0; got {entry!r}"
        )
    return str(kind), float(distance)


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, tuple | list) and len(entry) == 2
