"""`Discrete(symbols x n)`: one trade of one of several symbols."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, Mask, name_of
from tradeready_gym.actions.discrete import act_by_table
from tradeready_gym.actions.trade_table import HOLD, KINDS, require_table, share_of, table_masks, trade_in_words


@dataclass(frozen=True)
class MultiDiscreteActions(ActionScheme):
    """Symbol = a // actions_per_instrument; the rest is a trade of `DiscreteActions`.

    The space is `Discrete`, as in TensorTrade's alpha; `PerAssetDiscrete` is the one with a choice for each symbol. A trade
    first cancels every resting order, those of the other symbols too.
    """

    actions_per_instrument: int = 20
    max_allowed_slippage_percent: float = 1.0
    fee_rate: float = 0.001
    kernel = staticmethod(act_by_table)

    def __post_init__(self) -> None:
        require_table(
            self.actions_per_instrument, "actions_per_instrument", self.max_allowed_slippage_percent, self.fee_rate
        )

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.actions_per_instrument), self.max_allowed_slippage_percent / 100.0, self.fee_rate)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(symbols * self.actions_per_instrument)

    def orders_per_action(self, symbols: int) -> int:
        return 1

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        return table_masks(self.actions_per_instrument, quantities)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        symbol, number = divmod(int(action), self.actions_per_instrument)
        share = share_of(number, self.actions_per_instrument)
        words = trade_in_words(number % KINDS, share, self.max_allowed_slippage_percent)
        return words if number % KINDS == HOLD else f"{name_of(symbols, symbol)}: {words}"
