"""What a step costs at the beginning and at the end of a long episode: it must be the same, and memory must not grow.

python benchmarks/run.py --only length
"""

import json
import resource
import sys
import time
from typing import Any

import gymnasium as gym
import numpy as np

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/peers")
from candles import WINDOW, make_candles

import tradeready_gym  # noqa: F401
from tradeready_gym.market import Candles

STEPS = 19_000
STRETCH = 2_000
PIECE = 100


def stretch(env: Any, actions: Any) -> tuple[float, float]:
    """Seconds per step (the median of pieces of a stretch) at the beginning and at the end of one episode."""
    pieces = []
    for first in range(0, STEPS, PIECE):
        begin = time.perf_counter()
        for k in range(first, first + PIECE):
            env.step(actions[k % len(actions)])
        pieces.append((time.perf_counter() - begin) / PIECE)
    count = STRETCH // PIECE
    return float(np.median(pieces[:count])), float(np.median(pieces[-count:]))


def main() -> None:
    """Print JSON: microseconds of a step, and the memory that the second half of several episodes added."""
    columns = make_candles()
    prices = [columns[name] for name in ("open", "high", "low", "close", "volume")]
    candles = Candles.from_arrays("BTCUSDT", "1h", columns["time"], *prices)
    common = {"data": candles, "lookback_window": WINDOW, "track_training": False, "episode_length": STEPS + 1}
    random = np.random.default_rng(0)
    rows = []
    for name, env, actions in (
        ("one environment", gym.make("TradeReady-BTC-v0", **common), random.integers(0, 3, 64).tolist()),
        (
            "1,024 at once",
            gym.make_vec("TradeReady-BTC-v0", num_envs=1024, **common),
            random.integers(0, 3, (64, 1024)),
        ),
    ):
        env.reset(seed=0)
        first, last = stretch(env, actions)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        env.reset(seed=1)
        stretch(env, actions)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        rows.append({"name": name, "first_us": 1e6 * first, "last_us": 1e6 * last, "grown_kib": grown})
        env.close()
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
