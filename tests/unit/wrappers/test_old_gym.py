"""OldGymWrapper: the loop of 2019 runs unchanged."""

import copy
import pickle
from typing import Any

import gymnasium
import pytest

from small_worlds import assert_same, play, random_candles, small_env
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.wrappers import NormalizationWrapper, OldGymWrapper


def test_the_old_loop_runs_unchanged() -> None:
    env = OldGymWrapper(small_env(random_candles(40)))
    rewards = []

    ob = env.reset()
    done = False
    while not done:
        assert env.observation_space.contains(ob)
        ob, reward, done, _ = env.step(env.action_space.sample())
        rewards.append(reward)

    assert len(rewards) == 38


def test_its_numbers_are_those_of_the_environment() -> None:
    candles, actions = random_candles(30), [1, 0, 2, 1, 1, 2] * 5
    expected = play(small_env(candles), actions, seed=3)
    env = OldGymWrapper(small_env(candles))

    env.seed(3)
    assert_same(env.reset(), expected[0][0])
    for action, (observation, reward, terminated, truncated, info) in zip(actions, expected[1:], strict=False):
        ob, paid, done, told = env.step(action)
        assert_same(ob, observation)
        assert (paid, done) == (reward, terminated or truncated)
        assert {name: told[name] for name in info} == info


class Ends(gymnasium.Env[int, int]):
    """Ends its first step with the flags that it is given."""

    def __init__(self, terminated: bool, truncated: bool) -> None:
        self.flags = (terminated, truncated)
        self.seeds: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        self.seeds.append(seed)
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return action, 1.0, *self.flags, {"own": 1}


@pytest.mark.parametrize(
    ("terminated", "truncated", "done", "cut"),
    [(False, False, False, False), (True, False, True, False), (False, True, True, True), (True, True, True, False)],
)
def test_done_is_either_flag_and_the_info_has_both(terminated: bool, truncated: bool, done: bool, cut: bool) -> None:
    env = OldGymWrapper(Ends(terminated, truncated))
    env.reset()

    _, _, ended, info = env.step(0)

    assert ended is done
    assert info == {"own": 1, "terminated": terminated, "truncated": truncated, "TimeLimit.truncated": cut}


def test_a_seed_is_for_the_next_reset_alone() -> None:
    env = OldGymWrapper(Ends(False, False))

    assert env.seed(7) == [7]
    env.reset()
    env.reset()

    assert env.seeds == [7, None]


def test_the_rest_is_the_environments_own() -> None:
    inner = NormalizationWrapper(small_env(random_candles(40), render_mode="ansi"))
    with OldGymWrapper(inner) as env:
        env.reset()
        assert env.unwrapped is inner.unwrapped
        assert env.statistics is inner.statistics
        assert isinstance(env.render(mode="human"), str)
        with pytest.raises(AttributeError):
            env.no_such_thing  # noqa: B018


def test_it_copies_and_pickles() -> None:
    env = OldGymWrapper(small_env(random_candles(40)))
    env.seed(1)
    env.reset()
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]

    expected = env.step(1)

    for other in copies:
        assert_same(list(other.step(1)), list(expected))


def test_what_is_no_environment_is_refused() -> None:
    vector: Any = TradingVectorEnvironment(data=random_candles(40), lookback_window=2, interpreted=True)

    with pytest.raises(TypeError, match="wraps one gymnasium.Env; got TradingVectorEnvironment"):
        OldGymWrapper(vector)
