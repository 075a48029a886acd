"""One episode looked at closely: what was decided, what it was paid, and where it was filled."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym.actions import ActionScheme, HoldBuySell, TargetPosition
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.native import native_environment
from tradeready_gym.strategies.situation import Situation

_HOLD_BUY_SELL = ("hold", "buy", "sell")


@dataclass(frozen=True, eq=False)
class Trace:
    """`times` int64 (T + 1,) microseconds and `equity` (T + 1,); `rewards` (T,); `actions` (T, ...); `fills`, records of
    `orders.FILL_DTYPE` in their order, with `fill_times` int64; `action_scheme` is what the actions mean."""

    times: npt.NDArray[np.int64]
    equity: npt.NDArray[np.float64]
    rewards: npt.NDArray[np.float64]
    actions: npt.NDArray[Any]
    fills: npt.NDArray[Any]
    fill_times: npt.NDArray[np.int64]
    action_scheme: ActionScheme


def trace(strategy: TradingStrategy, environment: Any, *, seed: int = 0) -> Trace:
    """Play what `strategy.evaluate(environment, seed=seed)` plays, and keep everything."""
    native = native_environment(environment)
    strategy.check(native)
    played = strategy.played_on(native, 1)
    strategy.begin(played, seed)
    observations, infos = played.reset(seed=seed)
    times, equity = [int(infos["virtual_time"][0])], [float(infos["equity"][0])]
    rewards: list[float] = []
    actions: list[Any] = []
    fills: list[npt.NDArray[Any]] = []
    done = False
    while not done:
        chosen = strategy.decide(Situation(observations, played.engine))
        observations, reward, terminated, truncated, infos = played.step(chosen)
        done = bool(terminated[0] or truncated[0])
        seen = infos["final_info"] if done else infos
        times.append(int(seen["virtual_time"][0]))
        equity.append(float(seen["equity"][0]))
        rewards.append(float(reward[0]))
        actions.append(np.asarray(chosen)[0])
        if len(seen["filled_orders"]):
            fills.append(seen["filled_orders"].copy())
    records = np.concatenate(fills) if fills else infos["filled_orders"][:0].copy()
    return Trace(
        np.array(times, np.int64),
        np.array(equity),
        np.array(rewards),
        np.array(actions),
        records,
        played.engine.times[records["row"]].astype(np.int64),
        played.engine.spec.action_scheme,
    )


def count_actions(actions: npt.NDArray[Any], scheme: ActionScheme, symbols: int = 1) -> dict[str, int]:
    """How often each action of a discrete scheme was chosen; a box in one dimension is counted in eight parts."""
    space = scheme.action_space(symbols)
    if isinstance(space, spaces.Discrete):
        size = int(space.n)
        names = _HOLD_BUY_SELL if isinstance(scheme, HoldBuySell) else tuple(str(k) for k in range(size))
        if isinstance(scheme, TargetPosition):
            names = tuple(f"{position:g}" for position in scheme.positions)
        counts = np.bincount(actions.astype(np.int64).reshape(-1), minlength=size)
        return dict(zip(names, counts.tolist(), strict=True))
    if isinstance(space, spaces.Box) and space.shape == (1,):
        low, high = float(space.low[0]), float(space.high[0])
        counts, edges = np.histogram(np.clip(actions.reshape(-1), low, high), bins=8, range=(low, high))
        return {f"{edge:+.2g}": int(count) for edge, count in zip(edges, counts, strict=False)}
    return {}
