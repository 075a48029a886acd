"""This project, `TradeReady-BTC-v0`, window 30 x 5, the whole ledger and the full info, through `gymnasium.make`."""

import gymnasium as gym
from candles import WINDOW, make_candles
from loop import measure

import tradeready_gym  # noqa: F401
from tradeready_gym.market import Candles

columns = make_candles()
prices = [columns[name] for name in ("open", "high", "low", "close", "volume")]
candles = Candles.from_arrays("BTCUSDT", "1h", columns["time"], *prices)
env = gym.make("TradeReady-BTC-v0", data=candles, lookback_window=WINDOW, track_training=False)
measure(env, 3)
