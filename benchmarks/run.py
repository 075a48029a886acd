"""Every benchmark in one run: each peer in a virtual environment and process of its own, ratios in one table.

    python benchmarks/run.py [--only single|vector|composition|length|training|cold] [--output benchmarks/results.md]

Peers are installed into build/peers/ the first time. Absolute numbers belong to the machine; the ratios are the result.
"""

import argparse
import json
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from training import training

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / "build" / "peers"
PINS = {
    "anytrading": ["gym-anytrading==2.0.0", "gymnasium==1.4.0", "numpy==2.4.6", "pandas==3.1.1"],
    "gym_trading_env": ["gym-trading-env==0.3.5", "gymnasium==1.4.0", "numpy==2.4.6", "pandas==3.1.1"],
}
ROUNDS = 3


def interpreter(peer: str) -> str:
    """The Python of a peer's own virtual environment, made when missing."""
    place = PEERS / peer
    python = place / "bin" / "python"
    if not (place / "installed").exists():
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PINS[peer]], check=True)
        (place / "installed").write_text("\n".join(PINS[peer]))
    return str(python)


def run(python: str, script: str) -> Any:
    """The JSON that a script prints."""
    done = subprocess.run([python, str(HERE / script)], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def single() -> list[str]:
    """One environment through `gymnasium.make`, the three taking turns."""
    scripts = {
        "ours": (sys.executable, "peers/run_ours.py"),
        "gym-anytrading 2.0.0 `stocks-v0`": (interpreter("anytrading"), "peers/run_anytrading.py"),
        "Gym-Trading-Env 0.3.5 `windows=30`": (interpreter("gym_trading_env"), "peers/run_gym_trading_env.py"),
    }
    rates: dict[str, list[float]] = {name: [] for name in scripts}
    for _ in range(ROUNDS):
        for name, (python, script) in scripts.items():
            rates[name].append(run(python, script)["steps_per_second"])
    ours = statistics.median(rates["ours"])
    lines = ["| single environment, window 30 x 5 | steps/s | ours is |", "|---|---:|---:|"]
    for name, values in rates.items():
        rate = statistics.median(values)
        lines.append(f"| {name} | {rate:,.0f} | {'' if name == 'ours' else f'{ours / rate:.2f} x'} |")
    return lines


def vector() -> list[str]:
    """The vector environment against a gather and a memcpy of its observations."""
    lines = [
        "| environments | reward | actions | steps/s | of a NumPy gather | of a memcpy |",
        "|---:|---|---|---:|---:|---:|",
    ]
    for row in run(sys.executable, "vector.py"):
        lines.append(
            f"| {row['environments']:,} | {row['reward']} | {row['actions']} | {row['ours']:,.0f} "
            f"| {row['of_gather']:.2f} x | {row['of_memcpy']:.2f} x |"
        )
    return lines


def composition() -> list[str]:
    """The composed vector step against a kernel written by hand for one set of components."""
    lines = [
        "| environments | reward | actions | composed | by hand | composed takes |",
        "|---:|---|---|---:|---:|---:|",
    ]
    for row in run(sys.executable, "composition.py"):
        composed, by_hand = row["composed"], row["by_hand"]
        lines.append(
            f"| {row['environments']:,} | {row['reward']} | {row['actions']} | {composed:.1f} ns | {by_hand:.1f} ns "
            f"| {composed / by_hand:.2f} x |"
        )
    return lines


def length() -> list[str]:
    """One long episode, its beginning against its end."""
    lines = [
        "| an episode of 19,000 candles | first 2,000 steps | last 2,000 steps | memory added by another episode |",
        "|---|---:|---:|---:|",
    ]
    for row in run(sys.executable, "length.py"):
        first, last = row["first_us"], row["last_us"]
        lines.append(f"| {row['name']} | 1 | {last / first:.2f} x | {row['grown_kib'] / 1024:.1f} MiB |")
    return lines


def cold() -> list[str]:
    """Fresh processes."""
    taken = run(sys.executable, "cold_start.py")
    return [
        "| fresh process | seconds | of `import gymnasium, numpy` |",
        "|---|---:|---:|",
        f"| `import gymnasium, numpy` | {taken['base_s']:.2f} | |",
        f"| `import tradeready_gym` | {taken['import_s']:.2f} | {taken['import_s'] / taken['base_s']:.2f} x |",
        f"| first step, warm cache | {taken['first_step_s']:.2f} | |",
    ]


PARTS = {
    "single": single,
    "vector": vector,
    "composition": composition,
    "length": length,
    "training": training,
    "cold": cold,
}


def main() -> None:
    """Run the parts and write their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    sections = []
    for name in arguments.only or PARTS:
        sections.append("\n".join(PARTS[name]()))
        sys.stdout.write(sections[-1] + "\n\n")
        sys.stdout.flush()
    if arguments.output:
        arguments.output.write_text("\n\n".join(sections) + "\n")


if __name__ == "__main__":
    main()
