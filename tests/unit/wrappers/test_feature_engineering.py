"""FeatureEngineeringWrapper: the newest close against its recent past."""

import copy
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from small_worlds import assert_same, candles_of, drawn, play, random_candles, small_env
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.wrappers import BatchStepWrapper, FeatureEngineeringWrapper


def test_ratios_and_momentum_of_the_newest_close_are_appended() -> None:
    close = np.array([100.0, 102.0, 101.0, 105.0, 103.0, 107.0, 110.0, 108.0, 111.0, 109.0, 112.0])
    env: Any = FeatureEngineeringWrapper(
        small_env(candles_of(close), start_time="2024-01-01T06:00:00Z"), periods=[2, 4]
    )

    plain_width = len(small_env(candles_of(close)).reset(seed=0)[0])
    for step, outcome in enumerate(play(env, [0] * 5)):
        newest = 5 + step
        expected = [
            close[newest] / close[newest - 1 : newest + 1].mean(),
            close[newest] / close[newest - 3 : newest + 1].mean(),
            close[newest] / close[newest - 5] - 1.0,
        ]
        assert outcome[0].shape == (plain_width + 3,)
        np.testing.assert_allclose(outcome[0][-3:], np.array(expected, np.float32), rtol=1e-7)


def test_the_oldest_candle_of_the_window_is_not_what_is_measured() -> None:
    rising = np.linspace(100.0, 200.0, 60)
    env: Any = FeatureEngineeringWrapper(small_env(candles_of(rising), lookback_window=30), periods=[20])

    observation, _ = env.reset(seed=0)

    assert observation[-2] == np.float32(rising[29] / rising[10:30].mean())


def test_short_history_gives_ones_and_zero() -> None:
    env: Any = FeatureEngineeringWrapper(small_env(candles_of(np.arange(100.0, 130.0))))

    first = env.reset(seed=0)[0][-4:]

    assert env.unwrapped.engine.state.accounts["row"][0] == 2
    assert first.tolist() == [1.0, 1.0, 1.0, 0.0]


def test_nothing_is_remembered_across_resets() -> None:
    env: Any = FeatureEngineeringWrapper(small_env(random_candles(80)))
    fresh = play(env, [1, 0, 2] * 10, seed=3)
    play(env, [1] * 30, seed=4)

    assert_same(fresh, play(env, [1, 0, 2] * 10, seed=3))


def test_candles_before_the_episode_are_history() -> None:
    close = np.concatenate([np.linspace(100.0, 150.0, 40), np.full(40, 150.0)])
    env: Any = FeatureEngineeringWrapper(small_env(candles_of(close), start_time="2024-01-02T16:00:00Z"), periods=[20])

    assert env.reset(seed=0)[0][-2] == np.float32(150.0 / close[20:40].mean())


def test_every_symbol_of_a_portfolio_has_its_own_numbers() -> None:
    close = np.stack([np.linspace(100.0, 130.0, 60), np.linspace(100.0, 70.0, 60)])
    candles = candles_of(close, symbols=("AAAUSDT", "BBBUSDT"))
    env: Any = FeatureEngineeringWrapper(small_env(candles, action_scheme="portfolio"), periods=[5])

    rising, falling = play(env, [np.zeros(2)] * 20)[-1][0][-4:].reshape(2, 2)

    assert rising[0] > 1.0 and rising[1] > 0.0
    assert falling[0] < 1.0 and falling[1] < 0.0


def test_a_dictionary_gets_a_key_of_its_own() -> None:
    env: Any = FeatureEngineeringWrapper(small_env(random_candles(60), flatten=False))

    observation, _ = env.reset(seed=0)

    assert observation["engineered"].shape == (1, 4)
    assert env.observation_space.contains(observation)


def test_each_of_several_data_sets_is_read_at_its_own_row() -> None:
    flat, rising = candles_of(np.full(40, 50.0)), candles_of(np.linspace(100.0, 300.0, 50))
    env: Any = FeatureEngineeringWrapper(small_env([flat, rising], symbols=("BTCUSDT",)), periods=[3])
    seen = set()

    for seed in range(12):
        observation = play(env, [0] * 10, seed=seed)[-1][0]
        newest, ratio = observation[8], observation[-2]
        seen.add(newest == 50.0)
        assert (ratio == 1.0) == (newest == 50.0)
    assert seen == {True, False}


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
@pytest.mark.parametrize("flatten", [True, False])
def test_gymnasium_accepts_the_wrapped_environment(flatten: bool) -> None:
    check_env(FeatureEngineeringWrapper(small_env(random_candles(60), flatten=flatten)), skip_render_check=True)


def test_a_deep_copy_in_mid_episode_reads_its_own_clock() -> None:
    env: Any = FeatureEngineeringWrapper(small_env(random_candles(80)))
    play(env, [0] * 10)
    twin = copy.deepcopy(env)
    rest = [env.step(0) for _ in range(5)]

    assert_same(rest, [twin.step(0) for _ in range(5)])


def test_it_works_inside_and_outside_a_batch() -> None:
    candles = random_candles(90)
    inside = BatchStepWrapper(FeatureEngineeringWrapper(small_env(candles)), n_steps=3)
    outside = FeatureEngineeringWrapper(BatchStepWrapper(small_env(candles), n_steps=3))
    actions = drawn(inside, 10)

    assert_same(play(inside, actions), play(outside, actions))


@pytest.mark.parametrize("periods", [[], [0], [2.5], ["5"]])
def test_impossible_periods_are_refused(periods: Any) -> None:
    with pytest.raises(ConfigurationError, match="engineered"):
        FeatureEngineeringWrapper(small_env(random_candles(60)), periods=periods)
