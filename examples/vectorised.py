"""Many accounts in one compiled call: how fast it is alone, and under one's own PPO of Stable-Baselines3.

    python examples/vectorised.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"` for the second half.
"""
# ruff: noqa: T201

import sys
import time
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.strategies import StableBaselinesVecEnv

ACCOUNTS = 1024
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
markets: Any = gym.make_vec(
    "TradeReady-BTC-v0",
    num_envs=ACCOUNTS,
    data="sample",
    reward_function="log_return",
    lookback_window=10,
    episode_length=240,  # ten days, drawn by each account for itself
    episode_end="gymnasium",
    autoreset_mode="SAME_STEP",
    num_threads=1,  # more change no number
    track_training=False,
)

# account i is the single environment with seed 7 + i
observations, infos = markets.reset(seed=7)
draw = np.random.default_rng(7)
begun, rounds, finished = time.perf_counter(), -(-steps // ACCOUNTS), []
for _ in range(rounds):
    observations, rewards, terminated, truncated, infos = markets.step(draw.integers(3, size=ACCOUNTS))
    if "final_info" in infos:  # some episodes ended; `final_obs` has their last observations
        over = infos["_final_info"]
        finished.append(infos["final_info"]["episode_metrics"]["roi_pct"][over])
rate = rounds * ACCOUNTS / (time.perf_counter() - begun)
print(f"random actions: {rate:,.0f} steps a second, {sum(map(len, finished))} episodes ended")
if finished:
    print(f"their return: {np.concatenate(finished).mean():.2f} % on average, mostly fees")

agent = PPO("MlpPolicy", StableBaselinesVecEnv(markets), n_steps=16, batch_size=4_096, n_epochs=4, device="cpu", seed=0)
begun = time.perf_counter()
agent.learn(steps)
print(f"under PPO: {agent.num_timesteps / (time.perf_counter() - begun):,.0f} steps a second")
markets.close()
