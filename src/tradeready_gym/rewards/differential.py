"""Paid in what a step adds to the Sharpe ratio."""

import math
from dataclasses import dataclass
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_number
from tradeready_gym.rewards.ratio import bounded_return

_SMALLEST_DEVIATION = 1e-9
_LARGEST = 100.0


@kernel
def _pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # memory: [mean of the returns, mean of their squares], exponentially weighted
    change = bounded_return(previous_equity, equity)
    mean = memory[0]
    square = memory[1]
    mean_step = change - mean
    square_step = change * change - square
    memory[0] = mean + parameters[0] * mean_step
    memory[1] = square + parameters[0] * square_step
    deviation = max(math.sqrt(max(square - mean * mean, 0.0)), _SMALLEST_DEVIATION)
    paid = (square * mean_step - 0.5 * mean * square_step) / (deviation * deviation * deviation)
    return min(max(paid, -_LARGEST), _LARGEST)


@dataclass(frozen=True)
class DifferentialSharpe(RewardScheme):
    """The differential Sharpe ratio of the simple returns R, with exponential means A of R and B of R^2:

        D = (B dA - A dB / 2) / (B - A^2)^(3/2),    dA = R - A,  dB = R^2 - B,    then A += eta dA,  B += eta dB

    A and B start at 0, so that the first return pays 0. A deviation `sqrt(B - A^2)` below 1e-9 counts as 1e-9, and D is
    clipped to +-100.

    J. Moody, L. Wu, Y. Liao and M. Saffell, Performance functions and reinforcement learning for trading systems and
    portfolios, Journal of Forecasting 17, 1998, equation 17.
    """

    eta: float = 0.01
    kernel = staticmethod(_pay)

    def __post_init__(self) -> None:
        require_number("eta", self.eta)
        if not 0.0 < self.eta < 1.0:
            raise ConfigurationError(f"eta must lie between 0 and 1, both excluded; got {self.eta!r}")

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.eta,)

    @property
    def memory_size(self) -> int:
        return 2
