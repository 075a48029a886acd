"""Play a year that the saved agent of ppo.py has not seen, deterministically, learning nothing, without a trace.

    python examples/ppo.py && python examples/evaluate.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. STEPS ends the year early. `train_and_compare.py` sets it beside the baselines.
"""
# ruff: noqa: T201

import sys

import gymnasium as gym

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.strategies import StableBaselinesTradingStrategy

steps = int(sys.argv[1]) if len(sys.argv) > 1 else None
held_out = gym.make(
    "TradeReady-BTC-v0",
    data="sample",
    start_time="2023-01-01T00:00:00Z",
    end_time="2024-01-01T00:00:00Z",
    # as it was trained: another observation or another action space would be refused by name
    observation_features=["momentum_24", "momentum_168", "ma_ratio_200", "volatility_24", "rsi_14", "position"],
    lookback_window=1,
    position_size=1.0,
    track_training=False,
)
agent = StableBaselinesTradingStrategy.load("runs/ppo", held_out)
evaluation = agent.evaluate(steps=steps)
print(evaluation)
for name, value in evaluation.episodes[0].metrics.items():
    print(f"{name:24s} {value if value is None else round(value, 4)}")
