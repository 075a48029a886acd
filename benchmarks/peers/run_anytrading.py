"""gym-anytrading 2.0.0, `stocks-v0`, window 30, through `gymnasium.make`."""

import warnings

import gym_anytrading  # noqa: F401
import gymnasium as gym
import pandas as pd
from candles import WINDOW, make_candles
from loop import measure

warnings.simplefilter("ignore")
columns = make_candles()
frame = pd.DataFrame({name.capitalize(): values for name, values in columns.items()})
env = gym.make("stocks-v0", df=frame, window_size=WINDOW, frame_bound=(WINDOW, len(frame)))
measure(env, 2)
