"""DQN, with Stable-Baselines3's own class on the Gymnasium environment: nothing of ours but the market.

    python examples/dqn.py [STEPS]

Needs `pip install "tradeready-gym[sb3]"`. Whoever brings an own learner scales observations with a wrapper, and freezes it
before the test: statistics that go on learning there would have seen the test.
"""
# ruff: noqa: T201

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3 import DQN

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.wrappers import NormalizationWrapper

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
market: dict[str, Any] = {
    "data": "sample",
    "lookback_window": 10,
    "reward_function": "log_return",
    "position_size": 1.0,
    "episode_end": "gymnasium",  # the end of the data is no end of the world: its value is bootstrapped
    "track_training": False,
}
training = NormalizationWrapper(
    gym.make("TradeReady-BTC-v0", end_time="2023-01-01T00:00:00Z", episode_length=512, **market)
)
agent = DQN("MlpPolicy", training, learning_starts=1_000, seed=0, device="cpu")
agent.learn(steps)

held_out = NormalizationWrapper(
    gym.make("TradeReady-BTC-v0", start_time="2023-01-01T00:00:00Z", end_time="2023-04-01T00:00:00Z", **market)
)
Path("runs").mkdir(exist_ok=True)
agent.save("runs/dqn")
training.save("runs/dqn_scale.json")
held_out.load("runs/dqn_scale.json")  # frozen from here on
observation, info = held_out.reset(seed=0)
done = False
while not done:
    action, _ = agent.predict(observation, deterministic=True)
    observation, reward, terminated, truncated, info = held_out.step(int(action))
    done = terminated or truncated
metrics = info["episode_metrics"]
print(f"held out: {metrics['roi_pct']:.2f} % with {metrics['total_trades']} trades, fees {info['fees_paid']:.2f}")
