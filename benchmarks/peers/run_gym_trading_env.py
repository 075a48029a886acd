"""Gym-Trading-Env 0.3.5, `TradingEnv`, `windows=30`, 0.1 % fees, through `gymnasium.make`."""

import warnings

import gym_trading_env  # noqa: F401
import gymnasium as gym
import numpy as np
import pandas as pd
from candles import WINDOW, make_candles
from loop import measure

warnings.simplefilter("ignore")
columns = make_candles()
frame = pd.DataFrame(columns, index=pd.to_datetime(columns.pop("time"), unit="us"))
frame["feature_close"] = np.log(frame["close"]).diff().fillna(0.0)
frame["feature_open"] = frame["open"] / frame["close"]
frame["feature_high"] = frame["high"] / frame["close"]
# with the two dynamic features that it adds, a row has five numbers
env = gym.make(
    "TradingEnv",
    df=frame,
    positions=[0, 0.5, 1],
    windows=WINDOW,
    trading_fees=0.001,
    portfolio_initial_value=10_000,
    verbose=0,
)
measure(env, 3)
