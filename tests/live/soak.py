"""The long proofs of live trading: a venue that misbehaves at random, and a month without growth.

    python tests/live/soak.py [--seeds 50] [--days 30]

Prints what happened; exits with 1 if a candle was lost, doubled or filled otherwise than in the backtest.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from test_binance_feed import SPEED, START, playing, recording

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import ReplayFeed
from tradeready_gym.live.replica import REST_FAULTS, STREAM_FAULTS, Replica
from tradeready_gym.market import synthetic
from tradeready_gym.tracking import journal

SLOTS, DECISIONS, AT_ONCE = 28, 18, 4
FAULTS = (*STREAM_FAULTS, *REST_FAULTS)
DAY = 1440


def misbehaving(seed: int) -> Replica:
    """A venue with faults in about every second slot, and gaps of up to 5 candles."""
    generator = np.random.default_rng(seed)
    script = {
        slot: [str(name) for name in generator.choice(FAULTS, generator.integers(1, 4))]
        for slot in range(SLOTS)
        if generator.random() < 0.5
    }
    first = int(generator.integers(3, 20))
    gaps = tuple(range(first, first + int(generator.choice([0, 1, 5]))))
    return Replica(recording(gaps=gaps), START, speed=SPEED, faults=script)


def one_seed(seed: int) -> dict[str, int]:
    """Play it against the backtest of the recording; counts of what happened. Raises if anything differs."""
    replica = misbehaving(seed)
    corrected = any("correction" in names for names in replica.faults.values())
    wrong_by = int(np.random.default_rng(seed).integers(-120, 121)) * 1_000_000
    with playing(replica, DECISIONS, corrected=corrected, wrong_by=wrong_by) as (clocks, health):
        if len(set(clocks)) != len(clocks):
            raise AssertionError(f"seed {seed}: a candle was decided twice: {clocks}")
        counts = {f"fault {name}": number for name, number in replica.told.faults.items()}
        names = ("reconnects", "backfilled", "duplicates", "corrections", "malformed", "declared_gaps")
        return counts | {name: getattr(health, name) for name in names} | {"decisions": len(clocks)}


def misbehave(seeds: int) -> bool:
    """All seeds, some at once; prints the table."""
    totals: dict[str, int] = {}
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for seed, found in zip(range(seeds), pool.map(_outcome, range(seeds)), strict=True):
            if isinstance(found, BaseException):
                failed.append(seed)
                sys.stdout.write(f"seed {seed}: {type(found).__name__}: {str(found)[:300]}\n")
                continue
            for name, number in found.items():
                totals[name] = totals.get(name, 0) + number
    for name, number in sorted(totals.items()):
        sys.stdout.write(f"  {name:24s}{number:8,d}\n")
    sys.stdout.write(f"{seeds} seeds, {len(failed)} with a lost, doubled or different candle\n")
    return not failed


def _outcome(seed: int) -> dict[str, int] | BaseException:
    try:
        return one_seed(seed)
    except Exception as error:  # told in the table
        return error


def month(days: int) -> bool:
    """Decide every minute of `days`, journalled; prints memory, open files and the journal's size by day."""
    candles = synthetic(
        symbols=("BTCUSDT",), timeframe="1m", start="2024-01-01T00:00:00Z", bars=(days + 2) * DAY, seed=1
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.journal"
        env = LiveTradingEnv(ReplayFeed(candles, "2024-01-03T00:00:00Z"), journal=path)
        env.reset(seed=1)
        curve = []
        for day in range(days):
            begin = time.perf_counter()
            for k in range(DAY):
                info = env.step({0: 1, 360: 2}.get(k % 720, 0))[4]
            memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
            files = len(os.listdir("/proc/self/fd"))
            curve.append((memory, files))
            sys.stdout.write(
                f"  day {day + 1:3d}: {memory:7.1f} MB, {files} open files, journal {path.stat().st_size / 2**20:6.2f} MB, "
                f"{1000 * (time.perf_counter() - begin) / DAY:.2f} ms a decision, equity {info['equity']:.2f}\n"
            )
            sys.stdout.flush()
        decided = [record["slot"] for record in journal.read(path).records if record["message"] == "decide"]
        once = len(decided) == len(set(decided)) == days * DAY
        equity = info["equity"]
        again = LiveTradingEnv(ReplayFeed(candles, "2024-01-03T00:00:00Z"), journal=path)
        recovered = again.recover()
        same = recovered is not None and recovered[1]["equity"] == equity
    grown = curve[-1][0] - curve[min(1, len(curve) - 1)][0]
    sys.stdout.write(
        f"{days} days: {grown:+.1f} MB since the second day, {curve[-1][1] - curve[0][1]:+d} files; every slot decided once: "
        f"{once}; recovered to the same equity: {same}\n"
    )
    return once and same and grown < 25.0 and curve[-1][1] <= curve[0][1]


def main() -> int:
    """Both proofs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--days", type=int, default=30)
    chosen = parser.parse_args()
    fine = misbehave(chosen.seeds) if chosen.seeds else True
    return 0 if (month(chosen.days) if chosen.days else True) and fine else 1


if __name__ == "__main__":
    sys.exit(main())
