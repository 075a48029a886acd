"""The table of TensorTrade's alpha: five kinds of trade, and for each a share.

| number mod 5 | trade |
|---|---|
| 0 | hold |
| 1 | limit buy at close x (1 + slippage) |
| 2 | market buy |
| 3 | limit sell at close x (1 - slippage) |
| 4 | market sell |

The share is `(number // 5 + 1) / (n / 5)`: of the cash for a buy, which pays the fee too, and of the holding for a sell.
"""

import math
from typing import Any

import numpy as np

from tradeready_gym.actions.base import Mask, percent
from tradeready_gym.actions.resting import (
    LIMIT,
    MARKET,
    buy_for,
    can_spend,
    cancel_resting,
    mask_sells,
    require_rate,
    sell_share,
)
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel

KINDS = 5
HOLD = 0
LIMIT_BUY = 1
MARKET_BUY = 2
LIMIT_SELL = 3
MARKET_SELL = 4


@kernel
def share_of(number: int, numbers: int) -> float:
    """The share that a number of the table of `numbers` rows asks for."""
    return float(number // KINDS + 1) / float(numbers // KINDS)


@kernel
def write_trade(
    orders: Any,
    count: int,
    symbol: int,
    trade: int,
    money: float,
    share: float,
    held: float,
    close: float,
    slippage: float,
    fee_rate: float,
) -> int:
    """Write a buy for `money`, fee included, or a sell of `share` of what is held."""
    if trade == LIMIT_BUY:
        limit = close * (1.0 + slippage)
        return buy_for(orders, count, symbol, LIMIT, money, limit, limit * (1.0 + fee_rate))
    if trade == MARKET_BUY:
        return buy_for(orders, count, symbol, MARKET, money, 0.0, close * (1.0 + fee_rate))
    if trade == LIMIT_SELL:
        return sell_share(orders, count, symbol, LIMIT, share, held, close * (1.0 - slippage))
    return sell_share(orders, count, symbol, MARKET, share, held, 0.0)


@kernel
def trade_one(
    trade: int,
    share: float,
    symbol: int,
    account: Any,
    positions: Any,
    candles: Any,
    orders: Any,
    slippage: float,
    fee_rate: float,
    symbols: int,
) -> int:
    """One trade of one symbol in place of all that rests; nothing where there is nothing to spend or to sell."""
    held = float(positions[symbol].quantity)
    if trade == HOLD or share <= 0.0:
        return 0
    if (trade <= MARKET_BUY and not can_spend(account)) or (trade >= LIMIT_SELL and held <= 0.0):
        return 0
    cancel_resting(account, positions, symbols)
    money = share * float(account.cash)
    return write_trade(orders, 0, symbol, trade, money, share, held, float(candles[symbol].close), slippage, fee_rate)


def require_table(numbers: Any, name: str, slippage_percent: Any, fee_rate: Any) -> None:
    """Raise `ConfigurationError` unless these numbers make a table."""
    if isinstance(numbers, bool) or not isinstance(numbers, int) or numbers < KINDS or numbers % KINDS:
        raise ConfigurationError(
            f"{name} must be a multiple of 5 (hold, limit buy, market buy, limit sell, market sell, once for each share), "
            f"such as 20 for quarters; got {numbers!r}"
        )
    require_slippage_percent(slippage_percent)
    require_rate("fee_rate", fee_rate)


def require_slippage_percent(value: Any) -> None:
    """Raise `ConfigurationError` unless `value` is a number of per cent in [0, 100)."""
    if not (isinstance(value, int | float) and math.isfinite(value) and 0.0 <= value < 100.0):
        raise ConfigurationError(
            f"max_allowed_slippage_percent must be in [0, 100), such as 1.0 for one per cent; got {value!r}"
        )


def trade_in_words(trade: int, share: float, slippage_percent: float) -> str:
    """A row of the table."""
    if trade == HOLD:
        return "hold"
    if trade <= MARKET_BUY:
        text = f"with {percent(share)} of the cash"
        return (
            f"limit buy {text}, at most {slippage_percent:g} % above the close"
            if trade == LIMIT_BUY
            else f"market buy {text}"
        )
    text = f"of {percent(share)} of the holding"
    return (
        f"limit sell {text}, at most {slippage_percent:g} % below the close"
        if trade == LIMIT_SELL
        else f"market sell {text}"
    )


def table_masks(numbers: int, quantities: Any) -> Mask:
    """Bool (N, symbols x numbers): a sell needs a holding; a buy may free the cash that resting orders lock."""
    masks = mask_sells(np.arange(numbers) % KINDS >= LIMIT_SELL, quantities)
    return masks.reshape(len(masks), -1)
