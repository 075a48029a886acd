"""What the agent sees, of one's own: a feature in ten lines, and a column of one's own data.

    python examples/custom_observation.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. Features are computed once over the whole series and checked for look-ahead when
they meet it: a feature that knows the future is refused, as the last lines show.
"""
# ruff: noqa: T201

import sys
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.errors import TradeReadyError
from tradeready_gym.features import SymbolCandles, feature
from tradeready_gym.market import load_sample
from tradeready_gym.strategies import StableBaselinesTradingStrategy


@feature(warmup_bars=24)
def place_in_the_day(candles: SymbolCandles) -> np.ndarray:
    """Where the close lies between the lowest and the highest price of the last 24 candles: 0 to 1."""
    windows = np.lib.stride_tricks.sliding_window_view
    low, high = windows(candles.low, 24).min(axis=1), windows(candles.high, 24).max(axis=1)
    return np.concatenate([np.full(23, np.nan), (candles.close[23:] - low) / np.maximum(high - low, 1e-12)])


@feature(warmup_bars=1)
def tomorrow(candles: SymbolCandles) -> np.ndarray:
    """What nobody knows."""
    return np.roll(candles.close, -1) / candles.close - 1.0


steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
candles = load_sample()
days = (candles.times - np.datetime64("2020-05-11", "us").astype(np.int64)) / 86_400e6
candles = replace(candles, columns={"since_halving": days[None] / 1_400})  # one's own data, known at the candle's close
market: dict[str, Any] = {
    "data": candles,
    "end_time": "2023-01-01T00:00:00Z",
    "lookback_window": 5,
    "reward_function": "log_return",
    "position_size": 1.0,
    "track_training": False,
}
training = gym.make(
    "TradeReady-BTC-v0",
    observation_features=["returns", "rsi_21", place_in_the_day, "since_halving", "position"],
    **market,
)
print(training.get_wrapper_attr("feature_pipeline").column_names, training.observation_space.shape)
agent = StableBaselinesTradingStrategy(training, "PPO", seed=0, track_training=False)
agent.train(steps)
print(agent.evaluate())
try:
    gym.make("TradeReady-BTC-v0", observation_features=["returns", tomorrow], **market)
except TradeReadyError as error:
    print(f"{type(error).__name__}: {error}")
