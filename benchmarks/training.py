"""Training end to end: PPO with a 64 x 64 network, of Stable-Baselines3 on our adapter, in one file on our vector environment,
and of Stable-Baselines3 on its usual set-up.

    python benchmarks/training.py [--steps 196608] [--seeds 5]

The market is the trend world, so that it is known what can be earned: about 8 to 9 in log equity over the test's 9,900
candles for whoever follows it, 0 on average for whoever does not. All play it with positions 0 and 1, log returns and no
costs, on windows of 30 candles with 5 features, in random episodes of 512. All environments must agree on the equity of a
random episode before anything is timed. PyTorch runs on one thread everywhere.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).resolve().parent
PEER = HERE.parent / "build" / "peers" / "gym_trading_env_ppo"
# PyTorch first and by itself, so that no other step chooses a build of it
PINS = (
    ["torch==2.13.0"],
    ["gym-trading-env==0.3.5", "stable-baselines3==2.9.2", "gymnasium==1.4.0", "numpy==2.4.6", "pandas==3.1.1"],
)
STEPS, SEEDS = 196_608, 5
ADAPTER, SINGLE_FILE = "ours, defaults of `tradeready train`", "ours, `examples/ppo_single_file.py`"


def peer_interpreter() -> str:
    """The Python of the peer's own virtual environment, made when missing."""
    python = PEER / "bin" / "python"
    if not (PEER / "installed").exists():
        venv.create(PEER, with_pip=True, clear=True)
        for pins in PINS:
            subprocess.run([python, "-m", "pip", "install", "-q", *pins], check=True)
        (PEER / "installed").touch()
    return str(python)


def measure(python: str, script: str, *arguments: str) -> list[dict[str, Any]]:
    """The JSON lines that a script prints."""
    done = subprocess.run(
        [python, str(HERE / "peers" / script), *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def training(steps: int = STEPS, seeds: int = SEEDS) -> list[str]:
    """The table, as lines of Markdown."""
    peer = peer_interpreter()
    with tempfile.TemporaryDirectory() as folder:
        given = (folder, str(steps), str(seeds))
        rows = {
            ADAPTER: measure(sys.executable, "train_ours.py", *given),
            SINGLE_FILE: measure(sys.executable, "train_cleanrl.py", *given),
            "8 x Gym-Trading-Env 0.3.5 in `DummyVecEnv`": measure(peer, "train_gym_trading_env.py", *given),
            "the same, features scaled by hand": measure(peer, "train_gym_trading_env.py", *given, "scaled"),
        }
    rates = {name: mean(run["steps_per_second"] for run in runs) for name, runs in rows.items()}
    share = mean(run["environment_share"] for run in rows[ADAPTER])
    lines = [
        f"| PPO, 64 x 64, trend world, {seeds} seeds | steps | steps/s | our adapter is | the single file is "
        "| log growth, test: mean (each seed) |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, runs in rows.items():
        grown = [run["log_growth"] for run in runs]
        times = " | ".join("" if name == own else f"{rates[own] / rates[name]:.1f} x" for own in (ADAPTER, SINGLE_FILE))
        each = ", ".join(f"{value:.2f}" for value in grown)
        lines.append(f"| {name} | {runs[0]['steps']:,} | {rates[name]:,.0f} | {times} | {mean(grown):.2f} ({each}) |")
    return [*lines, "", f"Our vector environment took {share:.1%} of the time of training."]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    sys.stdout.write("\n".join(training(arguments.steps, arguments.seeds)) + "\n")


if __name__ == "__main__":
    main()
