"""Other trackers get what a run's journal gets, and cannot stop a training."""

import sys
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradeready_gym.tracking import (
    Bridge,
    MLflowBridge,
    TensorBoardBridge,
    TrackingWarning,
    TrainingTracker,
    WeightsAndBiasesBridge,
    read_run,
)

METRICS = {"roi_pct": 2.5, "sharpe_ratio": None, "cumulative_reward": 9.0, "length": 24}


class Recorder(Bridge):
    """Remembers what it is told; fails at one episode if asked to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails_at = fails_at

    def begin(self, run_id: str, config: Mapping[str, Any]) -> None:
        self.calls.append(("begin", run_id, config["strategy_label"]))

    def episode(self, number: int, metrics: Mapping[str, float]) -> None:
        if number == self.fails_at:
            raise RuntimeError("its disk is full")
        self.calls.append((number, dict(metrics)))

    def end(self, status: str) -> None:
        self.calls.append(("end", status))


class Library:
    """Stands for a library that is not installed: takes every call and remembers it."""

    def __init__(self, calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]], answers: Mapping[str, Any]) -> None:
        self._calls, self._answers = calls, answers

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            self._calls.append((name, args, named))
            return self._answers.get(name, self)

        return call


def test_a_bridge_gets_the_run_its_episodes_and_its_end(tmp_path: Path) -> None:
    bridge = Recorder()
    run = TrainingTracker("label", directory=tmp_path, bridges=[bridge])
    run.register_run()
    run.report_episode(1, METRICS)
    run.report_episodes([2, 3], {"roi_pct": np.array([1.0, np.nan])})
    run.complete_run("failed")
    run.report_episode(4, METRICS)
    run.complete_run()
    first = {"roi_pct": 2.5, "reward_sum": 9.0, "length": 24.0}
    assert bridge.calls == [
        ("begin", run.run_id, "label"),
        (1, first),
        (2, {"roi_pct": 1.0}),
        (3, {}),
        ("end", "failed"),
        ("begin", run.run_id, "label"),
        (4, first),
        ("end", "completed"),
    ]


def test_a_bridge_that_fails_is_said_once_and_left_out(tmp_path: Path) -> None:
    broken, sound = Recorder(fails_at=2), Recorder()
    run = TrainingTracker(directory=tmp_path, bridges=[broken, sound])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(1, 6):
            run.report_episode(number, METRICS)
        run.complete_run()
    (warning,) = caught
    assert warning.category is TrackingWarning
    assert "its disk is full" in str(warning.message)
    assert [call[0] for call in broken.calls] == ["begin", 1]
    assert [call[0] for call in sound.calls] == ["begin", 1, 2, 3, 4, 5, "end"]
    assert len(read_run(run.path).episodes) == 5


BRIDGES = {
    "torch.utils.tensorboard": (TensorBoardBridge("logs"), "pip install torch tensorboard"),
    "wandb": (WeightsAndBiasesBridge(mode="offline"), "pip install wandb"),
    "mlflow.tracking": (MLflowBridge(), "pip install mlflow-skinny"),
}


@pytest.mark.parametrize("module", BRIDGES)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge, command = BRIDGES[module]
    monkeypatch.setitem(sys.modules, module, None)
    run = TrainingTracker(directory=tmp_path, bridges=[bridge])
    with pytest.warns(TrackingWarning, match=command):
        run.register_run()


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, **members: Any) -> None:
    for name in (module.partition(".")[0], module):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for name, member in members.items():
        setattr(sys.modules[module], name, member)


def test_weights_and_biases_gets_a_run_of_the_same_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    stand_in(monkeypatch, "wandb", init=Library(calls, {}).init)
    run = TrainingTracker("label", directory=tmp_path, bridges=[WeightsAndBiasesBridge(project="p", mode="offline")])
    run.report_episode(1, METRICS)
    run.complete_run()
    (_, _, given), log, finish = calls
    assert (given["id"], given["project"], given["mode"]) == (run.run_id, "p", "offline")
    assert log == ("log", ({"episode/roi_pct": 2.5, "episode/reward_sum": 9.0, "episode/length": 24.0},), {"step": 1})
    assert finish == ("finish", (), {"exit_code": 0})


def test_mlflow_gets_a_run_with_parameters_metrics_and_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    created = types.SimpleNamespace(info=types.SimpleNamespace(run_id="r"))
    client = Library(calls, {"get_experiment_by_name": None, "create_experiment": "7", "create_run": created})
    stand_in(monkeypatch, "mlflow.tracking", MlflowClient=lambda tracking_uri: client)
    stand_in(monkeypatch, "mlflow.entities", Metric=lambda key, value, timestamp, step: (key, value, step))
    run = TrainingTracker("label", directory=tmp_path, bridges=[MLflowBridge("mine", "file:runs")])
    run.report_episode(1, METRICS)
    run.complete_run("cancelled")
    named = {name: args for name, args, _ in calls}
    assert list(named) == [
        "get_experiment_by_name",
        "create_experiment",
        "create_run",
        "log_param",
        "log_batch",
        "set_terminated",
    ]
    assert named["create_run"] == ("7",)
    assert calls[4] == (
        "log_batch",
        ("r",),
        {"metrics": [("roi_pct", 2.5, 1), ("reward_sum", 9.0, 1), ("length", 24.0, 1)]},
    )
    assert named["set_terminated"] == ("r", "KILLED")


def test_tensorboard_gets_a_point_an_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    stand_in(monkeypatch, "torch.utils.tensorboard", SummaryWriter=Library(calls, {}).SummaryWriter)
    run = TrainingTracker("label", directory=tmp_path, bridges=[TensorBoardBridge(tmp_path / "logs")])
    run.report_episode(1, METRICS)
    run.complete_run()
    assert [name for name, _, _ in calls] == ["SummaryWriter", "add_text", *["add_scalar"] * 3, "close"]
    assert calls[0][1] == (str(tmp_path / "logs"),)
    assert [args for name, args, _ in calls if name == "add_scalar"] == [
        ("episode/roi_pct", 2.5, 1),
        ("episode/reward_sum", 9.0, 1),
        ("episode/length", 24.0, 1),
    ]
