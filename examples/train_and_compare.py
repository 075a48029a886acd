"""Train PPO on real hourly candles of 2021 and 2022, play 2023, and compare with the four baselines.

    python examples/train_and_compare.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. What `tradeready train` and `tradeready evaluate` do, in Python.
"""
# ruff: noqa: T201

import sys
from typing import Any

import gymnasium as gym

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.strategies import StableBaselinesTradingStrategy
from tradeready_gym.strategies.comparison import compare

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
market: dict[str, Any] = {
    "data": "sample",
    "timeframe": "1h",
    "observation_features": ["momentum_24", "momentum_168", "ma_ratio_200", "volatility_24", "rsi_14", "position"],
    "lookback_window": 1,
    "reward_function": "log_return",
    "position_size": 1.0,
    "track_training": False,
}
training = gym.make("TradeReady-BTC-v0", end_time="2023-01-01T00:00:00Z", **market)
held_out = gym.make("TradeReady-BTC-v0", start_time="2023-01-01T00:00:00Z", end_time="2024-01-01T00:00:00Z", **market)

agent = StableBaselinesTradingStrategy(training, "PPO", seed=0)
agent.train(steps)
agent.save("runs/example")

agent = StableBaselinesTradingStrategy.load("runs/example", held_out)
result = compare([agent], held_out)
print("in-sample" if result.in_sample else "held out", result.flat.spans[0])
for evaluation in (*result.agents, result.buy_and_hold, result.flat, result.moving_averages, result.random_traders):
    print(f"{evaluation.strategy:16s} {evaluation.metric('roi_pct').mean():8.1f} %")
