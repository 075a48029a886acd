"""Runs that were recorded on this machine without a platform appear in it: once each, whatever happens in between."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import serving
from sqlalchemy import func, select

from tradeready_gym.platform import Settings
from tradeready_gym.platform.accounts import create_account, ensure_owner
from tradeready_gym.platform.database import Database, upgrade
from tradeready_gym.platform.database.tables import journals, training_episodes, training_runs
from tradeready_gym.platform.events import Events
from tradeready_gym.platform.ingest import JournalIngest
from tradeready_gym.platform.training import runs
from tradeready_gym.tracking import TrainingTracker, journal, messages, read_run
from tradeready_gym.tracking.outbox import Outbox


class Kept:
    """A database with an owner, and the journals beside it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = Database(Settings(home=home).database_url)
        upgrade(self.database)
        ensure_owner(self.database)

    def tracker(self, **options: Any) -> TrainingTracker:
        return TrainingTracker("ppo_v1", directory=self.home / "runs", **options)

    def poll(self) -> int:
        """Take in with a process that knows nothing of the one before."""
        return JournalIngest(self.home, self.database, Events()).poll()

    def run(self, run_id: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(training_runs).where(training_runs.c.id == run_id)).first()

    def numbers(self, run_id: str) -> list[int]:
        query = select(training_episodes.c.episode_number).where(training_episodes.c.run_id == run_id)
        with self.database.read() as connection:
            return list(connection.scalars(query.order_by(training_episodes.c.episode_number)))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path)
    yield found
    found.database.close()


def report(tracker: TrainingTracker, numbers: list[int]) -> None:
    metrics = {"roi_pct": [float(number) for number in numbers], "cumulative_reward": [0.5] * len(numbers)}
    tracker.report_episodes(numbers, metrics, seeds=[1000 + number for number in numbers])
    tracker.flush()


def report_one(tracker: TrainingTracker, number: int) -> None:
    tracker.report_episode(number, {"roi_pct": float(number)}, seed=number)


def test_a_recorded_run_is_taken_in_whole(kept: Kept) -> None:
    tracker = kept.tracker(config={"seed": 7})
    report(tracker, [1, 2, 3])
    report(tracker, [4])
    tracker.complete_run()
    assert kept.poll() == 4
    row, local = kept.run(tracker.run_id), read_run(tracker.path).summary
    view = runs.view(row)
    assert (view["status"], view["strategy_label"], view["config"]["seed"]) == ("completed", "ppo_v1", 7)
    times = (view["started_at"], view["updated_at"], view["completed_at"])
    assert times == (local.started_at, local.updated_at, local.completed_at)
    shared = view["aggregate_stats"].keys() & local.aggregate_stats.keys()
    assert {name: view["aggregate_stats"][name] for name in shared} == local.aggregate_stats
    with kept.database.read() as connection:
        episode = connection.execute(select(training_episodes).where(training_episodes.c.episode_number == 4)).one()
    assert (episode.seed, episode.roi_pct, episode.reward_sum) == (1004, 4.0, 0.5)


def test_taking_in_again_or_from_the_beginning_doubles_nothing(kept: Kept) -> None:
    tracker = kept.tracker()
    report(tracker, [1, 2])
    tracker.complete_run()
    assert (kept.poll(), kept.poll()) == (2, 0)
    with kept.database.write() as connection:
        connection.execute(journals.delete())
    assert kept.poll() == 0
    assert kept.numbers(tracker.run_id) == [1, 2]
    assert kept.run(tracker.run_id).status == "completed"


def test_a_run_that_is_still_written_is_followed(kept: Kept) -> None:
    ingest = JournalIngest(kept.home, kept.database, Events())
    tracker = kept.tracker()
    report(tracker, [1])
    assert ingest.poll() == 1
    assert kept.run(tracker.run_id).status == "running"
    assert ingest.poll() == 0
    report(tracker, [2, 3])
    assert ingest.poll() == 2
    tracker.complete_run("failed", "no more memory")
    ingest.poll()
    row = kept.run(tracker.run_id)
    assert (row.status, row.reason) == ("failed", "no more memory")


def test_a_run_that_goes_on_after_its_end_is_running_again(kept: Kept) -> None:
    tracker = kept.tracker()
    report(tracker, [1])
    tracker.complete_run()
    kept.poll()
    assert kept.run(tracker.run_id).status == "completed"
    report(tracker, [2])
    assert kept.poll() == 1
    assert (kept.run(tracker.run_id).status, kept.run(tracker.run_id).completed_at) == ("running", None)
    tracker.complete_run()
    kept.poll()
    row = kept.run(tracker.run_id)
    assert (row.status, row.episodes_completed) == ("completed", 2)


@pytest.mark.parametrize("cut", [1, 17, 60])
def test_a_torn_record_waits_until_it_is_whole(kept: Kept, cut: int) -> None:
    tracker = kept.tracker()
    report(tracker, [1])
    record = journal.encode(messages.episodes(tracker.run_id, "2026-01-01T00:00:00Z", {"episode_number": [2]}))
    with open(tracker.path, "ab") as file:
        file.write(record[:cut])
    assert kept.poll() == 1
    with open(tracker.path, "ab") as file:
        file.write(record[cut:])
    assert kept.poll() == 1
    assert kept.numbers(tracker.run_id) == [1, 2]


def test_a_record_that_stays_torn_is_skipped_and_the_next_one_is_not(kept: Kept) -> None:
    tracker = kept.tracker()
    report(tracker, [1])
    with open(tracker.path, "ab") as file:
        file.write(b"00000100 deadbeef {half")
    kept.poll()
    report(tracker, [2])
    assert kept.poll() == 1
    assert kept.numbers(tracker.run_id) == [1, 2]


def test_a_kill_in_the_middle_loses_and_doubles_nothing(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = kept.tracker()
    for number in range(1, 41):
        report(tracker, [number])
    monkeypatch.setattr("tradeready_gym.platform.ingest.PART_BYTES", 2_000)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    real = runs.find
    for chunk in range(4):
        with monkeypatch.context() as patch:
            calls = [0]

            def find(*args: Any, chunk: int = chunk, calls: list[int] = calls, **options: Any) -> Any:
                calls[0] += 1
                return killed() if calls[0] > chunk else real(*args, **options)

            patch.setattr("tradeready_gym.platform.training.runs.find", find)
            with pytest.raises(KeyboardInterrupt):
                kept.poll()
        taken = kept.numbers(tracker.run_id)
        assert taken == list(range(1, len(taken) + 1))
    kept.poll()
    assert kept.numbers(tracker.run_id) == list(range(1, 41))
    row = kept.run(tracker.run_id)
    assert (row.episodes_completed, runs.view(row)["aggregate_stats"]["avg_roi_pct"]) == (40, 20.5)


FOLLOWER = """
import pathlib, sys
from tradeready_gym.platform import Settings, ingest
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.events import Events

ingest.PART_BYTES = 1_000
home = pathlib.Path(sys.argv[1])
follower = ingest.JournalIngest(home, Database(Settings(home=home).database_url), Events())
sys.stdout.write("ready")
sys.stdout.flush()
while True:
    follower.poll()
"""


def test_a_process_that_is_killed_again_and_again_takes_in_each_episode_once(kept: Kept) -> None:
    tracker = kept.tracker()
    for number in range(1, 1001):
        report_one(tracker, number)
    tracker.flush()
    progress = []
    for wait in (0.02, 0.05, 0.1):
        process = subprocess.Popen([sys.executable, "-c", FOLLOWER, str(kept.home)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.read(5) == b"ready"
        time.sleep(wait)
        process.kill()
        process.communicate()
        progress.append(len(kept.numbers(tracker.run_id)))
    assert progress[0] < 1000  # the first one was killed in the middle
    while kept.poll():
        pass
    assert kept.numbers(tracker.run_id) == list(range(1, 1001))
    row = kept.run(tracker.run_id)
    assert (row.episodes_completed, runs.view(row)["aggregate_stats"]["avg_roi_pct"]) == (1000, 500.5)


def test_a_deleted_run_stays_deleted_though_its_journal_grows(kept: Kept) -> None:
    tracker = kept.tracker()
    report(tracker, [1])
    kept.poll()
    with kept.database.write() as connection:
        owner = connection.scalar(select(training_runs.c.account_id))
        runs.remove(connection, str(owner), tracker.run_id)
    report(tracker, [2])
    tracker.complete_run()
    assert kept.poll() == 0
    report(tracker, [3])  # the run goes on
    assert kept.poll() == 0
    assert kept.run(tracker.run_id) is None


def test_a_journal_that_was_replaced_by_a_shorter_one_is_read_from_its_beginning(kept: Kept) -> None:
    tracker = kept.tracker()
    report(tracker, [1, 2, 3])
    kept.poll()
    record = messages.episodes(tracker.run_id, "2026-01-01T00:00:00Z", {"episode_number": [4]})
    tracker.path.write_bytes(journal.encode(record))
    assert kept.poll() == 1
    assert kept.numbers(tracker.run_id) == [1, 2, 3, 4]


def test_episodes_whose_registration_is_damaged_are_kept(kept: Kept) -> None:
    tracker = kept.tracker()
    report(tracker, [1, 2])
    content = bytearray(tracker.path.read_bytes())
    content[30] ^= 0xFF
    tracker.path.write_bytes(bytes(content))
    assert kept.poll() == 2
    assert kept.run(tracker.run_id).strategy_label == ""


def test_what_no_column_can_hold_is_left_out_and_the_episode_is_kept(kept: Kept) -> None:
    run_id = str(uuid.uuid4())
    path = kept.home / "runs" / f"{run_id}.journal"
    columns: dict[str, Any] = {
        "episode_number": [1, 0],
        "seed": [2**70, 1],
        "roi_pct": [10**400, 1],
        "session_id": ["a\0", 1],
    }
    odd = {"key": f"{run_id}/episodes/9-9", "message": "episodes", "at": None, "body": {"episode_number": 3}}
    records = [
        messages.register(run_id, "yesterday", {}),
        messages.episodes(run_id, "2026-01-01T00:00:00Z", columns),
        odd,
    ]
    journal.append(path, b"".join(journal.encode(record) for record in records))
    journal.append(path, journal.encode({"key": "x", "message": 3, "body": []}))
    assert kept.poll() == 1
    assert kept.numbers(run_id) == [1]


def test_another_accounts_run_is_left_alone(kept: Kept) -> None:
    tracker = kept.tracker()
    report(tracker, [1])
    with kept.database.write() as connection:
        stranger = create_account(connection, "stranger")
        runs.register(connection, stranger, tracker.run_id, {})
    assert kept.poll() == 0
    with kept.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(training_episodes)) == 0


def test_a_run_that_is_delivered_with_a_key_is_left_to_the_account_of_the_key(kept: Kept) -> None:
    tracker = kept.tracker()
    Outbox(tracker.path, "http://127.0.0.1:9", "digest of a key").save()
    report(tracker, [1, 2])
    assert kept.poll() == 0
    assert kept.run(tracker.run_id) is None


def test_a_server_shows_a_run_while_it_is_recorded(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        tracker = TrainingTracker("live", directory=tmp_path / "runs")
        report(tracker, [1, 2])
        deadline = time.monotonic() + 10.0
        found: list[dict[str, Any]] = []
        while time.monotonic() < deadline and not found:
            found = server.client.get("/api/v1/training/runs", params={"strategy_label": "live"}).json()
        assert [run["episodes_completed"] for run in found] == [2]
        assert server.stranger.get("/api/v1/training/runs").json() == []
