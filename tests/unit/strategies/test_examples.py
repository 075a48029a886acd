"""The examples run as they are, with few steps, and the agent in one file does what it says."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
RUNS = (
    "continuous",
    "custom_observation",
    "custom_reward",
    "dqn",
    "evaluate",
    "live",
    "own_strategy",
    "portfolio",
    "ppo",
    "ppo_single_file",
    "random_agent",
    "train_and_compare",
    "vectorised",
)
Run = Callable[..., list[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs an example in a directory of its own with one thread; the lines that it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # the process has other tests to run

    def run_it(name: str, *arguments: str) -> list[str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_it


def test_every_example_is_run_here() -> None:
    assert tuple(sorted(path.stem for path in EXAMPLES.glob("*.py"))) == RUNS


def test_a_strategy_of_ones_own_plays_beside_buy_and_hold(run: Run) -> None:
    assert [line.split(" Performance")[0] for line in run("own_strategy")] == ["AfterThree", "Buy and hold"]


def test_training_and_comparing_prints_a_line_for_each(run: Run, tmp_path: Path) -> None:
    shown = run("train_and_compare", "256")

    assert shown[0] == "held out 2023-01-01T00:00:00Z .. 2024-01-01T00:00:00Z"
    assert len(shown) == 6
    assert (tmp_path / "runs" / "example" / "model.zip").is_file()


def test_a_random_agent_pays_fees_for_a_month(run: Run) -> None:
    month, rest = run("random_agent", "800")

    assert float(month.split("fees")[1].split()[0]) > 100.0
    assert rest.endswith("after 80 steps of 720")


def test_a_rule_does_live_what_it_does_in_a_backtest(run: Run) -> None:
    shown = run("live", "60")
    half = len(shown) // 2

    live, backtest = shown[:half], shown[half:]
    assert live[:-1] == backtest[:-1]
    assert len(live) > 4
    assert live[-1].removesuffix("live") == backtest[-1].removesuffix("as a backtest")


def test_a_saved_ppo_plays_a_year_that_it_has_not_seen(run: Run) -> None:
    trained = run("ppo", "256")
    played = run("evaluate", "48")

    assert trained[0].endswith("saved in runs/ppo")
    assert "held out" in played[0]
    assert played[-1].split() == ["length", "48"]


def test_dqn_of_stable_baselines_plays_the_gymnasium_environment(run: Run, tmp_path: Path) -> None:
    assert run("dqn", "64")[0].startswith("held out: ")
    assert (tmp_path / "runs" / "dqn_scale.json").is_file()


def test_continuous_actions_below_the_dead_zone_do_nothing(run: Run) -> None:
    nothing, bought, sold, *played = run("continuous", "64")

    assert nothing.endswith("nothing")
    assert bought.split("buy")[1] == sold.split("sell")[1]
    assert [line.split(" Performance")[0] for line in played] == ["SAC, seed 0", "Buy and hold"]


def test_portfolio_weights_buy_what_they_name(run: Run) -> None:
    first, second, *played = run("portfolio", "256")

    assert ("BTCUSDT" in first, "ETHUSDT" in second, len(played)) == (True, True, 2)


def test_a_reward_in_plain_python_is_learned_from(run: Run) -> None:
    paid, *episodes = run("custom_reward", "256")

    assert float(paid.split(":")[1]) != 0.0
    assert len(episodes) == 3


def test_a_feature_that_knows_tomorrow_is_refused(run: Run) -> None:
    columns, _, refused = run("custom_observation", "256")

    assert "'place_in_the_day', 'since_halving'" in columns
    assert refused.startswith("CausalityError: feature 'tomorrow' looks ahead")


def test_a_thousand_accounts_finish_their_episodes(run: Run) -> None:
    alone, earned, under_ppo = run("vectorised", str(1024 * 240))

    assert alone.endswith("1024 episodes ended")
    assert float(earned.split()[2]) < 0.0
    assert under_ppo.startswith("under PPO")


# ---- the agent in one file ----


def test_the_single_file_learns_the_trend_world_from_two_rollouts(run: Run) -> None:
    *progress, result = run("ppo_single_file", "--steps", "32768")

    assert len(progress) == 2
    # 0 for whoever does not follow the trend, 9 for the best that can be done
    assert float(result.split("log growth ")[1].split(",")[0]) > 5.0


class SeesItsOwnValue:
    """An agent whose value of an observation is the observation."""

    def scaled(self, observations: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(observations)

    def policy(self, scaled: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(scaled), 2)

    def value(self, scaled: torch.Tensor) -> torch.Tensor:
        return scaled[..., 0]

    def learn_scale(self, observations: torch.Tensor) -> None:
        pass


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


class ThreeAccounts:
    """Two steps that pay nothing: in the first, account 1 is cut off at the observation 99 and account 2 is ruined."""

    def __init__(self) -> None:
        self.steps = 0

    def reset(self, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        return column(1.0, 2.0, 3.0), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        self.steps += 1
        first = self.steps == 1
        observations = column(10.0, 20.0, 30.0) if first else column(4.0, 5.0, 6.0)
        infos = {"final_obs": column(0.0, 99.0, 33.0)} if first else {}
        return observations, np.zeros(3), np.array([False, False, first]), np.array([False, first, False]), infos


def advantages(gae_lambda: float, path: Path = EXAMPLES / "ppo_single_file.py") -> list[list[float]]:
    example = runpy.run_path(str(path))
    settings = example["Settings"](num_envs=3, rollout=2, gamma=0.5, gae_lambda=gae_lambda)
    found: torch.Tensor = example["Collector"](ThreeAccounts(), SeesItsOwnValue(), settings).collect()[3]
    return found.reshape(2, 3).tolist()


# gamma x value of what follows - value of what was seen; what follows ruin is worth 0
AT_ONCE = [[0.5 * 10.0 - 1.0, 0.5 * 99.0 - 2.0, -3.0], [0.5 * 4.0 - 10.0, 0.5 * 5.0 - 20.0, 0.5 * 6.0 - 30.0]]
# + gamma x lambda x the next one, but not over the end of an episode
FAR = [[4.0 + 0.5 * (0.5 * 4.0 - 10.0), 47.5, -3.0], AT_ONCE[1]]


@pytest.mark.parametrize(("gae_lambda", "expected"), [(0.0, AT_ONCE), (1.0, FAR)])
def test_an_episode_that_is_cut_off_is_bootstrapped_with_its_own_last_observation(
    gae_lambda: float, expected: list[list[float]]
) -> None:
    assert advantages(gae_lambda) == expected


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("for t, last in cut:", "for t, last in cut[:0]:"),  # bootstrapped with the next episode
        ("following[torch.from_numpy(terminated)] = 0.0", "pass"),  # ruin goes on
        ("* ~ended", "* (ended | ~ended)"),  # surprises of the next episode count in this one
    ],
)
def test_a_wrong_bootstrap_would_be_seen(right: str, wrong: str, tmp_path: Path) -> None:
    text = (EXAMPLES / "ppo_single_file.py").read_text(encoding="utf-8")
    assert text.count(right) == 1
    (tmp_path / "defect.py").write_text(text.replace(right, wrong), encoding="utf-8")

    assert advantages(1.0, tmp_path / "defect.py") != FAR


def test_the_scale_of_batches_is_that_of_all_their_rows() -> None:
    agent = runpy.run_path(str(EXAMPLES / "ppo_single_file.py"))["Agent"](3, 2)
    rows = np.random.default_rng(0).normal([0.0, 5.0, 1.0], [1.0, 0.01, 0.0], (500, 3)).astype(np.float32)
    for batch in (rows[:7], rows[7:100], rows[100:]):
        agent.learn_scale(torch.from_numpy(batch))

    np.testing.assert_allclose(agent.mean, rows.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(agent.variance, rows.var(axis=0), rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(agent.scaled(rows)[:, 2], 0.0, atol=1e-6)
