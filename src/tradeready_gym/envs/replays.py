"""Play an environment with drawn actions, and compare what it returned to the last bit."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tradeready_gym.envs.twins import Environment
from tradeready_gym.errors import CheckFailed

DOCUMENTED_INFO = {
    "equity": float,
    "available_cash": float,
    "position_value": float,
    "unrealized_pnl": float,
    "virtual_time": str,
    "step": int,
    "total_steps": int,
    "filled_orders": list,
    "progress_pct": float,
    "locked_cash": float,
    "realized_pnl": float,
    "fees_paid": float,
    "rejected_orders": list,
}
OURS = {*DOCUMENTED_INFO, "episode_metrics"}


def drawn_actions(env: Environment, seed: int) -> Iterator[Any]:
    """Actions without end, the same for the same seed."""
    space = copy.deepcopy(env.action_space)
    space.seed(seed)
    while True:
        yield space.sample()


def play(env: Environment, seed: int, steps: int) -> Iterator[tuple[Any, ...]]:
    """What `reset(seed=seed)` and then each step returns, `steps` results at most."""
    yield env.reset(seed=seed)
    yield from play_on(env, seed, 1, steps)


def play_on(env: Environment, seed: int, first: int, steps: int) -> Iterator[tuple[Any, ...]]:
    """The same from result `first` on, for an environment that stands there."""
    actions = drawn_actions(env, seed)
    for _ in range(first - 1):
        next(actions)
    for _ in range(first, steps):
        outcome = env.step(next(actions))
        yield outcome
        if outcome[2] or outcome[3]:
            return


def require_same(wanted: list[Any], found: list[Any], rule: str) -> None:
    """Raise `CheckFailed` naming `rule` unless two plays gave the same bits."""
    if len(wanted) != len(found):
        raise CheckFailed(f"{rule}; one episode has {len(wanted) - 1} steps, the other {len(found) - 1}")
    for step, (one, other) in enumerate(zip(wanted, found, strict=True)):
        differs = difference(one, other)
        if differs:
            raise CheckFailed(f"{rule}; step {step} differs{differs}")


def without_guests(env: Environment, outcome: tuple[Any, ...]) -> tuple[Any, ...]:
    """A result without what wrappers have put into its info, which may be as fickle as the time of the day."""
    if env is env.unwrapped:
        return outcome
    return (*outcome[:-1], {name: outcome[-1][name] for name in outcome[-1] if name in OURS})


def difference(one: Any, other: Any, place: str = "") -> str:
    """Where two results differ in a bit, in words; empty if nowhere."""
    if type(one) is not type(other):
        return f" in {place or 'type'}: {one!r} and {other!r}"
    if isinstance(one, Mapping):
        if list(one) != list(other):
            return f" in the keys of {place or 'a dictionary'}: {list(one)} and {list(other)}"
        pairs = [(f"{place}[{key!r}]", one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            return f" in the length of {place or 'the result'}: {len(one)} and {len(other)}"
        pairs = [(f"{place}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    elif isinstance(one, np.ndarray):
        same = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        return "" if same else f" in {place}: {brief(one)} and {brief(other)}"
    else:
        return "" if one == other or repr(one) == repr(other) else f" in {place}: {one!r} and {other!r}"
    return next((found for where, a, b in pairs if (found := difference(a, b, where))), "")


def brief(thing: Any) -> str:
    """A repr that fits into a message."""
    text = repr(thing)
    return text if len(text) < 400 else f"{text[:400]}..."
