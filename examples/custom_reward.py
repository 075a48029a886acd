"""A reward of one's own in plain Python, and PPO that learns from it.

    python examples/custom_reward.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. A reward in Python costs some microseconds for each account and step; the rest of
the step stays compiled. `docs/components.md` has the compiled form.
"""
# ruff: noqa: T201

import sys
from collections.abc import Mapping
from typing import Any

import gymnasium as gym

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym import CustomReward
from tradeready_gym.strategies import StableBaselinesTradingStrategy
from tradeready_gym.testing import check_reward


class CalmReturn(CustomReward):
    """The return of the step, less a fine for what the account lies below its peak of this episode."""

    def __init__(self, fine: float = 0.01) -> None:
        self.fine = fine
        self.peak = 0.0

    def reset(self) -> None:
        self.peak = 0.0

    def compute(self, prev_equity: float, curr_equity: float, info: Mapping[str, Any]) -> float:
        self.peak = max(self.peak, prev_equity, curr_equity)
        if min(prev_equity, self.peak) <= 0.0:  # a margin account can get there
            return 0.0
        return curr_equity / prev_equity - 1.0 - self.fine * (1.0 - curr_equity / self.peak)


check_reward(CalmReturn())  # finite, deterministic, forgets at reset, independent copies
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
market = gym.make(
    "TradeReady-BTC-v0",
    data="sample",
    end_time="2023-01-01T00:00:00Z",
    observation_features=["momentum_24", "ma_ratio_200", "volatility_24", "position"],
    lookback_window=1,
    reward_function=CalmReturn(),
    position_size=1.0,
    episode_length=720,
    track_training=False,
)
market.reset(seed=0)
print("paid for buying:", round(float(market.step(1)[1]), 6))
agent = StableBaselinesTradingStrategy(market, "PPO", seed=0, num_envs=16, track_training=False)
agent.train(steps)
for episode in agent.evaluate(episodes=3).episodes:
    print(episode)
