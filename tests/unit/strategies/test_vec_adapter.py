"""The adapter is the vector environment, in the words of Stable-Baselines3."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from tradeready_gym import CustomReward
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import trend
from tradeready_gym.registration import REGISTERED
from tradeready_gym.strategies import StableBaselinesVecEnv

COUNT = 3


def arguments(**changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "data": trend(bars=80, seed=0),
        "feature_pipeline": ["returns", "position"],
        "lookback_window": 3,
        "episode_length": 12,
        "episode_end": "gymnasium",
        "interpreted": True,
    }
    return settings | changes


def vector(**changes: Any) -> TradingVectorEnvironment:
    return TradingVectorEnvironment(num_envs=COUNT, autoreset_mode="SAME_STEP", **arguments(**changes))


def adapter(**changes: Any) -> StableBaselinesVecEnv:
    return StableBaselinesVecEnv(vector(**changes))


def drawn(steps: int) -> np.ndarray:
    return np.random.default_rng(0).integers(3, size=(steps, COUNT))


def test_the_adapter_equals_single_environments_in_the_vec_env_of_stable_baselines() -> None:
    ours: Any = adapter()
    theirs: Any = DummyVecEnv([lambda: Monitor(TradingEnvironment(**arguments())) for _ in range(COUNT)])
    for one in (ours, theirs):
        one.seed(7)
    assert np.array_equal(ours.reset(), theirs.reset())
    ends = 0
    for actions in drawn(40):
        mine, other = ours.step(actions), theirs.step(actions)
        for a, b in zip(mine[:3], other[:3], strict=True):
            assert np.array_equal(a, b)
        for i in np.flatnonzero(mine[2]):
            ends += 1
            assert np.array_equal(mine[3][i]["terminal_observation"], other[3][i]["terminal_observation"])
            assert mine[3][i]["TimeLimit.truncated"] == other[3][i]["TimeLimit.truncated"] is True
            assert mine[3][i]["episode"]["r"] == pytest.approx(other[3][i]["episode"]["r"], abs=2e-6)
            assert mine[3][i]["episode"]["l"] == other[3][i]["episode"]["l"]
            for name, value in other[3][i]["episode_metrics"].items():
                found = mine[3][i]["episode_metrics"][name]
                assert np.array_equal(found, np.nan if value is None else value, equal_nan=True)
    assert ends == 3 * COUNT


def test_the_adapter_equals_the_vector_environment() -> None:
    ours: Any = adapter()
    plain = vector()
    ours.seed(3)
    assert np.array_equal(ours.reset(), plain.reset(seed=3)[0])
    for actions in drawn(30):
        observations, rewards, dones, infos = ours.step(actions)
        expected, paid, terminated, truncated, report = plain.step(actions)
        assert observations.tobytes() == expected.tobytes()
        assert np.array_equal(rewards, paid.astype(np.float32))
        assert np.array_equal(dones, terminated | truncated)
        for i in np.flatnonzero(dones):
            assert np.array_equal(infos[i]["terminal_observation"], report["final_obs"][i])


def test_the_end_of_the_data_is_bootstrapped_and_the_documented_reading_of_the_flags_is_refused() -> None:
    env = adapter(episode_length=None)
    env.reset()
    dones = np.zeros(COUNT, np.bool_)
    while not dones.any():
        _, _, dones, infos = env.step(np.zeros(COUNT, np.int64))
    assert all(info["TimeLimit.truncated"] is True for info in infos)
    with pytest.raises(ConfigurationError, match="episode_end='gymnasium'"):
        adapter(episode_end="documented")


def test_the_return_of_an_episode_is_the_sum_of_its_rewards_for_a_reward_in_plain_python() -> None:
    class Own(CustomReward):
        def compute(self, prev_equity: float, curr_equity: float, info: Mapping[str, Any]) -> float:
            return 1.5

    env = adapter(reward_scheme=Own())
    env.reset()
    for _ in range(12):
        _, _, _, infos = env.step(np.zeros(COUNT, np.int64))
    assert [info["episode"]["r"] for info in infos] == [18.0] * COUNT


def test_infos_and_observations_of_a_step_are_not_touched_by_the_next() -> None:
    env = adapter()
    first = env.reset()
    copy = first.copy()
    kept: list[list[dict[str, Any]]] = []
    for actions in drawn(14):
        kept.append(env.step(actions)[3])
    assert np.array_equal(first, copy)
    assert "episode" in kept[11][0]
    assert kept[12][0] == {}
    assert len({id(info) for infos in kept for info in infos}) == 14 * COUNT


def test_seeds_count_for_one_reset() -> None:
    env = adapter()
    assert env.seed(5) == [5, 6, 7]
    first = env.reset()
    second = env.reset()
    env.seed(5)
    assert np.array_equal(env.reset(), first)
    assert not np.array_equal(second, first)


def test_the_methods_of_a_vec_env_answer_for_each_account() -> None:
    env = adapter()
    env.reset()
    assert env.get_attr("num_envs") == [COUNT] * COUNT
    assert env.get_attr("render_mode", [0]) == [None]
    assert [mask.tolist() for mask in env.env_method("action_masks")] == [[True, True, False]] * COUNT
    assert env.has_attr("action_masks")
    assert not env.has_attr("nothing_of_this_name")
    assert env.env_is_wrapped(Monitor, indices=[1]) == [True]
    assert env.env_is_wrapped(gymnasium.wrappers.TimeLimit) == [False] * COUNT
    env.set_attr("note", "kept")
    assert env.get_attr("note") == ["kept"] * COUNT
    with pytest.raises(ConfigurationError, match="share 'note'"):
        env.set_attr("note", "other", indices=[0])


def test_observations_of_a_dict_are_passed_on() -> None:
    env = adapter(flatten=False)
    first = env.reset()
    assert first["window"].shape == (COUNT, 1, 3, 1)
    for _ in range(12):
        _, _, _, infos = env.step(np.zeros(COUNT, np.int64))
    assert infos[0]["terminal_observation"]["account"].shape == (1,)


def test_the_evaluation_of_stable_baselines_runs_on_it() -> None:
    class Holding:
        def predict(self, observation: Any, **_: Any) -> tuple[np.ndarray, None]:
            return np.zeros(len(observation), np.int64), None

    env = adapter()
    policy: Any = Holding()
    means, lengths = evaluate_policy(policy, env, n_eval_episodes=6, return_episode_rewards=True)
    assert means == [0.0] * 6
    assert lengths == [12] * 6


@pytest.mark.parametrize("wrong", [{"autoreset_mode": "NEXT_STEP"}, {"autoreset_mode": "SAME_STEP", "copy": False}])
def test_an_environment_that_would_train_wrongly_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Stable-Baselines3"):
        StableBaselinesVecEnv(TradingVectorEnvironment(num_envs=2, **wrong, **arguments()))


@pytest.mark.parametrize("identity", sorted(REGISTERED))
@pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric and normalized Box action space")
def test_the_checker_of_stable_baselines_has_nothing_else_to_say(identity: str) -> None:
    pairs = REGISTERED[identity]["pairs"]
    candles = Candles.merge([trend(bars=120, seed=k, symbol=symbol) for k, symbol in enumerate(pairs)])
    env = gymnasium.make(identity, data=candles, track_training=False, interpreted=True)
    check_env(env.unwrapped, warn=True)
