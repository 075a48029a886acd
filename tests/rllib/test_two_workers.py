"""PPO learns on a local Ray of two workers, which leaves nothing behind; what it learned is kept and plays without Ray."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from rllib_worlds import CUT, environment, learner

from tradeready_gym import TargetPosition
from tradeready_gym.errors import ConfigurationError, NotFitted, StoreError
from tradeready_gym.strategies import BuyAndHold, Flat, RLlibTradingStrategy

STEPS = 30_000


class Trained:
    """A strategy that two workers trained, and what the disk looked like before and after."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.progress: list[tuple[int, int]] = []
        temporary = set(os.listdir(tempfile.gettempdir()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(home))
            self.strategy = learner(environment(end_time=CUT), env_runners=2)
            self.strategy.train(STEPS, progress=lambda done, of: self.progress.append((done, of)))
        self.left = {name for name in set(os.listdir(tempfile.gettempdir())) - temporary if "ray" in name.lower()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("users-home"))


def test_ppo_learns_to_follow_trends_and_beats_flat_and_holding_where_it_has_not_learned(trained: Trained) -> None:
    held_out = environment(start_time=CUT)
    agent, hold, flat = (s.evaluate(held_out) for s in (trained.strategy, BuyAndHold(), Flat()))
    assert not agent.in_sample
    assert agent.metric("roi_pct")[0] > max(hold.metric("roi_pct")[0], flat.metric("roi_pct")[0])
    assert agent.metric("roi_pct")[0] > 40.0


def test_both_workers_play_their_share_in_processes_of_their_own_with_seeds_of_their_own(trained: Trained) -> None:
    first, second = trained.strategy.workers
    assert (first.worker, second.worker) == (1, 2)
    assert len({first.process, second.process, os.getpid()}) == 3
    assert first.steps == second.steps == 32 * 64
    assert second.first_seed == first.first_seed + 32
    assert first.seeds and second.seeds
    assert not set(first.seeds) & set(second.seeds)
    assert first.returns != second.returns


def test_every_step_of_every_worker_is_counted(trained: Trained) -> None:
    assert trained.strategy.trained_steps == -(-STEPS // 4096) * 4096
    assert trained.progress == [(4096 * k, STEPS) for k in range(1, 9)]


def test_ray_is_shut_down_and_its_workers_are_gone(trained: Trained) -> None:
    assert not ray.is_initialized()
    deadline = time.monotonic() + 30.0  # they were told to end; on a busy machine that takes a moment
    while (there := [w.process for w in trained.strategy.workers if Path(f"/proc/{w.process}").exists()]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.1)
    assert there == []


def test_nothing_is_left_in_the_home_folder_or_among_temporary_files(trained: Trained) -> None:
    assert list(trained.home.iterdir()) == []
    assert trained.left == set()


def test_testing_is_deterministic_and_changes_no_weight(trained: Trained) -> None:
    before = [p.detach().clone() for p in trained.strategy.model.parameters()]
    once, again = (trained.strategy.run(steps=200, testing=True) for _ in range(2))
    assert len(once.to_dict()["net_worth"]) == 201
    assert np.array_equal(once.net_worth, again.net_worth)
    assert all(torch.equal(p, q) for p, q in zip(before, trained.strategy.model.parameters(), strict=True))


def test_a_saved_strategy_acts_the_same_in_another_process_without_ray(trained: Trained, tmp_path: Path) -> None:
    folder = trained.strategy.save(tmp_path / "agent")
    here = trained.strategy.evaluate(environment(start_time=CUT), steps=200).episodes[0]
    program = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import ray
from rllib_worlds import CUT, environment
from tradeready_gym.strategies import RLlibTradingStrategy
agent = RLlibTradingStrategy.load({str(folder)!r}, environment(start_time=CUT))
result = agent.evaluate(steps=200)
episode = result.episodes[0]
print(json.dumps([result.in_sample, agent.trained_steps, ray.is_initialized(), episode.action[1:].tolist(),
    episode.net_worth.tolist()]))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    in_sample, steps, with_ray, actions, net_worth = json.loads(answer)
    assert here.action is not None
    assert set(actions) == {0.0, 1.0}
    assert actions == here.action[1:].tolist()
    assert net_worth == here.net_worth.tolist()
    assert (in_sample, steps, with_ray) == (False, trained.strategy.trained_steps, False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lookback_window": 11}, "lookback_window = 10; the environment has 11"),
        ({"feature_pipeline": ["momentum_10", "position"]}, "window = .*returns.*momentum_10"),
        ({"action_scheme": TargetPosition((1.0, 0.0))}, "its actions mean something else"),
        ({"timeframe": "4h"}, "timeframe = 1h; the environment has 4h"),
        ({"flatten": False}, "needs flat observations"),
    ],
)
def test_an_environment_unlike_the_trained_one_is_refused(trained: Trained, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        trained.strategy.environment = environment(**({"interpreted": True} | change))


def test_the_card_says_what_was_trained_on_what(trained: Trained, tmp_path: Path) -> None:
    card = json.loads((trained.strategy.save(tmp_path) / "strategy.json").read_text())
    assert (card["kind"], card["policy"]["algorithm"], card["policy"]["env_runners"]) == ("rllib", "PPO", 2)
    assert card["learned_from"][0]["end"] == CUT
    assert card["composition"]["episode_end"] == "gymnasium"
    assert len(card["normaliser"]["returns"]) == 2
    assert card["versions"]["ray"] == ray.__version__


def test_damage_and_a_bundle_of_another_kind_are_refused(trained: Trained, tmp_path: Path) -> None:
    folder = trained.strategy.save(tmp_path)
    whole = (folder / "strategy.json").read_text()
    (folder / "strategy.json").write_text(whole.replace('"kind": "rllib"', '"kind": "stable-baselines3"'))
    with pytest.raises(StoreError, match="of kind 'stable-baselines3'"):
        RLlibTradingStrategy.load(folder)
    (folder / "strategy.json").write_text(whole)
    (folder / "weights.npz").write_bytes(b"not weights")
    with pytest.raises(StoreError, match=r"weights\.npz is damaged"):
        RLlibTradingStrategy.load(folder)
    with pytest.raises(StoreError, match="holds no saved strategy"):
        RLlibTradingStrategy.load(tmp_path / "nothing")


def test_what_has_not_learned_neither_plays_nor_is_saved(tmp_path: Path) -> None:
    strategy = learner(environment(interpreted=True))
    with pytest.raises(NotFitted, match="train"):
        strategy.evaluate()
    with pytest.raises(NotFitted, match="train"):
        strategy.save(tmp_path)
