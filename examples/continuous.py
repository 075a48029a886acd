"""Continuous actions: SAC decides how much to buy or sell, in every candle.

    python examples/continuous.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. An action of 0.4 buys, one of -0.4 sells, for 0.4 x `position_size` of the equity;
below 0.05 nothing happens, which is what keeps a noisy policy from paying fees all day.
"""
# ruff: noqa: T201

import sys
from typing import Any

import gymnasium as gym
import numpy as np

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.strategies import BuyAndHold, StableBaselinesTradingStrategy

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
market: dict[str, Any] = {
    "data": "sample",
    "observation_features": ["momentum_24", "ma_ratio_200", "volatility_24", "position"],
    "lookback_window": 1,
    "reward_function": "log_return",
    "position_size": 0.5,
    "track_training": False,
}
training = gym.make("TradeReady-BTC-Continuous-v0", end_time="2023-01-01T00:00:00Z", **market)
held_out = gym.make(
    "TradeReady-BTC-Continuous-v0", start_time="2023-01-01T00:00:00Z", end_time="2023-04-01T00:00:00Z", **market
)

observation, info = held_out.reset(seed=0)
for size in (0.04, 0.4, -1.0):
    observation, reward, terminated, truncated, info = held_out.step(np.array([size], np.float32))
    print(f"{size:5.2f}:", [f"{fill['side']} {fill['quantity']:.4f}" for fill in info["filled_orders"]] or "nothing")

agent = StableBaselinesTradingStrategy(training, "SAC", seed=0, track_training=False)
agent.train(steps)
for strategy in (agent, BuyAndHold()):
    print(strategy.name, strategy.evaluate(held_out).episodes[0])
