"""Step one environment with the same random actions, and say how fast it went."""

import json
import sys
import time
from typing import Any

import numpy as np

STEPS = 2_000


def measure(env: Any, actions: int, seconds: float = 4.0) -> None:
    """Print JSON: steps per second of a reset and 2,000 steps, the best of as many as fit into `seconds`.

    They are the same every time, so that the best is the one with the least of what else the machine does.
    """
    choices = np.random.default_rng(1).integers(0, actions, STEPS).tolist()
    end = time.perf_counter() + seconds
    best, rounds = np.inf, 0
    while time.perf_counter() < end:
        begin = time.perf_counter()
        env.reset(seed=0)
        for action in choices:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        best = min(best, time.perf_counter() - begin)
        rounds += 1
    json.dump({"steps_per_second": STEPS / best, "steps": rounds * STEPS}, sys.stdout)
