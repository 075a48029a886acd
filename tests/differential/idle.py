"""An action scheme that never orders anything, for accounts that only a person trades on."""

from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from tradeready_gym.actions import ActionScheme


def _act(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    return 0


@dataclass(frozen=True)
class Idle(ActionScheme):
    """Any number of symbols, one action, no orders."""

    kernel = staticmethod(_act)

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(1)
