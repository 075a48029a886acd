"""The long proofs of live trading: a venue that misbehaves at random, and a month without growth.

    python tests/live/soak.py [--seeds 50] [--kills 50] [--days 30]

Prints what happened; exits with 1 if a candle was lost, doubled or filled otherwise than in the backtest.
"""

import argparse
import gc
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from fault_script import DESCRIBED, WRONG, Outcome, plan_of, play
from kill_script import kill_script

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import ReplayFeed
from tradeready_gym.market import synthetic
from tradeready_gym.tracking import journal

AT_ONCE = 4
DAY = 1440


def misbehave(seeds: int, kills: int) -> bool:
    """All seeds, some at once; prints what was done to how many, and what came of it."""
    outcomes = kill_script(kills)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes += pool.map(_played, range(seeds))
    sys.stdout.write(table(outcomes))
    counted = sum((outcome.counted for outcome in outcomes), Counter[str]())
    sys.stdout.write("; ".join(f"{number:,d} {name}" for name, number in counted.items()) + "\n")
    bad = [outcome.first for outcome in outcomes if outcome.wrong]
    sys.stdout.write("".join(f"WRONG: {first[:400]}\n" for first in bad))
    return not bad


def table(outcomes: Sequence[Outcome]) -> str:
    """A line a fault: how often it was injected, in how many runs, and what was wrong in these runs."""
    lines = ["| fault | injected | runs | " + " | ".join(WRONG) + " |", "|---|" + "---:|" * (2 + len(WRONG))]
    names = sorted({name for outcome in outcomes for name in outcome.injected}, key=lambda name: (_rank(name), name))
    for name in names:
        runs = [outcome for outcome in outcomes if outcome.injected[name]]
        wrong = sum((outcome.wrong for outcome in runs), Counter[str]())
        injected = sum(outcome.injected[name] for outcome in runs)
        cells = [DESCRIBED.get(name, name), injected, len(runs), *(wrong[kind] for kind in WRONG)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _rank(name: str) -> int:
    return list(DESCRIBED).index(name) if name in DESCRIBED else len(DESCRIBED)


def _played(seed: int) -> Outcome:
    try:
        return play(plan_of(seed), seed=seed)
    except Exception as error:  # told below the table
        outcome = Outcome()
        outcome.note("other", f"seed {seed}: {type(error).__name__}: {error}")
        return outcome


def month(days: int) -> bool:
    """Decide every minute of `days`, journalled, and compacted once a day; prints memory, open files and the journal's size."""
    candles = synthetic(
        symbols=("BTCUSDT",), timeframe="1m", start="2024-01-01T00:00:00Z", bars=(days + 2) * DAY, seed=1
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.journal"
        env = LiveTradingEnv(ReplayFeed(candles, "2024-01-03T00:00:00Z"), journal=path)
        env.reset(seed=1)
        curve, decided, largest = [], list[int](), 0
        for day in range(days):
            begin = time.perf_counter()
            for k in range(DAY):
                info = env.step({0: 1, 360: 2}.get(k % 720, 0))[4]
            largest = max(largest, path.stat().st_size)
            decided += [record["slot"] for record in journal.read(path).records if record["message"] == "decide"]
            env = env.compacted()
            gc.collect()
            memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
            files = len(os.listdir("/proc/self/fd"))
            curve.append((memory, files))
            sys.stdout.write(
                f"  day {day + 1:3d}: {memory:7.1f} MB, {files} open files, journal {path.stat().st_size / 2**20:6.2f} MB, "
                f"{1000 * (time.perf_counter() - begin) / DAY:.2f} ms a decision, equity {info['equity']:.2f}\n"
            )
            sys.stdout.flush()
        once = len(decided) == len(set(decided)) == days * DAY
        equity = info["equity"]
        env.close()
        begin = time.perf_counter()
        again = LiveTradingEnv(ReplayFeed(candles, "2024-01-03T00:00:00Z"), journal=path)
        recovered = again.recover()
        seconds = time.perf_counter() - begin
        same = recovered is not None and recovered[1]["equity"] == equity
    grown = curve[-1][0] - curve[min(1, len(curve) - 1)][0]
    sys.stdout.write(
        f"{days} days: {grown:+.1f} MB since the second day, {curve[-1][1] - curve[0][1]:+d} files; every slot decided once: "
        f"{once}; the journal had {largest / 2**20:.2f} MB at most; recovered to the same equity: {same}, in {seconds:.1f} s\n"
    )
    return once and same and grown < 25.0 and curve[-1][1] <= curve[0][1]


def main() -> int:
    """Both proofs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--days", type=int, default=30)
    chosen = parser.parse_args()
    fine = misbehave(chosen.seeds, chosen.kills) if chosen.seeds or chosen.kills else True
    return 0 if (month(chosen.days) if chosen.days else True) and fine else 1


if __name__ == "__main__":
    sys.exit(main())
