"""Specialise the step by the set of its functions, and compile it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tradeready_gym.engine.cache import announce, compiled, source_key
from tradeready_gym.engine.step import collect, make_step, restart
from tradeready_gym.kernel import kernel


@dataclass(frozen=True)
class FusedStep:
    """The functions of one specialisation, compiled or interpreted."""

    advance: Callable[[Any, Any, Any, int, int, int], int]
    restart: Callable[[Any, Any, Any, int, int, Any], None]
    collect: Callable[[Any, Any, Any], int]


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
    narrow: bool = False,
) -> FusedStep:
    """The step of these kernels. Parameters are run-time data: a new fee or window never compiles anything."""
    for function in (act, slippage, pay):
        kernel(function)
    if interpreted:
        return FusedStep(make_step(act, slippage, pay, margin, narrow), restart, collect)
    kind = ("-margin" if margin else "") + ("-narrow" if narrow else "")
    key, shared = source_key((act, slippage, pay)) + kind, source_key()
    announce(key)
    step = make_step(act, slippage, pay, margin, narrow)
    return FusedStep(compiled(step, key), compiled(restart, shared), compiled(collect, shared))
