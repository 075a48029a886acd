"""`Discrete(n)`: the table of trades of TensorTrade's alpha, for one symbol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, Mask, require_one_symbol
from tradeready_gym.actions.trade_table import KINDS, require_table, share_of, table_masks, trade_in_words, trade_one
from tradeready_gym.kernel import kernel


@kernel
def act_by_table(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    """One number for symbol and trade: `symbol x n + trade`; parameters: n, slippage, fee rate."""
    numbers = int(parameters[0])
    symbol = int(action[0]) // numbers
    number = int(action[0]) % numbers
    return trade_one(
        number % KINDS,
        share_of(number, numbers),
        symbol,
        account,
        positions,
        candles,
        orders,
        float(parameters[1]),
        float(parameters[2]),
        symbols,
    )


@dataclass(frozen=True)
class DiscreteActions(ActionScheme):
    """Kind of trade = a mod 5: hold, limit buy, market buy, limit sell, market sell; share = (a // 5 + 1) / (n / 5).

    A buy spends its share of the cash, fee included, at the close, or at the limit `close x (1 + slippage)`; a sell sells its
    share of the holding, limit `close x (1 - slippage)`. An action that trades first cancels every resting order; a hold,
    and a trade with nothing to spend or to sell, leaves them. `fee_rate` is the exchange's, the larger one if makers and
    takers pay differently: too small a rate makes a limit buy with everything too dear (`insufficient_balance`).
    """

    n_actions: int = 20
    max_allowed_slippage_percent: float = 1.0
    fee_rate: float = 0.001
    kernel = staticmethod(act_by_table)

    def __post_init__(self) -> None:
        require_table(self.n_actions, "n_actions", self.max_allowed_slippage_percent, self.fee_rate)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.n_actions), self.max_allowed_slippage_percent / 100.0, self.fee_rate)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(self.n_actions)

    def check(self, symbols: int) -> None:
        require_one_symbol(self, symbols)

    def orders_per_action(self, symbols: int) -> int:
        return 1

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        return table_masks(self.n_actions, quantities)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        number = int(action)
        return trade_in_words(number % KINDS, share_of(number, self.n_actions), self.max_allowed_slippage_percent)
