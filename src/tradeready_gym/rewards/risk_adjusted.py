"""Paid in the risk-adjusted return itself, not in its change."""

from dataclasses import dataclass
from typing import Any

from tradeready_gym.errors import UnknownName
from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import RewardScheme, require_number, require_window
from tradeready_gym.rewards.ratio import SUMS, bounded_return, ratio_of, roll

RETURN_ALGORITHMS = ("sharpe", "sortino")
_LARGEST_RATE = 1e6


@kernel
def _pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    downside = parameters[3] > 0.0
    shift = parameters[2] if downside else 0.0
    change = bounded_return(previous_equity, equity) - shift
    count, total, deviations = roll(change, memory, int(parameters[0]), downside)
    return ratio_of(count, total + count * (shift - parameters[1]), deviations)


@dataclass(frozen=True)
class RiskAdjustedReturns(RewardScheme):
    """The rolling ratio of the last `window` simple returns r, clipped to +-10, and 0 until there are two:

    * `sharpe`: `(mean(r) - risk_free_rate) / population deviation of r`,
    * `sortino`: `(mean(r) - risk_free_rate) / sqrt(mean(min(r - target_returns, 0)^2))`.

    Rates are per step. A deviation below 1e-9 counts as 1e-9. `SharpeReward` and `SortinoReward` pay the change of the
    ratio, which sums to the ratio at the end; this one pays its level at every step.

    Raises:
        UnknownName: `return_algorithm` is neither of the two.
        ConfigurationError: a number is outside its domain.
    """

    return_algorithm: str = "sharpe"
    risk_free_rate: float = 0.0
    target_returns: float = 0.0
    window: int = 50
    kernel = staticmethod(_pay)

    def __post_init__(self) -> None:
        if self.return_algorithm not in RETURN_ALGORITHMS:
            raise UnknownName("return_algorithm", self.return_algorithm, RETURN_ALGORITHMS)
        for name in ("risk_free_rate", "target_returns"):
            require_number(name, getattr(self, name), -_LARGEST_RATE, _LARGEST_RATE)
        require_window(self.window)

    @property
    def parameters(self) -> tuple[float, ...]:
        downside = 1.0 if self.return_algorithm == "sortino" else 0.0
        return (float(self.window), self.risk_free_rate, self.target_returns, downside)

    @property
    def memory_size(self) -> int:
        return SUMS + self.window
