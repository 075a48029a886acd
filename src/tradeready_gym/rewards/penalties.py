"""Fines for trading and for holding on, to be added to a reward with `WeightedSum`."""

from dataclasses import dataclass
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import LARGEST_COEFFICIENT, RewardScheme, require_number
from tradeready_gym.rewards.ratio import bounded


@kernel
def _turnover(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    traded = account.traded_value - memory[0]
    memory[0] = account.traded_value
    if previous_equity <= 0.0 or traded <= 0.0:
        return 0.0
    return -parameters[0] * bounded(traded / previous_equity)


@kernel
def _holding(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # memory: [candles in a row with a position, candles with one in the episode]; a hedged account is worth 0, and holds
    held = account.exposed_steps > memory[1]
    memory[1] = float(account.exposed_steps)
    if not held:
        memory[0] = 0.0
        return 0.0
    memory[0] += 1.0
    if memory[0] <= parameters[1]:
        return 0.0
    return -float(parameters[0])


@dataclass(frozen=True)
class TurnoverPenalty(RewardScheme):
    """`-coeff x value traded in the step / equity before it`: buys and sells both count. `coeff` is 0 to 1e9."""

    coeff: float = 1.0
    kernel = staticmethod(_turnover)

    def __post_init__(self) -> None:
        require_number("coeff", self.coeff, 0.0, LARGEST_COEFFICIENT)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.coeff,)

    @property
    def memory_size(self) -> int:
        return 1


@dataclass(frozen=True)
class HoldingPenalty(RewardScheme):
    """`-coeff` for every candle that ends with a position, after the first `free_bars` in a row that did."""

    coeff: float = 1.0
    free_bars: int = 0
    kernel = staticmethod(_holding)

    def __post_init__(self) -> None:
        require_number("coeff", self.coeff, 0.0, LARGEST_COEFFICIENT)
        if isinstance(self.free_bars, bool) or not isinstance(self.free_bars, int) or self.free_bars < 0:
            raise ConfigurationError(f"free_bars must be an integer of at least 0 candles; got {self.free_bars!r}")

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.coeff, float(self.free_bars))

    @property
    def memory_size(self) -> int:
        return 2
