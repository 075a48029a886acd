"""Simple profit, in the two forms that went by this name.

| class                 | name                  | what it pays                                                           |
|-----------------------|-----------------------|------------------------------------------------------------------------|
| `SimpleProfit`        | `simple_profit`       | the return of the equity over the last `window` steps                  |
| `SimpleProfitScore`   | `simple_profit_score` | TensorTrade's first scores: -1 idle, 1 holding, 2 on a buy, +-(1 + 5^log10 abs(profit)) on a sale |

The first is what TensorTrade has paid since its second version; the second is a score, not money.
"""

import math
from dataclasses import dataclass
from typing import Any

from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_window
from tradeready_gym.rewards.ratio import bounded, simple_return


@kernel
def _return(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # memory: [steps in the window, place, the equity before each of them ...]
    window = int(parameters[0])
    place = int(memory[1])
    memory[2 + place] = previous_equity
    memory[0] = min(memory[0] + 1.0, parameters[0])
    following = place + 1 if place + 1 < window else 0
    memory[1] = float(following)
    oldest = memory[2 + following] if memory[0] >= parameters[0] else memory[2]
    return bounded(simple_return(oldest, equity))


@kernel
def _score(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # memory: [realised profit, cost of what is held, trades, candles with a position] after the last step
    profit = account.realized_pnl - memory[0]
    cost = abs(account.position_value - account.unrealized_pnl)
    shrunk = cost < memory[1]
    traded = account.trades > memory[2]
    memory[0] = account.realized_pnl
    memory[1] = cost
    memory[2] = float(account.trades)
    held = account.exposed_steps > memory[3]
    memory[3] = float(account.exposed_steps)
    if traded:
        if profit != 0.0:
            return math.copysign(bounded(1.0 + math.pow(5.0, math.log10(abs(profit)))), profit)
        return 0.0 if shrunk else 2.0
    if account.rejects > 0:
        return -1.0
    return 1.0 if held else -1.0


@dataclass(frozen=True)
class SimpleProfit(RewardScheme):
    """`equity / equity of window steps ago - 1`, since the start of the episode while there are fewer."""

    window: int = 1
    kernel = staticmethod(_return)

    def __post_init__(self) -> None:
        require_window(self.window, 1)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (float(self.window),)

    @property
    def memory_size(self) -> int:
        return 2 + self.window


@dataclass(frozen=True)
class SimpleProfitScore(RewardScheme):
    """TensorTrade's first `SimpleProfit`, step by step:

    * a sale: `+-(1 + 5^log10(abs(profit)))` with the sign of the profit realised against the average entry, before fees;
      0 for a profit of exactly 0,
    * else a buy: 2,
    * else a refused order: -1, in every candle of the action that sent it,
    * else 1 with a position and -1 without one.
    """

    kernel = staticmethod(_score)

    @property
    def memory_size(self) -> int:
        return 4
