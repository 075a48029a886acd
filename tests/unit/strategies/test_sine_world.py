"""PPO learns a price without chance, and earns more there than random trading does."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.market.worlds import sine
from tradeready_gym.strategies import RandomTrader, StableBaselinesTradingStrategy


def market(seed: int) -> TradingEnvironment:
    arguments: dict[str, Any] = {"action_scheme": "target_position", "reward_scheme": "log_return", "slippage": "none"}
    return TradingEnvironment(
        data=sine(bars=600, seed=seed),
        feature_pipeline=["returns", "position"],
        lookback_window=10,
        fee_rate=0.0,
        **arguments,
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_on_a_sine_earns_what_there_is_and_random_trading_far_less(seed: int) -> None:
    agent = StableBaselinesTradingStrategy(market(seed), seed=seed, num_envs=32, track_training=False)
    agent.train(30_000)
    held_out = market(100 + seed)
    played = agent.evaluate(held_out)
    episode = played.episodes[0].net_worth
    grown = np.log(episode[-1] / episode[0])
    perfect = np.log(1.05 / 0.95) * (len(episode) - 1) / 24
    like = RandomTrader.like(played, held_out, seeds=4).evaluate(held_out, episodes=10)
    chance = [np.log(each.net_worth[-1] / each.net_worth[0]) for each in like.episodes]

    assert grown > 0.8 * perfect
    assert max(chance) < 0.4 * grown
