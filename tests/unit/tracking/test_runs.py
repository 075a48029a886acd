"""Runs are listed and read back as what their journals say."""

from pathlib import Path

import pytest

from tradeready_gym.errors import DataUnavailable, StoreError
from tradeready_gym.tracking import TrainingTracker, clock, journal, list_runs, read_run


def a_run(directory: Path, label: str, episodes: int, *, complete: bool = True) -> TrainingTracker:
    run = TrainingTracker(label, directory=directory)
    for number in range(1, episodes + 1):
        run.report_episode(number, {"roi_pct": float(number), "cumulative_reward": -1.0})
    if complete:
        run.complete_run()
    else:
        run.flush()
    return run


def test_runs_are_listed_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, label in ((3, "third"), (1, "first"), (2, "second")):
        monkeypatch.setattr(clock, "now", lambda day=day: f"2026-01-0{day}T00:00:00.000000Z")
        a_run(tmp_path, label, 1)
    assert [summary.strategy_label for summary in list_runs(tmp_path)] == ["third", "second", "first"]


def test_a_completed_run_is_summed_up_alike_from_its_ends_and_from_all_of_it(tmp_path: Path) -> None:
    run = a_run(tmp_path, "label", 3)
    (listed,) = list_runs(tmp_path)
    read = read_run(run.path).summary
    assert listed.damaged_records is None
    assert read.damaged_records == 0
    assert {k: v for k, v in vars(listed).items() if k != "damaged_records"} == {
        k: v for k, v in vars(read).items() if k != "damaged_records"
    }


def test_a_run_that_has_not_ended_is_running(tmp_path: Path) -> None:
    a_run(tmp_path, "label", 2, complete=False)
    (summary,) = list_runs(tmp_path)
    assert (summary.status, summary.episodes_completed, summary.completed_at) == ("running", 2, None)
    assert summary.updated_at is not None


def test_a_run_is_found_by_its_id(tmp_path: Path) -> None:
    run = a_run(tmp_path, "label", 2)
    assert [episode["roi_pct"] for episode in read_run(run.run_id, tmp_path).episodes] == [1.0, 2.0]


def test_an_unknown_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="no run 'nobody'"):
        read_run("nobody", tmp_path)


def test_no_directory_has_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "nowhere") == []


def test_a_file_that_is_no_journal_is_named_and_hides_no_run(tmp_path: Path) -> None:
    a_run(tmp_path, "label", 1)
    (tmp_path / "notes.journal").write_text("buy low, sell high\n")
    with pytest.warns(UserWarning, match="notes.journal is not a run journal"):
        assert len(list_runs(tmp_path)) == 1
    with pytest.raises(StoreError, match="notes"):
        read_run(tmp_path / "notes.journal")


def test_a_run_whose_first_record_is_lost_keeps_its_episodes(tmp_path: Path) -> None:
    run = a_run(tmp_path, "label", 2)
    data = bytearray(run.path.read_bytes())
    data[30] ^= 1
    run.path.write_bytes(data)
    read = read_run(run.path)
    assert (read.summary.run_id, read.summary.damaged_records) == (run.run_id, 1)
    assert len(read.episodes) == 2


def test_the_first_and_last_record_are_read_without_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "long.journal"
    records = [{"key": str(number), "message": "x" * 50} for number in range(5000)]
    journal.append(path, b"".join(journal.encode(record) for record in records))
    assert journal.read_ends(path) == (records[0], records[-1])
