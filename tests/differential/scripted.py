"""Action schemes of the tests: one that never orders anything, and one that reads its orders from a script."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from tradeready_gym.actions import AccountView, ActionScheme, CustomActionScheme
from tradeready_gym.orders import Order


def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    return 0


@dataclass(frozen=True)
class Idle(ActionScheme):
    """Any number of symbols, one action, no orders: for accounts that only a person trades on."""

    kernel = staticmethod(_act)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(1)


class Scripted(CustomActionScheme):
    """Places the orders of step k in step k."""

    def __init__(self, script: Sequence[Sequence[Order]]) -> None:
        self.script = script

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(1)

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        return self.script[account.step]
