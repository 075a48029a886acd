"""The tracker writes the documented messages, and never stands in the way of a training."""

import copy
import math
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.tracking import TrackingWarning, TrainingTracker, journal, list_runs, read_run, tracker
from tradeready_gym.tracking.messages import unpacked
from tradeready_gym.tracking.recording import KEPT_BYTES

RUN = "6f1d9a52-4c1b-4f6e-9a57-0d3a2f6f9b11"
METRICS = {
    "roi_pct": 2.5,
    "sharpe_ratio": None,
    "max_drawdown_pct": 1.25,
    "total_trades": 7,
    "cumulative_reward": 250.0,
    "length": 48,
    "win_rate": 50.0,
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A monotonic clock that the test moves: its last element is the time. What is due is written by who reports."""
    time = [0.0]
    monkeypatch.setattr("tradeready_gym.tracking.clock.monotonic", lambda: time[-1])
    monkeypatch.setattr(tracker, "call_recorder", lambda recording: recording.turn())
    return time


def messages_of(path: Path) -> list[str]:
    return [record["message"] for record in journal.read(path).records]


def test_a_run_writes_the_messages_of_the_training_api(tmp_path: Path) -> None:
    run = TrainingTracker("momentum", directory=tmp_path, run_id=RUN, config={"timeframe": "1h"})
    run.register_run()
    run.report_episode(1, METRICS, seed=42)
    run.complete_run()
    register, episode, complete = journal.read(run.path).records
    assert register["key"] == f"{RUN}/register"
    assert register["body"] == {"run_id": RUN, "config": {"strategy_label": "momentum", "timeframe": "1h"}}
    assert episode["key"] == f"{RUN}/episode/1"
    assert episode["body"] == {
        "episode_number": 1,
        "session_id": None,
        "roi_pct": 2.5,
        "sharpe_ratio": None,
        "max_drawdown_pct": 1.25,
        "total_trades": 7,
        "reward_sum": 250.0,
        "length": 48,
        "seed": 42,
    }
    assert complete["key"] == f"{RUN}/complete/1"
    assert complete["body"]["status"] == "completed"
    assert complete["body"]["episodes_completed"] == 1


def test_a_batch_reads_back_as_the_episodes_it_holds(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    batch = {
        "roi_pct": np.array([1.0, -2.0, 4.0]),
        "sharpe_ratio": np.array([0.5, math.nan, 1.5]),
        "max_drawdown_pct": np.array([3.0, 5.0, 1.0]),
        "total_trades": np.array([2, 0, 9]),
        "cumulative_reward": np.array([10.0, -20.0, 40.0]),
        "length": np.array([24, 24, 24]),
    }
    run.report_episodes(np.array([1, 2, 3]), batch, seeds=np.array([7, 8, 9]))
    run.complete_run()
    assert messages_of(run.path) == ["register", "episodes", "complete"]
    episodes = read_run(run.path).episodes
    assert [episode["episode_number"] for episode in episodes] == [1, 2, 3]
    assert episodes[1] == {
        "episode_number": 2,
        "session_id": None,
        "roi_pct": -2.0,
        "sharpe_ratio": None,
        "max_drawdown_pct": 5.0,
        "total_trades": 0,
        "reward_sum": -20.0,
        "length": 24,
        "seed": 8,
    }


def test_aggregates_leave_out_what_an_episode_does_not_have(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.report_episode(1, METRICS)
    run.report_episodes([2, 3], {"roi_pct": [-1.0, 4.5], "sharpe_ratio": [math.nan, 2.0], "max_drawdown_pct": [3, 4]})
    run.complete_run()
    assert list_runs(tmp_path)[0].aggregate_stats == {
        "total_episodes": 3,
        "avg_roi_pct": pytest.approx(2.0),
        "best_roi_pct": 4.5,
        "worst_roi_pct": -1.0,
        "avg_sharpe": 2.0,
        "avg_max_drawdown_pct": pytest.approx(2.75),
        "avg_reward_sum": 250.0,
        "best_reward_sum": 250.0,
    }


def test_registering_and_completing_twice_writes_once(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    for _ in range(3):
        run.register_run()
    for _ in range(3):
        run.complete_run()
    assert messages_of(run.path) == ["register", "complete"]


def test_a_completed_run_goes_on_with_its_next_report(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.report_episode(1, METRICS)
    run.complete_run()
    run.register_run()  # a reset after the close is not yet a training that goes on
    assert list_runs(tmp_path)[0].status == "completed"
    run.report_episode(2, METRICS)
    run.report_episode(3, METRICS)
    run.complete_run()
    assert messages_of(run.path) == ["register", "episode", "complete", "register", "episodes", "complete"]
    summary = list_runs(tmp_path)[0]
    assert (summary.status, summary.episodes_completed) == ("completed", 3)


def test_a_run_that_never_began_leaves_no_file(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.complete_run()
    run.flush()
    assert list(tmp_path.iterdir()) == []


def test_a_report_registers_the_run(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.report_episode(1, METRICS)
    run.complete_run()
    assert messages_of(run.path) == ["register", "episode", "complete"]


def test_a_run_may_end_as_failed(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    run.complete_run("failed")
    assert list_runs(tmp_path)[0].status == "failed"


def test_reports_within_a_second_are_written_together(tmp_path: Path, clock: list[float]) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    for number in (1, 2, 3):
        run.report_episode(number, METRICS)
    assert messages_of(run.path) == ["register"]
    clock.append(1.0)
    run.report_episode(4, METRICS)
    assert messages_of(run.path) == ["register", "episodes"]
    assert [episode["episode_number"] for episode in read_run(run.path).episodes] == [1, 2, 3, 4]


def test_a_quarter_of_a_mebibyte_is_written_at_once(tmp_path: Path, clock: list[float]) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.report_episodes(range(1, 5001), {"roi_pct": np.linspace(0.1, 0.7, 5000)})
    assert messages_of(run.path) == ["register", "episodes"]


def test_the_disk_is_waited_for_at_the_end_and_every_ten_seconds(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(clock[-1]))
    run = TrainingTracker(directory=tmp_path)
    for number in range(1, 26):
        clock.append(float(number))
        run.report_episode(number, METRICS)
    run.complete_run()
    assert synced == [10.0, 20.0, 25.0]


def test_a_continued_run_goes_on_where_it_was(tmp_path: Path) -> None:
    first = TrainingTracker("label", directory=tmp_path, run_id=RUN)
    first.report_episode(1, METRICS)
    first.complete_run()
    second = TrainingTracker("label", directory=tmp_path, run_id=RUN)
    second.register_run()
    assert second.episodes_completed == 1
    second.report_episode(2, METRICS | {"roi_pct": 7.5})
    second.complete_run()
    assert messages_of(second.path) == ["register", "episode", "complete"] * 2
    summary = list_runs(tmp_path)[0]
    assert (summary.status, summary.episodes_completed) == ("completed", 2)
    assert summary.aggregate_stats["avg_roi_pct"] == pytest.approx(5.0)


def test_an_episode_reported_twice_counts_once_when_read(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.report_episode(1, METRICS)
    run.report_episode(1, METRICS | {"roi_pct": -50.0})
    run.flush()
    assert [episode["roi_pct"] for episode in read_run(run.path).episodes] == [2.5]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_copy_is_a_run_of_its_own(tmp_path: Path, copied: object) -> None:
    assert callable(copied)
    original = TrainingTracker("label", directory=tmp_path, run_id=RUN, config={"a": 1})
    original.report_episode(1, METRICS)
    duplicate = copied(original)
    assert duplicate.run_id != original.run_id
    assert duplicate.episodes_completed == 0
    duplicate.report_episode(1, METRICS)
    duplicate.complete_run()
    original.complete_run()
    assert [summary.config for summary in list_runs(tmp_path)] == [{"strategy_label": "label", "a": 1}] * 2
    assert [summary.episodes_completed for summary in list_runs(tmp_path)] == [1, 1]


FORKING = """
import os, sys
from tradeready_gym.tracking import TrainingTracker
run = TrainingTracker(directory=sys.argv[1], run_id=sys.argv[2])
run.report_episode(1, {"roi_pct": 1.0})
child = os.fork()
if child == 0:
    run.complete_run()  # never began here
    run.report_episode(1, {"roi_pct": 2.0})
    run.complete_run()
    os._exit(0)
os.waitpid(child, 0)
run.complete_run()
"""


def test_a_forked_child_is_a_run_of_its_own(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKING, str(tmp_path), RUN], check=True)
    assert messages_of(tmp_path / f"{RUN}.journal") == ["register", "episode", "complete"]
    summaries = list_runs(tmp_path)
    assert [messages_of(summary.path) for summary in summaries] == [["register", "episode", "complete"]] * 2
    assert sorted(summary.aggregate_stats["avg_roi_pct"] for summary in summaries) == [1.0, 2.0]


def test_an_environment_that_nobody_closed_keeps_its_episodes(tmp_path: Path) -> None:
    script = (
        "import sys; from tradeready_gym.tracking import TrainingTracker\n"
        "run = TrainingTracker(directory=sys.argv[1])\n"
        "for number in range(1, 4): run.report_episode(number, {'roi_pct': 1.0})\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    (summary,) = list_runs(tmp_path)
    assert (summary.status, summary.episodes_completed) == ("running", 3)


def test_a_directory_that_cannot_be_made_is_said_once_and_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    run = TrainingTracker(directory=tmp_path / "file" / "runs")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.register_run()
        for number in range(1, 10):
            run.report_episode(number, METRICS)
            run.flush()
        run.complete_run()
    (warning,) = caught
    assert warning.category is TrackingWarning
    assert "TRADEREADY_HOME" in str(warning.message)
    assert run.episodes_completed == 9


def test_a_disk_that_answers_again_gets_what_was_kept(tmp_path: Path, clock: list[float]) -> None:
    blocked = tmp_path / "runs"
    blocked.write_text("in the way")
    run = TrainingTracker(directory=blocked)
    with pytest.warns(TrackingWarning):
        run.report_episode(1, METRICS)
    blocked.unlink()
    clock.append(1.0)
    run.report_episode(2, METRICS)
    assert messages_of(run.path) == ["register", "episodes"]
    assert [episode["episode_number"] for episode in read_run(run.path).episodes] == [1, 2]


def test_what_is_kept_for_a_failing_disk_is_bounded_and_keeps_the_registration(
    tmp_path: Path, clock: list[float]
) -> None:
    blocked = tmp_path / "runs"
    blocked.write_text("in the way")
    run = TrainingTracker(directory=blocked)
    values = {"roi_pct": np.linspace(0.1, 0.7, 10_000)}
    with pytest.warns(TrackingWarning):
        run.register_run()
    for batch in range(20):
        clock.append(clock[-1] + 1.0)
        run.report_episodes(range(batch * 10_000 + 1, (batch + 1) * 10_000 + 1), values)
    blocked.unlink()
    run.complete_run()
    assert run.path.stat().st_size < 2 * KEPT_BYTES
    assert messages_of(run.path)[0] == "register"
    assert read_run(run.path).episodes[-1]["episode_number"] == 200_000


def test_a_run_that_cannot_be_continued_becomes_another_run(tmp_path: Path) -> None:
    foreign = tmp_path / f"{RUN}.journal"
    foreign.write_text("a shopping list\n")
    run = TrainingTracker(directory=tmp_path, run_id=RUN)
    with pytest.warns(TrackingWarning, match="another run"):
        run.report_episode(1, METRICS)
    run.complete_run()
    assert run.run_id != RUN
    assert foreign.read_text() == "a shopping list\n"
    assert messages_of(run.path) == ["register", "episode", "complete"]


def test_runs_are_kept_under_the_home_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    run = TrainingTracker()
    run.register_run()
    run.complete_run()
    assert run.path == tmp_path / "runs" / f"{run.run_id}.journal"
    assert [summary.run_id for summary in list_runs()] == [run.run_id]


def test_a_user_without_a_home_is_told_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADEREADY_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    run = TrainingTracker()
    with pytest.warns(TrackingWarning, match="no home directory"):
        run.report_episode(1, METRICS)


def test_a_run_id_that_is_no_uuid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be a UUID"):
        TrainingTracker(directory=tmp_path, run_id="../../etc/passwd")


def test_a_config_with_nan_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without NaN"):
        TrainingTracker(config={"fee_rate": math.nan})


def test_a_config_keeps_the_text_of_what_json_does_not_know(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path, config={"data": Path("candles.csv")})
    run.register_run()
    assert read_run(run.path).summary.config["data"] == "candles.csv"


def test_an_unknown_status_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cancelled"):
        TrainingTracker(directory=tmp_path).complete_run("done")


def test_columns_of_unequal_length_are_refused(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    with pytest.raises(ValueError, match="roi_pct"):
        run.report_episodes([1, 2], {"roi_pct": [1.0, 2.0, 3.0]})


def test_nothing_is_written_before_the_first_reset_and_no_warning_is_heard(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TrainingTracker(directory=tmp_path / "deep" / "down")
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("count", [1, 2, 31, 32, 300])
def test_a_batch_reads_back_as_it_was_reported(tmp_path: Path, count: int) -> None:
    run = TrainingTracker(directory=tmp_path)
    numbers, roi = np.arange(1, count + 1), np.linspace(-1.0, 1.0, count) / 3.0
    sharpe = np.where(numbers % 2 == 0, np.nan, roi)
    seeds = numbers * 2**40
    run.report_episodes(numbers, {"roi_pct": roi, "sharpe_ratio": sharpe, "total_trades": numbers}, seeds=seeds)
    # what is reported is the tracker's own
    roi[:] = 0.0
    run.complete_run()
    episodes = read_run(run.path).episodes
    assert [episode["episode_number"] for episode in episodes] == numbers.tolist()
    assert [episode["roi_pct"] for episode in episodes] == (np.linspace(-1.0, 1.0, count) / 3.0).tolist()
    assert [episode["sharpe_ratio"] is None for episode in episodes] == (numbers % 2 == 0).tolist()
    assert [episode["total_trades"] for episode in episodes] == numbers.tolist()
    assert [episode["seed"] for episode in episodes] == seeds.tolist()
    assert {episode["session_id"] for episode in episodes} == {None}


def test_reports_of_both_kinds_keep_their_order(tmp_path: Path, clock: list[float]) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.report_episode(1, METRICS)
    run.report_episode(2, METRICS)
    run.report_episodes([3, 4], {"roi_pct": [1.0, 2.0]})
    run.report_episodes([5], {"roi_pct": [1.0]})
    run.report_episodes([6, 7], {"roi_pct": [1.0, 2.0]}, seeds=[1, None])
    run.report_episode(8, METRICS)
    assert run.episodes_completed == 8
    run.complete_run()
    assert [episode["episode_number"] for episode in read_run(run.path).episodes] == list(range(1, 9))
    assert read_run(run.path).summary.aggregate_stats["total_episodes"] == 8


@pytest.mark.parametrize("column", [{"f4": ""}, {"f8": "???"}, {"f8": "AAAA"}, {}])
def test_what_is_no_packed_column_is_refused(column: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        unpacked({"roi_pct": column})


def test_what_is_planned_is_registered_with_the_run(tmp_path: Path) -> None:
    run = TrainingTracker("planned", directory=tmp_path, config={"seed": 1})
    run.expect(40)
    run.register_run()
    registered = journal.read(run.path).records[0]
    assert registered["body"]["config"] == {"strategy_label": "planned", "seed": 1, "episodes_total": 40}


@pytest.mark.parametrize("episodes", [0, -1])
def test_nobody_plans_less_than_an_episode(tmp_path: Path, episodes: int) -> None:
    with pytest.raises(ConfigurationError, match="at least one episode"):
        TrainingTracker(directory=tmp_path).expect(episodes)
