"""Portfolio weights: PPO divides the money among three assets and cash, on a synthetic market.

    python examples/portfolio.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. The market has the statistics of real candles and no trend that could be learned:
whoever beats the equal weights here by much was lucky, and the costs are real.
"""
# ruff: noqa: T201

import sys
from typing import Any

import gymnasium as gym
import numpy as np

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.strategies import BuyAndHold, StableBaselinesTradingStrategy

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
market: dict[str, Any] = {
    "data": "synthetic",
    "pairs": ["BTCUSDT", "ETHUSDT", "SOLUSDT"],  # any
    "reward_function": "log_return",
    "track_training": False,
}
training = gym.make("TradeReady-Portfolio-v0", end_time="2022-07-01T00:00:00Z", **market)
held_out = gym.make(
    "TradeReady-Portfolio-v0", start_time="2022-07-01T00:00:00Z", end_time="2023-01-01T00:00:00Z", **market
)

observation, info = held_out.reset(seed=0)
observation, reward, terminated, truncated, info = held_out.step(
    np.array([0.5, 0.3, 0.0], np.float32)
)  # a fifth in cash
for fill in info["filled_orders"]:
    print(f"{fill['side']} {fill['quantity']:.4f} {fill['symbol']} at {fill['price']:.2f}, fee {fill['fee']:.2f}")

agent = StableBaselinesTradingStrategy(training, "PPO", seed=0, track_training=False)
agent.train(steps)
for strategy in (agent, BuyAndHold()):
    print(strategy.name, strategy.evaluate(held_out).episodes[0])
