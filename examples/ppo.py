"""PPO of Stable-Baselines3 on two years of real candles; saved, so that evaluate.py can play another year with it.

    python examples/ppo.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. The strategy trains 256 accounts in one compiled environment, scales observations
and rewards, and keeps with the model what it has learned from.
"""
# ruff: noqa: T201

import sys

import gymnasium as gym

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.strategies import StableBaselinesTradingStrategy

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
market = gym.make(
    "TradeReady-BTC-v0",
    data="sample",
    end_time="2023-01-01T00:00:00Z",
    observation_features=["momentum_24", "momentum_168", "ma_ratio_200", "volatility_24", "rsi_14", "position"],
    lookback_window=1,
    reward_function="log_return",
    position_size=1.0,
)
agent = StableBaselinesTradingStrategy(market, "PPO", seed=0, strategy_label="ppo example")
agent.train(steps)
print(f"{agent.name}: {agent.trained_steps} steps, saved in {agent.save('runs/ppo')}")
print("on the years it learned from, which proves nothing:", agent.evaluate().episodes[0])
