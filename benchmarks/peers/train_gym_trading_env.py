"""PPO as people use it: 8 copies of Gym-Trading-Env in a DummyVecEnv, default batch; prints one JSON line a seed.

    python train_gym_trading_env.py FOLDER STEPS SEEDS [scaled]

FOLDER has the candles that train_ours.py wrote. Before anything is timed, its random episode is played here and must give
the same equity. `scaled` standardises the features by hand, which its users have to think of.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import gym_trading_env  # noqa: F401  registers TradingEnv, and turns every warning into an error
import gymnasium
import numpy as np
import pandas as pd
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

warnings.resetwarnings()
warnings.filterwarnings("ignore")
WINDOW, EPISODE = 30, 512


def make(data: dict[str, np.ndarray], episode: int | str, scale: np.ndarray) -> gymnasium.Env:
    """The environment on a frame of the candles; its window begins where ours does."""
    frame = pd.DataFrame(
        {column: data[column] for column in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(data["times"], unit="us"),
    )
    for column, values in enumerate((data["features"] / scale).T):
        frame[f"feature_{column}"] = values
    return gymnasium.make(
        "TradingEnv",
        df=frame.iloc[int(data["first"]) - WINDOW :],
        positions=[0, 1],
        windows=WINDOW,
        trading_fees=0,
        borrow_interest_rate=0,
        initial_position=0,
        max_episode_duration=episode,
        verbose=0,
        disable_env_checker=True,
    )


def largest_difference(data: dict[str, np.ndarray]) -> float:
    """Relative difference of the equity in the random episode that was handed over."""
    env = make(data, "max", np.ones(5))
    env.reset(seed=0)
    values = [env.step(int(action))[4]["portfolio_valuation"] for action in data["actions"]]
    return float(np.max(np.abs(np.array(values) / 1_000.0 / data["growth"] - 1.0)))


def main(folder: Path, steps: int, seeds: int, scaled: bool) -> None:
    """Compare, then train and test once per seed."""
    torch.set_num_threads(1)  # several are slower with batches of 64
    training, test = (dict(np.load(folder / f"{name}.npz")) for name in ("training", "test"))
    difference = max(largest_difference(training), largest_difference(test))
    if difference > 1e-9:
        raise SystemExit(f"the two environments disagree on the same actions by {difference:.1e}")
    deviation = np.nanstd(training["features"], axis=0)
    scale = np.where(deviation > 0.0, deviation, 1.0) if scaled else np.ones(5)
    for seed in range(seeds):
        np.random.seed(seed)  # it draws its episodes from the global generator
        vector = DummyVecEnv([lambda: Monitor(make(training, EPISODE, scale)) for _ in range(8)])
        model = PPO("MlpPolicy", vector, seed=seed, device="cpu")
        begun = time.perf_counter()
        model.learn(steps)
        taken = time.perf_counter() - begun
        env = make(test, "max", scale)
        observation, info = env.reset(seed=0)
        done = False
        while not done:
            action, _ = model.predict(observation, deterministic=True)
            observation, _, terminated, truncated, info = env.step(int(action))
            done = terminated or truncated
        result = {
            "steps": model.num_timesteps,
            "steps_per_second": model.num_timesteps / taken,
            "log_growth": float(np.log(info["portfolio_valuation"] / 1_000.0)),
            "difference": difference,
        }
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), "scaled" in sys.argv[4:])
