"""`MultiDiscrete([n] x symbols)`: a trade for every symbol at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, Mask, name_of
from tradeready_gym.actions.resting import can_spend, cancel_resting
from tradeready_gym.actions.trade_table import (
    HOLD,
    KINDS,
    LIMIT_BUY,
    LIMIT_SELL,
    MARKET_BUY,
    require_table,
    share_of,
    table_masks,
    trade_in_words,
    write_trade,
)
from tradeready_gym.kernel import kernel


@kernel
def _number(value: float, numbers: int) -> int:
    # no index may leave the table: what is outside of it holds
    return int(value) if 0.0 <= value < numbers else 0


@kernel
def _turn_of(trade: int) -> int:
    # a market buy is cut to the cash, a limit buy is refused: those that lock come first
    if trade == LIMIT_BUY:
        return 1
    return 2 if trade == MARKET_BUY else 0


@kernel
def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    numbers = int(parameters[0])
    wanted = 0.0
    sells = 0
    for j in range(symbols):
        number = _number(float(action[j]), numbers)
        trade = number % KINDS
        if HOLD < trade <= MARKET_BUY:
            wanted += share_of(number, numbers)
        elif trade >= LIMIT_SELL and positions[j].quantity > 0.0:
            sells += 1
    if sells == 0 and not (wanted > 0.0 and can_spend(account)):
        return 0
    cancel_resting(account, positions, symbols)
    money = float(account.cash) / max(wanted, 1.0)
    count = 0
    for turn in range(3):
        for j in range(symbols):
            number = _number(float(action[j]), numbers)
            trade = number % KINDS
            held = float(positions[j].quantity)
            if trade == HOLD or _turn_of(trade) != turn or (trade >= LIMIT_SELL and held <= 0.0):
                continue
            if turn > 0 and not can_spend(account):
                continue
            share = share_of(number, numbers)
            close = float(candles[j].close)
            count = write_trade(
                orders, count, j, trade, money * share, share, held, close, float(parameters[1]), float(parameters[2])
            )
    return count


@dataclass(frozen=True)
class PerAssetDiscrete(ActionScheme):
    """For each symbol a trade of `DiscreteActions`; shares of the cash that add up to more than 1 are divided by their sum.

    Sells first, then limit buys, then market buys, each in symbol order; the cash is that of the decision, before sells.
    Unless no symbol trades, every resting order is cancelled first.
    """

    actions_per_instrument: int = 20
    max_allowed_slippage_percent: float = 1.0
    fee_rate: float = 0.001
    kernel = staticmethod(_act)

    def __post_init__(self) -> None:
        require_table(
            self.actions_per_instrument, "actions_per_instrument", self.max_allowed_slippage_percent, self.fee_rate
        )

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.actions_per_instrument), self.max_allowed_slippage_percent / 100.0, self.fee_rate)

    def action_space(self, symbols: int) -> spaces.MultiDiscrete:
        return spaces.MultiDiscrete([self.actions_per_instrument] * symbols)

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        return table_masks(self.actions_per_instrument, quantities)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        parts = []
        for j, number in enumerate(np.asarray(action, np.int64).reshape(-1).tolist()):
            share = share_of(number, self.actions_per_instrument)
            words = trade_in_words(number % KINDS, share, self.max_allowed_slippage_percent)
            parts.append(f"{name_of(symbols, j)}: {words}")
        return "; ".join(parts)
