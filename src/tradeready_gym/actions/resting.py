"""Orders by shares of cash and holding, and orders that rest.

A scheme whose orders rest trades with one set of orders at a time: an action that trades first cancels what rests, so that
nothing stays locked for want of a fill. An action that does nothing leaves resting orders alone.
"""

import math
from typing import Any

import numpy as np

from tradeready_gym.actions.base import SPENDABLE, Mask, market_order
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import cold_kernel, kernel

MARKET = 0
LIMIT = 1
STOP = 2


@cold_kernel
def cancel_resting(account: Any, positions: Any, symbols: int) -> None:
    """Cancel every resting order of the account, whoever made it, and free exactly what they lock."""
    account.resting = 0
    account.cash += account.locked_cash
    account.locked_cash = 0.0
    for j in range(symbols):
        positions[j].locked = 0.0


@kernel
def can_spend(account: Any) -> bool:
    """Whether there is cash worth an order, counting what resting orders lock."""
    return bool(account.cash + account.locked_cash > SPENDABLE * account.equity)


@kernel
def buy_for(orders: Any, count: int, symbol: int, kind: int, money: float, price: float, unit_cost: float) -> int:
    """Write one buy of `money / unit_cost`; `price` is the limit or trigger, and means nothing to a market order."""
    made = market_order(orders, count, symbol, 1, money / unit_cost, 0)
    if made > count and kind != MARKET:
        orders[count].kind = kind
        orders[count].price = price
    return made


@kernel
def sell_share(orders: Any, count: int, symbol: int, kind: int, share: float, held: float, price: float) -> int:
    """Write one sell of a share of what is held; a share of 1 sells exactly everything."""
    made = market_order(orders, count, symbol, -1, held * share, 1 if share >= 1.0 else 0)
    if made > count and kind != MARKET:
        orders[count].kind = kind
        orders[count].price = price
    return made


def require_rate(name: str, value: float) -> None:
    """Raise `ConfigurationError` unless `value` is a fraction in [0, 1)."""
    if not (isinstance(value, int | float) and math.isfinite(value) and 0.0 <= value < 1.0):
        raise ConfigurationError(f"{name} must be a fraction in [0, 1), such as 0.001 for 0.1 %; got {value!r}")


def shares_of(name: str, sizes: Any) -> tuple[float, ...]:
    """Shares from themselves, or from their number: 4 is a quarter, a half, three quarters, everything.

    Raises:
        ConfigurationError: they are not at least one share, each in (0, 1].
    """
    if isinstance(sizes, int) and not isinstance(sizes, bool) and sizes >= 1:
        return tuple((k + 1) / sizes for k in range(sizes))
    if isinstance(sizes, tuple | list) and sizes and all(isinstance(s, int | float) and 0.0 < s <= 1.0 for s in sizes):
        return tuple(float(s) for s in sizes)
    raise ConfigurationError(f"{name} must be shares in (0, 1], or how many equal steps there are; got {sizes!r}")


def mask_sells(sells: Any, quantities: Any) -> Mask:
    """Masks of orders that are the same for every symbol: bool (N, S, K) for `sells` (K,), False for sells of nothing."""
    held = np.asarray(quantities)[:, :, None] > 0.0
    return np.asarray(held | ~np.asarray(sells, np.bool_)[None, None, :])
