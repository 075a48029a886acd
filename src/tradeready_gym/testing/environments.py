"""What every component is put through inside an environment: the checker, and a vector that must equal its singles."""

from typing import Any

import numpy as np

from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment, check_trading_env
from tradeready_gym.envs.replays import drawn_actions
from tradeready_gym.errors import CheckFailed
from tradeready_gym.testing.markets import hard_markets

_STEPS = 40
_ENVIRONMENTS = 2


def check_in_environments(component: Any, symbols: tuple[str, ...], seed: int, **composition: Any) -> None:
    """Check environments made of `composition` in every testing market; findings name the market and the component."""
    for market, candles in hard_markets(symbols, seed).items():
        arguments = {"data": candles, "lookback_window": 2, "interpreted": True, **composition}
        try:
            check_trading_env(TradingEnvironment(**arguments), seed=seed)
            _check_vector(arguments, seed)
        except CheckFailed as finding:
            raise CheckFailed(f"{component!r} in {market}: {finding}") from finding


def _check_vector(arguments: dict[str, Any], seed: int) -> None:
    vector = TradingVectorEnvironment(num_envs=_ENVIRONMENTS, **arguments)
    singles = [TradingEnvironment(**arguments) for _ in range(_ENVIRONMENTS)]
    vector.reset(seed=seed)
    for i, single in enumerate(singles):
        single.reset(seed=seed + i)
    draws = [drawn_actions(single, seed + i) for i, single in enumerate(singles)]
    for step in range(1, _STEPS):
        actions = [next(draw) for draw in draws]
        observations, rewards, terminated, truncated, _ = vector.step(np.array(actions))
        for i, single in enumerate(singles):
            observation, reward, ended, cut, _ = single.step(actions[i])
            one = (reward, ended, cut)
            many = (float(rewards[i]), bool(terminated[i]), bool(truncated[i]))
            if one != many or observation.tobytes() != observations[i].tobytes():
                raise CheckFailed(
                    f"sub-environment {i} of a vector must equal the single environment with its seed; at step {step} "
                    f"reward, terminated and truncated are {many}, the single has {one}. Does the component keep state "
                    f"that its copies share?"
                )
        if terminated.any() or truncated.any():
            return
