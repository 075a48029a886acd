"""Step one environment with the same random actions, and say how fast it went."""

import json
import sys
import time
from typing import Any

import numpy as np


def measure(env: Any, actions: int, seconds: float = 4.0) -> None:
    """Print JSON: steps per second of `env.step`, resets included, best of four rounds."""
    choices = np.random.default_rng(1).integers(0, actions, 50_000).tolist()
    env.reset(seed=0)
    best, steps = 0.0, 0
    for _ in range(4):
        done = 0
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds / 4:
            for action in choices[:2000]:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
            done += 2000
        best = max(best, done / (time.perf_counter() - begin))
        steps += done
    json.dump({"steps_per_second": best, "steps": steps}, sys.stdout)
