"""A compiled slippage model of somebody else, which says whatever it is told to."""

from dataclasses import dataclass
from typing import Any

from tradeready_gym.exchanges import SlippageModel
from tradeready_gym.kernel import kernel


@kernel
def _first_of_two(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    return float(parameters[0]) if len(parameters) == 2 else 0.07


class Capped(SlippageModel):
    """A tenth of the price at most."""

    @property
    def maximum(self) -> float:
        return 0.1


@dataclass(frozen=True)
class Compiled(Capped):
    """Somebody's kernel, which looks at how many numbers it is given."""

    said: float
    kernel = staticmethod(_first_of_two)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.said, 0.0)
