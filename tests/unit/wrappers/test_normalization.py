"""NormalizationWrapper and its vector form."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

from small_worlds import RAW, assert_same, candles_of, drawn, play, random_candles, small_env
from tradeready_gym.envs import TradingVectorEnvironment, check_trading_env
from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.wrappers import NormalizationWrapper, VectorNormalizationWrapper


def vector_env(bars: int = 60, num_envs: int = 3, **arguments: Any) -> TradingVectorEnvironment:
    usual = {"lookback_window": 2, "feature_pipeline": RAW, "interpreted": True, "slippage": "none"}
    return TradingVectorEnvironment(data=random_candles(bars), num_envs=num_envs, **{**usual, **arguments})


def test_observations_are_scaled_by_what_has_been_seen_so_far() -> None:
    env, raw = NormalizationWrapper(small_env(random_candles(50)), clip=3.0), small_env(random_candles(50))
    actions = drawn(env, 20)
    seen = []

    for normalized, plain in zip(play(env, actions), play(raw, actions), strict=True):
        seen.append(plain[0].astype(np.float64))
        mean, deviation = np.mean(seen, axis=0), np.sqrt(np.var(seen, axis=0) + 1e-8)
        np.testing.assert_allclose(normalized[0], np.clip((plain[0] - mean) / deviation, -3.0, 3.0), atol=1e-5)


def test_the_first_observation_is_zero() -> None:
    env = NormalizationWrapper(small_env(random_candles(50)))

    assert not env.reset(seed=0)[0].any()


def test_a_constant_column_stays_zero() -> None:
    env = NormalizationWrapper(small_env(candles_of(np.full(30, 100.0)), feature_pipeline=["ohlcv"]))

    assert all(not outcome[0].any() for outcome in play(env, [0] * 10))


def test_the_space_is_what_clip_says() -> None:
    env = NormalizationWrapper(small_env(random_candles(50)), clip=2.0)

    assert env.observation_space == gymnasium.spaces.Box(-2.0, 2.0, env.unwrapped.observation_space.shape, np.float32)
    assert all(env.observation_space.contains(outcome[0]) for outcome in play(env, [1, 0, 2] * 9))


def test_statistics_go_on_across_resets() -> None:
    env = NormalizationWrapper(small_env(random_candles(50)))
    play(env, [0] * 4)
    play(env, [0] * 4)

    assert env.statistics["observation"].count == 10


def test_frozen_statistics_do_not_move() -> None:
    env = NormalizationWrapper(small_env(random_candles(50)))
    play(env, [1] * 20)
    env.freeze()
    first = play(env, [1, 0, 2] * 5)

    assert env.frozen
    assert env.statistics["observation"].count == 21
    assert_same(first, play(env, [1, 0, 2] * 5))
    env.unfreeze()
    env.reset(seed=0)
    assert env.statistics["observation"].count == 22


def test_saved_statistics_normalise_another_environment_alike(tmp_path: Path) -> None:
    trained = NormalizationWrapper(small_env(random_candles(60)), clip=4.0)
    play(trained, [1, 0, 2] * 15)
    trained.save(tmp_path / "normalization.json")

    fresh = NormalizationWrapper(small_env(random_candles(60)), clip=4.0)
    fresh.load(tmp_path / "normalization.json")
    trained.freeze()

    assert fresh.frozen
    assert_same(play(trained, [1, 2] * 9), play(fresh, [1, 2] * 9))
    assert [path.name for path in tmp_path.iterdir()] == ["normalization.json"]


def test_saved_statistics_of_another_observation_are_refused(tmp_path: Path) -> None:
    NormalizationWrapper(small_env(random_candles(60))).save(tmp_path / "n.json")

    with pytest.raises(ConfigurationError, match=r"\(13,\).*\(23,\)"):
        NormalizationWrapper(small_env(random_candles(60), lookback_window=4)).load(tmp_path / "n.json")
    with pytest.raises(ConfigurationError, match="clip"):
        NormalizationWrapper(small_env(random_candles(60)), clip=5.0).load(tmp_path / "n.json")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "x", "version": 1}', "\x00\x01"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "n.json").write_text(content)
    env = NormalizationWrapper(small_env(random_candles(60)))

    with pytest.raises(StoreError, match=r"n\.json"):
        env.load(tmp_path / "n.json")
    assert not env.frozen


@pytest.mark.parametrize("place", ["nowhere.json", "."])
def test_a_file_that_cannot_be_read_is_named_with_the_way_out(tmp_path: Path, place: str) -> None:
    env = NormalizationWrapper(small_env(random_candles(60)))
    with pytest.raises(
        StoreError, match=r"cannot be read from .*\. Give the file that NormalizationWrapper\.save wrote"
    ) as found:
        env.load(tmp_path / place)
    assert str(tmp_path / place) in str(found.value)
    assert not env.frozen


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    env = NormalizationWrapper(small_env(random_candles(60)))
    env.save(tmp_path / "n.json")
    data = json.loads((tmp_path / "n.json").read_text())
    (tmp_path / "n.json").write_text(json.dumps(data | {"version": 2}))

    with pytest.raises(StoreError, match="version 2"):
        env.load(tmp_path / "n.json")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_and_pickles_carry_the_statistics_and_go_their_own_way(copied: Any) -> None:
    env = NormalizationWrapper(small_env(random_candles(60)))
    play(env, [1, 0, 2] * 3)
    twin = copied(env)
    rest = [env.step(1) for _ in range(5)]

    assert twin.statistics["observation"].count == 10
    assert_same(rest, [twin.step(1) for _ in range(5)])


def test_the_parts_of_a_dictionary_have_their_own_statistics() -> None:
    env = NormalizationWrapper(small_env(random_candles(60), flatten=False))
    outcomes = play(env, [1, 0, 2] * 5)

    assert set(env.statistics) == {"account", "window"}
    assert all(env.observation_space.contains(outcome[0]) for outcome in outcomes)
    assert env.statistics["window"].shape == (1, 2, 5)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
@pytest.mark.parametrize("flatten", [True, False])
def test_both_checkers_accept_it(flatten: bool) -> None:
    env = NormalizationWrapper(small_env(random_candles(60), flatten=flatten))
    check_trading_env(env)

    env.freeze()
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize(
    "arguments", [{"clip": 0.0}, {"clip": -1.0}, {"clip": float("inf")}, {"epsilon": 0.0}, {"clip": "1"}]
)
def test_impossible_numbers_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        NormalizationWrapper(small_env(random_candles(60)), **arguments)


def test_a_space_without_numbers_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Discrete"):
        NormalizationWrapper(gymnasium.make("FrozenLake-v1"))


# ---- vectors ----


def test_a_vector_of_one_equals_the_single_wrapper() -> None:
    single = NormalizationWrapper(small_env(random_candles(40)))
    vector = VectorNormalizationWrapper(vector_env(40, 1, fee_rate=0.0))
    actions = drawn(single, 30)

    for one, many in zip(
        play(single, actions, seed=5), play(vector, [np.array([a]) for a in actions], seed=5), strict=True
    ):
        assert_same(one[0], many[0][0])


def test_last_observations_are_learned_from_and_normalised() -> None:
    vector = VectorNormalizationWrapper(vector_env(12, 2, autoreset_mode="same_step"))
    play(vector, [np.array([1, 0])] * 9)
    observations, _, terminated, _, infos = vector.step(np.array([0, 0]))

    assert terminated.all()
    assert vector.statistics["observation"].count == 2 * 11 + 2
    assert np.abs(infos["final_obs"]).max() <= 10.0
    assert vector.observation_space.contains(observations)


def test_last_observations_of_gymnasiums_own_vector_are_understood() -> None:
    envs = SyncVectorEnv(
        [lambda: small_env(random_candles(12))] * 2, autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
    )
    ours = VectorNormalizationWrapper(vector_env(12, 2, autoreset_mode="same_step", fee_rate=0.0))
    theirs = VectorNormalizationWrapper(envs)
    actions = [np.array([1, 0]), np.array([0, 1])] * 8
    ours.reset(seed=1)
    theirs.reset(seed=1)

    for action in actions:
        a, b = ours.step(action), theirs.step(action)
        np.testing.assert_allclose(a[0], b[0], atol=1e-6)
        if "final_obs" in a[4]:
            np.testing.assert_allclose(a[4]["final_obs"][0], b[4]["final_obs"][0], atol=1e-6)


def test_a_masked_reset_does_not_count_the_others_twice() -> None:
    vector = VectorNormalizationWrapper(vector_env(40, 3, autoreset_mode="disabled"))
    vector.reset(seed=0)
    vector.reset(options={"reset_mask": np.array([True, False, False])})

    assert vector.statistics["observation"].count == 4


def test_a_vector_of_dictionaries_is_normalised_part_by_part() -> None:
    vector = VectorNormalizationWrapper(vector_env(40, 3, flatten=False, autoreset_mode="same_step"))

    for outcome in play(vector, [np.array([0, 1, 2])] * 60):
        assert vector.observation_space.contains(outcome[0])


def test_the_single_wrapper_loads_what_the_vector_saved(tmp_path: Path) -> None:
    vector = VectorNormalizationWrapper(vector_env(60, 4))
    play(vector, [np.array([0, 1, 2, 1])] * 30)
    vector.save(tmp_path / "n.json")
    single = NormalizationWrapper(small_env(random_candles(60)))
    single.load(tmp_path / "n.json")

    assert single.statistics["observation"].mean.tobytes() == vector.statistics["observation"].mean.tobytes()
