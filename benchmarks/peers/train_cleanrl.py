"""examples/ppo_single_file.py as it is, on the world and the costs of train_ours.py; prints one JSON line a seed.

python train_cleanrl.py FOLDER STEPS SEEDS      FOLDER has the random episode that train_ours.py played
"""

import json
import runpy
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ppo_single_file.py"
EPISODE = 512


def largest_difference(market: Any, actions: np.ndarray, growth: np.ndarray) -> float:
    """Relative difference of the equity in the random episode that was handed over."""
    _, infos = market.reset(seed=0)
    begun = infos["equity"][0]
    values = [market.step(actions[i : i + 1])[4]["equity"][0] for i in range(len(actions))]
    return float(np.max(np.abs(np.array(values) / begun / growth - 1.0)))


def main(folder: Path, steps: int, seeds: int) -> None:
    """Compare, then train and test once per seed."""
    torch.set_num_threads(1)
    example = runpy.run_path(str(EXAMPLE))
    make_market, train = example["make_market"], example["train"]
    test = make_market("trend", testing=True, num_envs=1)
    handed = np.load(folder / "test.npz")
    difference = largest_difference(test, handed["actions"], handed["growth"])
    if difference > 1e-9:
        raise SystemExit(f"the two environments disagree on the same actions by {difference:.1e}")
    settings = example["Settings"](steps=steps)
    training = make_market("trend", testing=False, num_envs=settings.num_envs, episode_length=EPISODE)
    train(replace(settings, steps=1), training, report=lambda line: None)  # compiled, imported, allocated
    for seed in range(seeds):
        begun = time.perf_counter()
        agent = train(replace(settings, seed=seed), training, report=lambda line: None)
        taken = time.perf_counter() - begun
        rollout = settings.rollout * settings.num_envs
        trained = -(-steps // rollout) * rollout
        growth, _ = example["evaluate"](agent, test)
        result = {
            "steps": trained,
            "steps_per_second": trained / taken,
            "log_growth": growth,
            "difference": difference,
        }
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
