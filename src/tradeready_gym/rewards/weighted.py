"""Paid for any rewards at once, each with its weight."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel
from tradeready_gym.rewards.base import LARGEST_COEFFICIENT, RewardScheme, require_number
from tradeready_gym.rewards.ratio import bounded

Kernel = Callable[..., float]


@functools.cache
def _sum_of(kernels: tuple[Kernel, ...]) -> Kernel:
    """Parameters: [memory of the first, number of its parameters, its weight, its parameters ..., those of the rest ...]."""
    first = kernels[0]
    if len(kernels) == 1:

        @kernel
        def pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
            return parameters[2] * bounded(first(previous_equity, equity, account, memory, parameters[3:]))

    else:
        rest = _sum_of(kernels[1:])

        @kernel
        def pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
            own = int(parameters[0])
            numbers = 3 + int(parameters[1])
            paid = bounded(first(previous_equity, equity, account, memory[:own], parameters[3:]))
            return parameters[2] * paid + rest(previous_equity, equity, account, memory[own:], parameters[numbers:])

    # the cache of compiled steps tells sums apart by this name
    parts = ", ".join(f"{part.__module__}.{part.__qualname__}" for part in kernels)
    pay.__qualname__ = f"WeightedSum[{parts}]"
    return pay


@dataclass(frozen=True, init=False)
class WeightedSum(RewardScheme):
    """`weight x reward`, summed over any compiled rewards; weights are numbers of any sign and sum, up to 1e9 in size.

        WeightedSum({"sharpe": 1.0, "turnover_penalty": 0.1})
        WeightedSum([(SharpeReward(window=20), 1.0), ({"name": "turnover_penalty", "coeff": 0.5}, 1.0)])

    Each reward keeps a memory of its own, also where the same one occurs twice. What one pays is bounded by 1e100.

    Raises:
        ConfigurationError: there are no terms, a weight is no such number, or a reward is written in plain Python.
        UnknownName: a name that is no reward.
    """

    terms: tuple[tuple[RewardScheme, float], ...]

    def __init__(
        self,
        terms: Mapping[str, float] | Sequence[tuple[RewardScheme | str | Mapping[str, Any], float]] = (("pnl", 1.0),),
    ) -> None:
        from tradeready_gym.rewards.registry import make_reward_scheme

        pairs = terms.items() if isinstance(terms, Mapping) else terms
        chosen: list[tuple[RewardScheme, float]] = []
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ConfigurationError(
                    f"WeightedSum needs pairs (reward, weight), such as ('pnl', 1.0); got {pair!r}"
                )
            scheme, weight = make_reward_scheme(pair[0]), pair[1]
            require_number(f"the weight of {scheme!r}", weight, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT)
            if scheme.kernel is None:
                raise ConfigurationError(
                    f"WeightedSum adds compiled rewards; {scheme!r} is written in plain Python. Add up in its compute()"
                )
            chosen.append((scheme, float(weight)))
        if not chosen:
            raise ConfigurationError(
                "WeightedSum needs at least one pair (reward, weight), such as ('pnl', 1.0); got none"
            )
        object.__setattr__(self, "terms", tuple(chosen))

    @property
    def kernel(self) -> Kernel:  # type: ignore[override]
        return _sum_of(tuple(scheme.kernel for scheme, _ in self.terms if scheme.kernel is not None))

    @property
    def parameters(self) -> tuple[float, ...]:
        numbers: list[float] = []
        for scheme, weight in self.terms:
            own = scheme.parameters
            numbers += [float(scheme.memory_size), float(len(own)), weight, *own]
        return tuple(numbers)

    @property
    def memory_size(self) -> int:
        return sum(scheme.memory_size for scheme, _ in self.terms)
