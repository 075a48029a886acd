"""A compiled reward of others that pays no number ends the episode with a named error, in every environment."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from small_worlds import RAW, random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError, ResetNeeded
from tradeready_gym.kernel import kernel
from tradeready_gym.rewards import RewardScheme, WeightedSum

COMMON: dict[str, Any] = {
    "data": random_candles(60),
    "lookback_window": 3,
    "feature_pipeline": RAW,
    "track_training": False,
}


@kernel
def grows(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    # beyond every number in the third step
    memory[0] = memory[0] * parameters[0] + 1.0
    cubed = memory[0] * memory[0] * memory[0]
    return math.nan if parameters[1] == 1.0 and cubed > 1e300 else float(cubed)


@dataclass(frozen=True)
class Grows(RewardScheme):
    """What soon is too large."""

    kernel = staticmethod(grows)
    by: float = 1e60
    then_unknown: bool = False
    memory_size = 1

    @property
    def parameters(self) -> tuple[float, ...]:
        return self.by, float(self.then_unknown)


class PaysNothingKnown(TradingEnvironment):
    """Pays by a hook, and forgets what it is that it pays."""

    def _get_reward(self) -> float:
        return float("nan") if self.engine.state.accounts[0].row % 7 == 0 else super()._get_reward()


def single(reward: Any, **arguments: Any) -> tuple[Any, Callable[[], Any]]:
    """An environment and its step."""
    env = TradingEnvironment(**COMMON, reward_scheme=reward, **arguments)
    return env, lambda: env.step(1)


class Watched(TradingEnvironment):
    """Has a hook that does what is done anyway."""

    def _done(self) -> tuple[bool, bool]:
        return super()._done()


def by_hooks(reward: Any) -> tuple[Any, Callable[[], Any]]:
    """One that is stepped by its hooks."""
    env = Watched(**COMMON, reward_scheme=reward)
    return env, lambda: env.step(1)


def vector(reward: Any, count: int, **arguments: Any) -> tuple[Any, Callable[[], Any]]:
    """Many, and their step."""
    env = TradingVectorEnvironment(**COMMON, num_envs=count, reward_scheme=reward, **arguments)
    return env, lambda: env.step(np.ones(count, np.int64))


ENVIRONMENTS: dict[str, Callable[[Any], tuple[Any, Callable[[], Any]]]] = {
    "single": single,
    "interpreted": lambda reward: single(reward, interpreted=True),
    "two candles an action": lambda reward: single(reward, steps_per_action=2),
    "by hooks": by_hooks,
    "nine": lambda reward: vector(reward, 9),
    "one of a vector": lambda reward: vector(reward, 1),
}


@pytest.mark.parametrize(
    "reward", [Grows(), WeightedSum([("pnl", 1.0), (Grows(then_unknown=True), -2.0)])], ids=["alone", "in a sum"]
)
@pytest.mark.parametrize("kind", list(ENVIRONMENTS))
def test_what_is_no_number_is_refused_and_the_episode_is_over(kind: str, reward: Any) -> None:
    env, step = ENVIRONMENTS[kind](reward)
    for _ in range(2):
        env.reset(seed=0)
        with pytest.raises(ConfigurationError, match=r"must be a finite number; .*Grows.* paid (inf|nan)"):
            for _ in range(4):
                assert np.isfinite(step()[1]).all()
        with pytest.raises(ResetNeeded):
            step()


def test_a_hook_that_pays_no_number_is_refused_too() -> None:
    env = PaysNothingKnown(**COMMON)
    env.reset(seed=0)
    with pytest.raises(ConfigurationError, match=r"PaysNothingKnown\._get_reward returned nan"):
        for _ in range(8):
            env.step(0)
    with pytest.raises(ResetNeeded):
        env.step(0)


def test_numbers_are_paid_as_they_are() -> None:
    for kind, make in ENVIRONMENTS.items():
        env, step = make(Grows(by=2.0))
        env.reset(seed=0)
        # 1, 3, 7, ... cubed; the last of two candles' is the second
        paid = [np.unique(step()[1]).tolist() for _ in range(2)]
        assert paid == ([[28.0], [343.0 + 3375.0]] if "two" in kind else [[1.0], [27.0]]), kind
