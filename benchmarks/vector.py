"""The vector environment on one core, against a NumPy gather of the same observations and a C memcpy of them.

The gather reads the same float32 table and does no trading at all. Before anything is timed, the windows that the
environment observes are compared with the gathered ones, bit for bit.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/peers")
from candles import WINDOW, make_candles

import tradeready_gym  # noqa: F401
from tradeready_gym.market import Candles

FEATURES = 5
STEPS = 128
ROUNDS = 40


def rate(function: Callable[[int], Any], count: int, begin: Callable[[], Any] = lambda: None) -> float:
    """Environments per second over the first steps of an episode; of every step the best of several rounds.

    Every round plays the same, so that the best of a step is the one with the least of what else the machine does.
    """
    seconds = np.full(STEPS, np.inf)
    for _ in range(ROUNDS):
        begin()
        for k in range(STEPS):
            started = time.perf_counter()
            function(k)
            seconds[k] = min(seconds[k], time.perf_counter() - started)
    return STEPS * count / float(seconds.sum())


def main() -> None:
    """Print JSON: one row per batch size, reward and kind of actions."""
    columns = make_candles()
    prices = [columns[name] for name in ("open", "high", "low", "close", "volume")]
    candles = Candles.from_arrays("BTCUSDT", "1h", columns["time"], *prices)
    rows: list[dict[str, Any]] = []
    for count in (1024, 8192):
        for reward in ("pnl", "sharpe"):
            env = gym.make_vec(
                "TradeReady-BTC-v0",
                num_envs=count,
                data=candles,
                lookback_window=WINDOW,
                episode_length=5000,
                reward_function=reward,
                track_training=False,
            )
            observations, _ = env.reset(seed=7)
            engine = env.unwrapped.engine
            table = engine.table.reshape(-1, FEATURES)
            windows = np.lib.stride_tricks.sliding_window_view(table, WINDOW, axis=0).transpose(0, 2, 1)
            starts = np.array(engine.state.accounts["row"]) - WINDOW
            gathered = windows[starts].reshape(count, -1)
            if not np.array_equal(gathered, observations[:, : WINDOW * FEATURES]):
                raise SystemExit("the environment does not observe what the gather gathers; nothing was timed")
            source = np.array(observations)
            target = np.empty_like(source)
            gather = rate(lambda _, w=windows, s=starts: w[s], count)
            memcpy = rate(lambda _, a=source, b=target: np.copyto(b, a), count)
            rng = np.random.default_rng(0)
            for kind in ("random", "hold"):
                actions = rng.integers(0, 3, (64, count)) if kind == "random" else np.zeros((64, count), np.int64)
                ours = rate(lambda k, e=env, a=actions: e.step(a[k % 64]), count, lambda e=env: e.reset(seed=7))
                rows.append(
                    {
                        "environments": count,
                        "reward": reward,
                        "actions": kind,
                        "ours": ours,
                        "gather": gather,
                        "memcpy": memcpy,
                        "of_gather": ours / gather,
                        "of_memcpy": ours / memcpy,
                    }
                )
            env.close()
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
