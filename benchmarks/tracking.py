"""What tracking costs a training: CPU time of the training process without it, with a journal, and with a platform.

    python benchmarks/tracking.py [rounds] [first letters of a kind of work]

The platform is a process of its own. CPU time counts every thread of the training, the one that delivers included. Steps alone
are the worst case; a training also learns.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.tracking import TrainingTracker, deliver_pending

STEPS, LENGTH = 100_000, 168
MARKET: dict[str, Any] = {"data": "sample", "episode_length": LENGTH}


def main(rounds: int, only: str) -> None:
    """Interleave the three ways, and print the medians as ratios."""
    with tempfile.TemporaryDirectory() as folder, platform(Path(folder)) as (url, key):
        ways = {
            "no tracking": {"track_training": False},
            "journal": {"track_training": True},
            "platform": {"track_training": True, "api_key": key, "base_url": url},
        }
        for name, work in WORK.items():
            if not name.startswith(only):
                continue
            times: dict[str, list[float]] = {way: [] for way in ways}
            work(ways["no tracking"])
            for _ in range(rounds):
                for way, arguments in ways.items():
                    times[way].append(work(arguments))
            for way, values in times.items():
                # each round by itself: what else the machine does is the same for both
                ratio = statistics.median(a / b for a, b in zip(values, times["no tracking"], strict=True))
                sys.stdout.write(
                    f"{name:24} {way:12} {statistics.median(values):7.2f} s CPU  {100 * (ratio - 1):+6.2f} %\n"
                )
        for way, arguments in ways.items():
            if arguments["track_training"]:
                alone, together = reports(arguments)
                sys.stdout.write(
                    f"an episode to the {way}: {alone:.1f} us CPU alone, {together:.1f} us in a batch of 256\n"
                )
        left = deliver_pending(api_key=key, base_url=url)
        sys.stdout.write(f"left in journals: {sum(delivery.episodes for delivery in left)} episodes\n")


def reports(arguments: dict[str, Any]) -> tuple[float, float]:
    """Microseconds of CPU that the report of one episode costs the process, its delivery included."""
    where = {name: value for name, value in arguments.items() if name != "track_training"}
    figures = {"roi_pct": 2.517, "sharpe_ratio": 1.503, "max_drawdown_pct": 1.258, "total_trades": 7, "length": 168}
    batch = {name: np.full(256, value) for name, value in figures.items()}
    found = []
    for rows in (1, 256):
        run = TrainingTracker("reports", **where)
        begin = time.process_time()
        for number in range(1, 20_480 // rows + 1):
            if rows == 1:
                run.report_episode(number, figures, seed=number)
            else:
                run.report_episodes(np.arange(rows * (number - 1) + 1, rows * number + 1), batch)
        run.complete_run()
        found.append(1e6 * (time.process_time() - begin) / 20_480)
    return found[0], found[1]


def timed(env: Any, work: Callable[[], None]) -> float:
    """Seconds of CPU of the work and of closing."""
    begin = time.process_time()
    work()
    env.close()
    return time.process_time() - begin


def single(arguments: dict[str, Any]) -> float:
    """100,000 steps, about 600 episodes."""
    env = TradingEnvironment(**MARKET, **arguments)

    def work() -> None:
        env.reset(seed=1)
        for step in range(STEPS):
            *_, terminated, truncated, _ = env.step(step % 3)
            if terminated or truncated:
                env.reset()

    return timed(env, work)


def vector(arguments: dict[str, Any], count: int = 256) -> float:
    """Two million steps of as many environments at once, about 12,000 episodes."""
    env = TradingVectorEnvironment(num_envs=count, **MARKET, **arguments)

    def work() -> None:
        env.reset(seed=1)
        env.action_space.seed(1)
        actions = env.action_space.sample()
        for _ in range(20 * STEPS // count):
            env.step(actions)

    return timed(env, work)


def ppo(arguments: dict[str, Any]) -> float:
    """10,000 steps of learning with Stable-Baselines3."""
    import torch
    from stable_baselines3 import PPO

    from tradeready_gym.strategies.vec_adapter import StableBaselinesVecEnv

    torch.set_num_threads(1)
    env = StableBaselinesVecEnv(
        TradingVectorEnvironment(num_envs=8, autoreset_mode="SAME_STEP", episode_end="gymnasium", **MARKET, **arguments)
    )
    model = PPO("MlpPolicy", env, n_steps=256, seed=1, device="cpu")
    return timed(env, lambda: model.learn(10_000) and None)


@contextmanager
def platform(home: Path) -> Iterator[tuple[str, str]]:
    """A server in a process of its own; its address and the owner's key."""
    command = [sys.executable, "-u", "-m", "tradeready_gym.cli", "serve", "--port", "0", "--home", str(home)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = ""
        while not (re.search(r"ak_live_\S+", said) and re.search(r"http://[\d.]+:\d+", said)):
            said += server.stdout.readline() if server.stdout else ""
        yield re.search(r"http://[\d.]+:\d+", said)[0], re.search(r"ak_live_\S+", said)[0]  # type: ignore[index]
    finally:
        server.kill()
        server.wait()


WORK = {
    "one environment": single,
    "256 at once": vector,
    "1024 at once": lambda arguments: vector(arguments, 1024),
    "PPO": ppo,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2] if len(sys.argv) > 2 else "")
