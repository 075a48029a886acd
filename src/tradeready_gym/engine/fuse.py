"""Specialise the step by the set of its functions, and compile it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tradeready_gym.engine.cache import announce, compiled, source_key
from tradeready_gym.engine.choices import take_choices
from tradeready_gym.engine.collecting import collect, collect_columns, find_holders
from tradeready_gym.engine.lockstep import make_lockstep, restart_columns
from tradeready_gym.engine.step import make_step, restart
from tradeready_gym.kernel import kernel


@dataclass(frozen=True)
class FusedStep:
    """The functions of one specialisation, compiled or interpreted."""

    advance: Callable[[Any, Any, Any, int, int, int], int]
    restart: Callable[[Any, Any, Any, int, int, Any], None]
    find_holders: Callable[[Any, Any], int]
    collect: Callable[[Any, Any, Any, Any], None]
    take_choices: Callable[[Any, int, Any], bool]


@kernel
def no_action(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    """Stands in for a scheme that is written in plain Python: its orders are already there."""
    return int(account.pending)


@kernel
def no_slippage(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    """Stands in for a slippage model that is written in plain Python."""
    return 0.0


@kernel
def no_pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    """Stands in for a reward that is written in plain Python."""
    return 0.0


@functools.cache
def fuse(
    act: Callable[..., int],
    slippage: Callable[..., float],
    pay: Callable[..., float],
    interpreted: bool = False,
    margin: bool = False,
    lockstep: bool = False,
    plain: bool = False,
) -> FusedStep:
    """The step of these kernels. Parameters are run-time data: a new fee or window never compiles anything.

    With `lockstep` all accounts move at once (`engine.lockstep`); if `plain` too, it knows no filters, and no fees but percentages.
    """
    for function in (act, slippage, pay):
        kernel(function)
    if interpreted:
        return FusedStep(make_step(act, slippage, pay, margin), restart, find_holders, collect, take_choices)
    kind = "".join(
        f"-{name}" for name, is_so in (("margin", margin), ("lockstep", lockstep), ("plain", plain)) if is_so
    )
    key, shared = source_key((act, slippage, pay)) + kind, source_key()
    announce(key)
    step = make_lockstep(act, slippage, pay, plain) if lockstep else make_step(act, slippage, pay, margin)
    begin, gather = (restart_columns, collect_columns) if lockstep else (restart, collect)
    others: tuple[Any, ...] = (begin, find_holders, gather, take_choices)
    return FusedStep(compiled(step, key), *(compiled(function, shared) for function in others))
