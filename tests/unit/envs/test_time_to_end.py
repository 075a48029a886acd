"""`time_to_end`: the share of the episode's candles that are still to come."""

from typing import Any

import numpy as np
import pytest

from small_worlds import random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live import ReplayFeed

SEEN = ["returns", "time_to_end", "position"]
SETTINGS: dict[str, Any] = {"feature_pipeline": SEEN, "lookback_window": 2}


def shares(env: TradingEnvironment) -> list[float]:
    observation, _ = env.reset(seed=3)
    seen, over = [float(observation[2])], False
    while not over:
        observation, _, terminated, truncated, _ = env.step(0)
        assert env.observation_space.contains(observation)
        seen.append(float(observation[2]))
        over = terminated or truncated
    return seen


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_it_falls_from_1_to_0_by_equal_steps(account: str) -> None:
    env = TradingEnvironment(data=random_candles(60), interpreted=True, account=account, **SETTINGS)
    seen = shares(env)

    assert seen == pytest.approx(np.linspace(1.0, 0.0, len(seen)), abs=1e-6)
    assert (seen[0], seen[-1]) == (1.0, 0.0)


def test_a_random_window_ends_with_the_window_and_not_with_the_data() -> None:
    env = TradingEnvironment(data=random_candles(80), interpreted=True, episode_length=8, **SETTINGS)

    assert shares(env) == [1.0 - k / 8 for k in range(9)]


def test_an_action_for_several_candles_passes_as_much_time() -> None:
    env = TradingEnvironment(
        data=random_candles(80), interpreted=True, episode_length=8, steps_per_action=3, **SETTINGS
    )

    assert shares(env) == [1.0, 0.625, 0.25, 0.0]


def test_every_sub_environment_sees_what_the_single_one_sees() -> None:
    arguments: dict[str, Any] = {"data": random_candles(80), "interpreted": True, "episode_length": 8, **SETTINGS}
    vector, single = TradingVectorEnvironment(num_envs=3, **arguments), TradingEnvironment(**arguments)
    first, _ = vector.reset(seed=[4, 5, 3])
    rows = [first[2]] + [vector.step(np.zeros(3, np.int64))[0][2] for _ in range(7)]
    alone = [single.reset(seed=3)[0]] + [single.step(0)[0] for _ in range(7)]

    assert np.array_equal(rows, alone)
    assert [float(row[2]) for row in rows] == [1.0 - k / 8 for k in range(8)]


def test_positions_of_several_symbols_keep_their_places_beside_it() -> None:
    candles = random_candles(40, symbols=("AAAUSDT", "BBBUSDT"))
    env = TradingEnvironment(data=candles, interpreted=True, action_scheme="portfolio", slippage="none", **SETTINGS)
    env.reset(seed=0)
    observation, _, _, _, _ = env.step(np.array([0.2, 0.7]))

    assert observation[-2:] == pytest.approx([0.2, 0.7], abs=0.05)
    assert 0.9 < observation[-3] < 1.0


def test_a_live_environment_refuses_it_since_it_has_no_end() -> None:
    with pytest.raises(ConfigurationError, match="time_to_end needs an episode with an end"):
        LiveTradingEnv(ReplayFeed(random_candles(200), "2024-01-06T00:00:00Z"), **SETTINGS)
