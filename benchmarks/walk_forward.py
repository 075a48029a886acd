"""What a second processor is worth to a walk-forward: 8 folds x 5 seeds of PPO on one process and on two.

    python benchmarks/walk_forward.py [steps] [folds] [seeds]

Results, those of the random traders among them, are compared first; everything is compiled before it is measured. Seconds of the wall are only a
measure where nothing else runs: the load of the machine is printed. What other programs cannot spoil is the CPU time of each process: alone, over that of
the busier of the two together, is how many times as fast two processors of their own would be. A further process costs
about 5 s of CPU once, in which it imports PyTorch and loads compiled code: the longer the training, the less that is.
"""

import os
import resource
import sys
import time
from typing import NamedTuple

from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.walk_forward import FoldResult, WalkForward, walk_forward


def main(steps: int, folds: int, seeds: int) -> None:
    """Play it once to compile, then on one process and on two."""
    experiment = Experiment("TradeReady-BTC-v0", {"data": "sample"}, steps=steps, seeds=tuple(range(seeds)))
    walk_forward(Experiment("TradeReady-BTC-v0", {"data": "sample"}, steps=1, seeds=(0,)), folds=1, workers=1)
    one, alone = measure(experiment, folds, 1)
    two, together = measure(experiment, folds, 2)
    for first, second in zip(one.results, two.results, strict=True):
        if first.performance.net_worth.tolist() != second.performance.net_worth.tolist():
            raise SystemExit(f"{first.fold}, seed {first.seed}: another result with two processes")
        if curves_of(first) != curves_of(second):
            raise SystemExit(f"{first.fold}, seed {first.seed}: other random traders with two processes")
    sys.stdout.write(
        f"{alone.wall / together.wall:.2f} times as fast on two processes ({os.cpu_count()} processors); "
        f"{alone.own / max(together.own, together.others):.2f} times by CPU time\n"
    )


def curves_of(result: FoldResult) -> list[list[float]]:
    """The equity of the random traders beside a result."""
    return [] if result.traders is None else [curve.tolist() for curve in result.traders.equity]


class Measured(NamedTuple):
    """Seconds of the wall, and CPU seconds of this process and of the workers."""

    wall: float
    own: float
    others: float


def measure(experiment: Experiment, folds: int, workers: int) -> tuple[WalkForward, Measured]:
    """The result, and what it took; prints that and the load of the machine."""
    before, begin = cpu_seconds(), time.perf_counter()
    result = walk_forward(experiment, folds=folds, workers=workers)
    wall = time.perf_counter() - begin
    own, others = (after - first for after, first in zip(cpu_seconds(), before, strict=True))
    sys.stdout.write(
        f"{workers} process{'es' if workers > 1 else ''}: {wall:6.1f} s, CPU {own:.1f} s here and {others:.1f} s in the other; "
        f"load {os.getloadavg()[0]:.1f}\n"
    )
    return result, Measured(wall, own, others)


def cpu_seconds() -> tuple[float, float]:
    """User and system seconds of this process, and of the workers that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, others = (one.ru_utime + one.ru_stime for one in used)
    return own, others


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [8_000, 8, 5][len(given) :]))
