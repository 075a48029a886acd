"""Many random cases of every sweep through the engine and the Decimal ledger; counts, and the worst differences.

    python tests/differential/campaign.py --cases 200 [--account margin] [--first 0] [--only "capped"]

Part of the soak, not of the suite. Exits 1 when the two disagree anywhere.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sweeps import MARGIN_SWEEPS, SWEEPS, Tally, run_sweep

ACCOUNTS = {"spot": SWEEPS, "margin": MARGIN_SWEEPS}


def main() -> int:
    """Print a line for each sweep as it ends, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100, help="cases of each sweep")
    parser.add_argument("--first", type=int, default=100_000, help="the first seed")
    parser.add_argument("--only", default="", help="sweeps whose name contains this")
    parser.add_argument("--account", choices=sorted(ACCOUNTS), default="spot", help="what kind of account")
    arguments = parser.parse_args()
    total = Tally()
    for name, sweep in ACCOUNTS[arguments.account].items():
        if arguments.only not in name:
            continue
        begin = time.perf_counter()
        tally = run_sweep(sweep, range(arguments.first, arguments.first + arguments.cases))
        total.add(tally)
        counts = ", ".join(f"{tally.counts[one]} {one}" for one in ("cases", "steps", "fills", "rejects"))
        say(
            f"{name}: {counts}; worst of equity {tally.worst.get('equity', 0.0):.1e}; {len(tally.differences)} differences"
        )
        say(f"    {time.perf_counter() - begin:.0f} s", *(f"    {one}" for one in tally.differences[:5]))
    say("", *(f"{name}: {count}" for name, count in sorted(total.counts.items())), "")
    say("worst differences", *(f"    {name}: {off:.1e}" for name, off in sorted(total.worst.items())))
    say(f"{len(total.differences)} differences")
    return int(bool(total.differences))


def say(*lines: str) -> None:
    """Write lines to the screen at once."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
