"""A strategy of one's own in ten lines: buy after a fall of three candles, sell after a rise of three.

python examples/own_strategy.py
"""
# ruff: noqa: T201

import gymnasium as gym
import numpy as np

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.strategies import BuyAndHold, Situation, TradingStrategy

HOLD, BUY, SELL = 0, 1, 2


class AfterThree(TradingStrategy):
    """Decides for any number of accounts at once, from closes that lie in their past."""

    def decide(self, situation: Situation) -> np.ndarray:
        moves = np.diff(situation.closes(4)[:, 0], axis=1)  # (accounts, 3), newest last
        fell, rose = (moves < 0).all(axis=1), (moves > 0).all(axis=1)
        return np.where(fell, BUY, np.where(rose, SELL, HOLD))


market = gym.make(
    "TradeReady-BTC-v0",
    data="sample",
    timeframe="1d",
    start_time="2022-01-01T00:00:00Z",
    end_time="2023-01-01T00:00:00Z",
    position_size=1.0,
    track_training=False,
)
for strategy in (AfterThree(), BuyAndHold()):
    performance = strategy.evaluate(market).episodes[0]
    print(strategy.name, performance, f"{performance.metrics['total_trades']} trades")
