"""What a second processor is worth to a walk-forward: 8 folds x 5 seeds of PPO on one process and on two.

    python benchmarks/walk_forward.py [steps] [folds] [seeds]

Run it where nothing else runs: seconds of the wall are only a measure there. CPU seconds of this process and of its workers say what a
second process costs besides: about 6 s, in which it imports PyTorch and loads compiled code. Results are compared first.
"""

import os
import resource
import sys
import time

from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.walk_forward import WalkForward, walk_forward


def main(steps: int, folds: int, seeds: int) -> None:
    """Play it once to compile, then on one process and on two."""
    experiment = Experiment("TradeReady-BTC-v0", {"data": "sample"}, steps=steps, seeds=tuple(range(seeds)))
    walk_forward(Experiment("TradeReady-BTC-v0", {"data": "sample"}, steps=1, seeds=(0,)), folds=1, workers=1)
    one, alone = measure(experiment, folds, 1)
    two, together = measure(experiment, folds, 2)
    for first, second in zip(one.results, two.results, strict=True):
        if first.performance.net_worth.tolist() != second.performance.net_worth.tolist():
            raise SystemExit(f"{first.fold}, seed {first.seed}: another result with two processes")
    sys.stdout.write(f"{alone / together:.2f} times as fast on two processes ({os.cpu_count()} processors)\n")


def measure(experiment: Experiment, folds: int, workers: int) -> tuple[WalkForward, float]:
    """The result, and seconds of the wall; prints CPU seconds, too."""
    before, begin = cpu_seconds(), time.perf_counter()
    result = walk_forward(experiment, folds=folds, workers=workers)
    wall = time.perf_counter() - begin
    own, others = (after - first for after, first in zip(cpu_seconds(), before, strict=True))
    sys.stdout.write(
        f"{workers} process{'es' if workers > 1 else ''}: {wall:6.1f} s, CPU {own:.1f} s here and {others:.1f} s in workers\n"
    )
    return result, wall


def cpu_seconds() -> tuple[float, float]:
    """User and system seconds of this process, and of the workers that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, others = (one.ru_utime + one.ru_stime for one in used)
    return own, others


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [8_000, 8, 5][len(given) :]))
