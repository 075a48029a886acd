"""What an agent is paid: a reward scheme turns the equity before and after a step into a number."""

import abc
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.parameters import PlainArguments


class RewardScheme(PlainArguments):
    """A frozen dataclass with its parameters and a kernel

        pay(previous_equity, equity, account, memory, parameters) -> float

    `memory` is this environment's own float64 array of `memory_size` numbers, zero at the start of an episode and a column of a
    table (not contiguous: index it); `account` is the account after the step (`starting_balance`, `peak_equity`, `fills`, ...). Every reward must be finite.
    """

    kernel: ClassVar[Callable[..., float] | None] = None

    @property
    def parameters(self) -> tuple[float, ...]:
        """The scheme's numbers, in the order in which its kernel reads them."""
        return ()

    @property
    def memory_size(self) -> int:
        """How many numbers the scheme remembers within an episode."""
        return 0


class CustomReward(RewardScheme):
    """Base of plain Python rewards: write `compute`, and `reset` if there is something to forget.

    Each environment gets its own deep copy. `info` is the very dict that `step` returns.
    """

    @abc.abstractmethod
    def compute(self, prev_equity: float, curr_equity: float, info: Mapping[str, Any]) -> float:
        """The reward of one step, from the equity before and after it; must be finite."""

    def reset(self) -> None:
        """Forget the episode; called at every reset."""


LARGEST_COEFFICIENT = 1e9


def require_window(window: int, least: int = 2) -> None:
    """Raise `ConfigurationError` unless `window` is an integer of at least `least`."""
    if isinstance(window, bool) or not isinstance(window, int) or window < least:
        steps = "step" if least == 1 else "steps"
        raise ConfigurationError(f"window must be an integer of at least {least} {steps}; got {window!r}")


def require_number(name: str, value: float, least: float = -math.inf, most: float = math.inf) -> None:
    """Raise `ConfigurationError` unless `value` is finite, at least `least` and at most `most`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:
        bound = f" of at least {least:g}" if least > -math.inf else ""
        bound += f" and at most {most:g}" if most < math.inf else ""
        raise ConfigurationError(f"{name} must be a finite number{bound}; got {value!r}")
