"""`Discrete`: the actions of several schemes, one after the other."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from tradeready_gym.actions.base import ActionScheme, Mask
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel

Kernel = Callable[..., int]
_CONSTANTS = 3


@functools.cache
def _one_of(kernels: tuple[Kernel, ...]) -> Kernel:
    """Parameters: [actions of the first, its actions for each symbol, number of its parameters, these ..., those of the rest]."""
    first = kernels[0]
    if len(kernels) == 1:

        @kernel
        def act(
            action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
        ) -> int:
            return first(action, account, positions, candles, orders, parameters[_CONSTANTS:], symbols)

    else:
        rest = _one_of(kernels[1:])

        @kernel
        def act(
            action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
        ) -> int:
            own = parameters[0] + parameters[1] * symbols
            if action[0] < own:
                return first(action, account, positions, candles, orders, parameters[_CONSTANTS:], symbols)
            numbers = _CONSTANTS + int(parameters[2])
            # a kernel allocates nothing: the number is moved to where the rest counts from 0, and back
            action[0] -= own
            made = rest(action, account, positions, candles, orders, parameters[numbers:], symbols)
            action[0] += own
            return made

    # the cache of compiled steps tells combinations apart by this name
    parts = ", ".join(f"{part.__module__}.{part.__qualname__}" for part in kernels)
    act.__qualname__ = f"JoinedActions[{parts}]"
    return act


@dataclass(frozen=True, init=False)
class JoinedActions(ActionScheme):
    """The actions of the first scheme, then those of the second, and so on; `first + second` is the same.

        HoldBuySell() + ManagedRiskOrders(sizes=2)
        JoinedActions(["hold_buy_sell", {"name": "managed_risk", "sizes": 2}])

    Every scheme is compiled and has a `Discrete` space. An action does what it does in its own scheme, to everything that the
    account has: a trade of a scheme whose orders rest cancels those of the others, too.

    Raises:
        ConfigurationError: there are fewer than two schemes, or one is written in plain Python or not discrete.
        UnknownName: a name that is no action scheme.
    """

    schemes: tuple[ActionScheme, ...]

    def __init__(
        self, schemes: Sequence[ActionScheme | str | Mapping[str, Any]] = ("hold_buy_sell", "managed_risk")
    ) -> None:
        from tradeready_gym.actions.registry import make_action_scheme

        if isinstance(schemes, str | Mapping | ActionScheme):
            raise ConfigurationError(f"JoinedActions needs a list of schemes; got {schemes!r}")
        made: list[ActionScheme] = []
        for scheme in map(make_action_scheme, schemes):
            made.extend(scheme.schemes if isinstance(scheme, JoinedActions) else [scheme])
        if len(made) < 2:
            raise ConfigurationError(f"JoinedActions needs at least two schemes; got {schemes!r}")
        for scheme in made:
            if scheme.kernel is None:
                raise ConfigurationError(
                    f"JoinedActions joins compiled schemes; {scheme!r} is written in plain Python. Call it from a scheme of your own"
                )
            if not isinstance(scheme.action_space(1), spaces.Discrete):
                raise ConfigurationError(f"JoinedActions joins Discrete spaces; that of {scheme!r} is none")
        object.__setattr__(self, "schemes", tuple(made))

    @property
    def kernel(self) -> Kernel:  # type: ignore[override]
        return _one_of(tuple(scheme.kernel for scheme in self.schemes if scheme.kernel is not None))

    @property
    def rests(self) -> bool:  # type: ignore[override]
        return any(scheme.rests for scheme in self.schemes)

    @property
    def parameters(self) -> tuple[float, ...]:
        numbers: list[float] = []
        for scheme in self.schemes:
            each = _count(scheme, 2) - _count(scheme, 1)
            own = scheme.parameters
            numbers += [float(_count(scheme, 1) - each), float(each), float(len(own)), *own]
        return tuple(numbers)

    @property
    def position_range(self) -> tuple[float, float]:
        ranges = [scheme.position_range for scheme in self.schemes]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def check(self, symbols: int) -> None:
        for scheme in self.schemes:
            scheme.check(symbols)
            each = _count(scheme, 2) - _count(scheme, 1)
            if _count(scheme, symbols) != _count(scheme, 1) + (symbols - 1) * each:
                raise ConfigurationError(
                    f"JoinedActions needs schemes with as many actions for each further symbol; {scheme!r} has others"
                )

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(sum(_count(scheme, symbols) for scheme in self.schemes))

    def orders_per_action(self, symbols: int) -> int:
        return max(scheme.orders_per_action(symbols) for scheme in self.schemes)

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask:
        accounts, symbols = np.shape(quantities)
        parts = []
        for scheme in self.schemes:
            masks = scheme.action_masks(cash, equity, quantities)
            parts.append(np.ones((accounts, _count(scheme, symbols)), np.bool_) if masks is None else masks)
        return np.concatenate(parts, axis=1)

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        number = int(action)
        for scheme in self.schemes:
            own = _count(scheme, max(1, len(symbols)))
            if number < own:
                return scheme.describe(number, symbols)
            number -= own
        return f"action {action}"


def _count(scheme: ActionScheme, symbols: int) -> int:
    space = scheme.action_space(symbols)
    return int(space.n) if isinstance(space, spaces.Discrete) else 0
