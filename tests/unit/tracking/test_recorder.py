"""What was reported is on the disk a second later: whoever pauses, dies, forks, flushes or collects garbage meanwhile."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from patience import eventually
from tradeready_gym.tracking import TrackingWarning, TrainingTracker, journal, read_run, recording
from tradeready_gym.tracking.messages import expand
from tradeready_gym.tracking.recorder import dismiss_recorder

FIGURES = {"roi_pct": 2.5, "cumulative_reward": 1.0}
THREAD = "recorder of training runs"


@pytest.fixture(autouse=True)
def _soon_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread of a test stays long."""
    monkeypatch.setattr(recording, "SYNC_INTERVAL_S", 0.5)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second takes a fiftieth of one."""
    monkeypatch.setattr(recording, "WRITE_INTERVAL_S", 0.02)


def written(path: Path) -> list[int]:
    """The numbers of all episodes, those that are there twice included."""
    records = journal.read(path).records
    return [body["episode_number"] for record in records for body in expand(record)]


def recorders() -> int:
    return sum(thread.name == THREAD for thread in threading.enumerate())


class SlowDisk:
    """A disk that keeps the background thread waiting until it is let go; `meanwhile` is done in that thread before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.asked, self.free, self.meanwhile, self.gave_up = threading.Event(), threading.Event(), meanwhile, False
        self._append = journal.append
        monkeypatch.setattr(journal, "append", self)

    def __call__(self, path: Path, records: bytes, *, sync: bool = False) -> None:
        if threading.current_thread().name == THREAD:
            self.asked.set()
            self.meanwhile()
            self.gave_up |= not self.free.wait(5.0)
        self._append(path, records, sync=sync)


PAUSING = """
import sys, time
from tradeready_gym.tracking import TrainingTracker
run = TrainingTracker(directory=sys.argv[1])
for number in range(1, 6):
    run.report_episode(number, {"roi_pct": 1.0 * number})
run.report_episodes([6, 7, 8], {"roi_pct": [6.0, 7.0, 8.0]})
print(run.run_id, flush=True)
time.sleep(60.0)
"""


def test_a_process_killed_in_a_pause_has_lost_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PAUSING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    time.sleep(2.0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    episodes = read_run(run_id, tmp_path).episodes
    assert [episode["roi_pct"] for episode in episodes] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def test_what_comes_within_an_interval_shares_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WRITE_INTERVAL_S", 0.5)
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    for number in range(1, 4):
        run.report_episode(number, FIGURES)
    assert written(run.path) == []
    assert eventually(lambda: written(run.path) == [1, 2, 3])
    assert [record["message"] for record in journal.read(run.path).records] == ["register", "episodes"]


@pytest.mark.usefixtures("hurried")
def test_there_is_one_thread_for_all_and_only_while_something_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "SYNC_INTERVAL_S", 30.0)
    assert eventually(lambda: recorders() == 0, 12.0)
    runs = [TrainingTracker(directory=tmp_path) for _ in range(5)]
    for run in runs:
        run.register_run()
    assert recorders() == 0
    for run in runs:
        run.report_episode(1, FIGURES)
    assert recorders() == 1
    assert eventually(lambda: all(written(run.path) == [1] for run in runs))
    assert recorders() == 1  # for the disk
    for run in runs:
        run.complete_run()
    assert eventually(lambda: recorders() == 0, 1.0)
    runs[0].report_episode(2, FIGURES)
    assert eventually(lambda: written(runs[0].path) == [1, 2])
    runs[0].flush()


def test_what_comes_while_another_thread_flushes_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "WRITE_INTERVAL_S", 0.2)
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    run.report_episode(1, FIGURES)  # between what a flush writes and what it says to the thread
    dismiss_recorder(run._recording)
    assert eventually(lambda: written(run.path) == [1])


@pytest.mark.usefixtures("hurried")
def test_the_disk_is_waited_for_in_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    run = TrainingTracker(directory=tmp_path)
    path = run.path
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(len(written(path))))
    monkeypatch.setattr(recording, "SYNC_INTERVAL_S", 0.3)
    run.report_episode(1, FIGURES)
    run.report_episode(2, FIGURES)
    assert eventually(lambda: bool(synced))
    assert synced == [2]
    time.sleep(0.4)
    assert synced == [2]  # once is enough


def test_a_tracker_that_waits_for_its_write_is_not_kept_alive(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    run.report_episode(1, FIGURES)
    path, known, record = run.path, weakref.ref(run), weakref.ref(run._recording)
    del run
    assert (known(), record()) == (None, None)
    assert written(path) == [1]


@pytest.mark.usefixtures("hurried")
def test_neither_reports_nor_a_destructor_wait_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    disk, path = SlowDisk(monkeypatch), run.path
    run.report_episode(1, FIGURES)
    assert disk.asked.wait(5.0)
    run.report_episode(2, FIGURES)
    run.report_episodes(range(3, 8003), {"roi_pct": [1.0] * 8000})  # half a mebibyte
    del run
    assert not disk.gave_up
    disk.free.set()
    assert eventually(lambda: written(path) == list(range(1, 8003)))


@pytest.mark.usefixtures("hurried")
def test_what_waits_for_a_slow_disk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    disk = SlowDisk(monkeypatch)
    run.report_episode(1, FIGURES)
    assert disk.asked.wait(5.0)
    most = 0

    def report() -> None:
        nonlocal most
        for begin in range(2, 100_002, 1000):
            run.report_episodes(range(begin, begin + 1000), {"roi_pct": [1.0] * 1000})
            most = max(most, run._recording.waiting.bytes)

    training = threading.Thread(target=report)
    training.start()
    training.join(0.5)
    assert training.is_alive()
    disk.free.set()
    training.join(5.0)
    assert most < 2 * recording.KEPT_BYTES
    run.complete_run()
    assert written(run.path) == list(range(1, 100_002))


@pytest.mark.usefixtures("hurried")
def test_a_tracker_collected_by_the_thread_that_writes_it_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [TrainingTracker(directory=tmp_path)]
    held[0].register_run()
    path, known = held[0].path, weakref.ref(held[0])

    def collect() -> None:
        if held:
            held[0].report_episode(2, FIGURES)
        held.clear()
        gc.collect()

    disk = SlowDisk(monkeypatch, collect)
    disk.free.set()
    held[0].report_episode(1, FIGURES)
    assert eventually(lambda: known() is None and recorders() == 0)
    assert written(path) == [1, 2]


FORKING = """
import os, sys, threading, time
from tradeready_gym.tracking import TrainingTracker, journal, recording
recording.WRITE_INTERVAL_S = 0.0
real, asked = journal.append, threading.Event()
def slow(path, records, *, sync=False):
    if threading.current_thread() is not threading.main_thread():
        asked.set()
        time.sleep(0.3)
    real(path, records, sync=sync)
journal.append = slow
run = TrainingTracker(directory=sys.argv[1], run_id=sys.argv[2])
run.report_episode(1, {"roi_pct": 1.0})
asked.wait()
run.report_episode(2, {"roi_pct": 1.0})
children = []
for kind in range(3):
    child = os.fork()
    if child == 0 and kind == 2:
        sys.exit(0)  # reports nothing, and leaves what waits to its parent
    if child == 0:
        run.report_episode(1, {"roi_pct": 2.0})
        run.report_episode(2, {"roi_pct": 2.0})
        run.flush()
        if kind == 0:
            run.complete_run()
            os._exit(0)
        time.sleep(1.0)  # its own thread writes
        run.report_episode(3, {"roi_pct": 2.0})
        time.sleep(1.0)
        os._exit(0)
    children.append(child)
run.report_episode(3, {"roi_pct": 1.0})
for child in children: os.waitpid(child, 0)
run.complete_run()
"""


def test_a_fork_in_the_middle_of_a_write_leaves_parent_and_child_whole(tmp_path: Path) -> None:
    run_id = "6f1d9a52-4c1b-4f6e-9a57-0d3a2f6f9b11"
    subprocess.run([sys.executable, "-c", FORKING, str(tmp_path), run_id], check=True, timeout=20.0)
    paths = sorted(tmp_path.glob("*.journal"))
    assert written(tmp_path / f"{run_id}.journal") == [1, 2, 3]
    assert sorted(written(path) for path in paths) == [[1, 2], [1, 2, 3], [1, 2, 3]]


LEAVING = """
import os, sys, time
from tradeready_gym.tracking import TrainingTracker, read_run
run = TrainingTracker(directory=sys.argv[1])
run.report_episode(1, {"roi_pct": 1.0})
while not read_run(run.path).episodes: time.sleep(0.01)
run.report_episode(2, {"roi_pct": 1.0})
if os.fork() == 0:
    sys.exit(0)
os.wait()
run.complete_run()
"""


def test_a_child_that_ends_leaves_what_waits_to_its_parent(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", LEAVING, str(tmp_path)], check=True, timeout=20.0)
    (path,) = tmp_path.glob("*.journal")
    assert written(path) == [1, 2]


ENDING = """
import sys, threading, time
from tradeready_gym.tracking import TrainingTracker, journal
real, asked = journal.append, threading.Event()
def slow(path, records, *, sync=False):
    if threading.current_thread() is not threading.main_thread():
        asked.set()
        time.sleep(0.5)
    real(path, records, sync=sync)
journal.append = slow
run = TrainingTracker(directory=sys.argv[1])
run.register_run()
run.report_episode(1, {"roi_pct": 1.0})
asked.wait()
run.report_episode(2, {"roi_pct": 1.0})
if sys.argv[2] == "forgotten": del run
"""


@pytest.mark.parametrize("tracker", ["forgotten", "held"])
def test_a_process_that_ends_while_its_thread_writes_loses_nothing(tmp_path: Path, tracker: str) -> None:
    subprocess.run([sys.executable, "-c", ENDING, str(tmp_path), tracker], check=True, timeout=20.0)
    (path,) = tmp_path.glob("*.journal")
    assert written(path) == [1, 2]


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Threads take turns every ten microseconds, and everything is due at once."""
    monkeypatch.setattr(recording, "WRITE_INTERVAL_S", 0.0)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless")
def test_reports_that_race_with_the_thread_are_written_once_each_and_in_order(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    number = 0
    while number < 6_000:
        run.report_episode(number + 1, {"roi_pct": float(number + 1)})
        run.report_episodes([number + 2, number + 3], {"roi_pct": [number + 2.0, number + 3.0]})
        number += 3
        assert run.episodes_completed == number
    run.complete_run()
    assert written(run.path) == list(range(1, 6_001))
    stats = read_run(run.path).summary.aggregate_stats
    assert (stats["total_episodes"], stats["avg_roi_pct"]) == (6_000, 3_000.5)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("flushes", [False, True])
def test_every_burst_of_reports_is_written_though_nothing_follows(tmp_path: Path, flushes: bool) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    over = threading.Event()

    def flush() -> None:
        while not over.wait(0.0005):
            run.flush()

    beside = threading.Thread(target=flush)
    if flushes:
        beside.start()
    for burst in range(100):
        for number in range(5 * burst + 1, 5 * burst + 6):
            run.report_episode(number, FIGURES)
        if burst == 99 and flushes:
            over.set()
            beside.join()
        assert eventually(lambda: not run._recording.waiting, 2.0)
    assert eventually(lambda: written(run.path) == list(range(1, 501)))


@pytest.mark.usefixtures("restless")
def test_flushing_and_completing_beside_the_reports_doubles_and_loses_nothing(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()

    def report() -> None:
        for number in range(1, 2_001):
            run.report_episode(number, FIGURES)

    training = threading.Thread(target=report)
    training.start()
    while training.is_alive():
        run.flush()
        run.complete_run()
    training.join()
    run.complete_run()
    records = journal.read(run.path).records
    assert written(run.path) == list(range(1, 2_001))
    seen = 0
    for record in records:
        seen += sum(1 for _ in expand(record))
        if record["message"] == "complete":
            assert record["body"]["aggregate_stats"]["total_episodes"] == seen
    assert records[-1]["message"] == "complete"


def fail(run: TrainingTracker) -> Path:
    """Put a file where the directory of the run was; returns what was there."""
    directory = run.path.parent
    kept = directory.with_name("kept")
    shutil.move(directory, kept)
    directory.write_text("in the way")
    return kept


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("say", ["report", "report many", "flush", "complete"])
def test_a_disk_that_fails_in_the_background_is_said_once_by_who_reports(tmp_path: Path, say: str) -> None:
    run = TrainingTracker(directory=tmp_path / "runs")
    run.register_run()
    kept = fail(run)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.report_episode(1, FIGURES)
        assert eventually(lambda: bool(run._recording.complaints))
        calls: dict[str, Callable[[], None]] = {
            "report": lambda: run.report_episode(2, FIGURES),
            "report many": lambda: run.report_episodes([2], {"roi_pct": [1.0]}),
            "flush": run.flush,
            "complete": run.complete_run,
        }
        with pytest.raises(TrackingWarning, match="TRADEREADY_HOME"):
            calls[say]()
        run.report_episode(3, FIGURES)  # was said
        time.sleep(0.1)
        run.report_episode(4, FIGURES)
        run.path.parent.unlink()
        shutil.move(kept, run.path.parent)
        numbers = [1, 2, 3, 4] if say.startswith("report") else [1, 3, 4]
        assert eventually(lambda: written(run.path) == numbers)  # without another report


def test_the_report_that_says_so_counts(tmp_path: Path) -> None:
    blocked = tmp_path / "runs"
    blocked.write_text("in the way")
    run = TrainingTracker(directory=blocked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TrackingWarning, match="TRADEREADY_HOME"):
            run.report_episode(1, FIGURES)
        blocked.unlink()
        run.complete_run()
    assert written(run.path) == [1]


@pytest.mark.usefixtures("hurried")
def test_an_episode_that_cannot_be_written_down_costs_no_other(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.report_episode(1, FIGURES)
    assert eventually(lambda: written(run.path) == [1])
    run.report_episodes([2], {"roi_pct": [1.0]}, session_ids=[object()])  # type: ignore[list-item]
    assert eventually(lambda: bool(run._recording.complaints))
    with pytest.warns(TrackingWarning, match="cannot be written down"):
        run.report_episode(3, FIGURES)
    run.report_episodes([4], {"roi_pct": [1.0]}, session_ids=[object()])  # type: ignore[list-item]
    assert eventually(lambda: not run._recording.waiting)
    run.report_episode(5, FIGURES)  # was said
    run.complete_run()
    assert written(run.path) == [1, 3, 5]


def test_where_no_thread_can_be_started_who_reports_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    assert eventually(lambda: recorders() == 0, 12.0)
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    monkeypatch.setattr(recording, "WRITE_INTERVAL_S", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        run.report_episode(1, FIGURES)
        time.sleep(0.15)
        run.report_episode(2, FIGURES)
        assert written(run.path) == [1, 2]
    run.report_episode(3, FIGURES)
    assert eventually(lambda: written(run.path) == [1, 2, 3])


@pytest.mark.usefixtures("hurried")
def test_a_signal_in_the_middle_of_a_report_may_report_and_close(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    run.register_run()
    inner: list[int] = []

    def handle(*_: Any) -> None:
        inner.append(100_000 + len(inner))
        run.report_episode(inner[-1], FIGURES)
        run.flush()

    known = signal.signal(signal.SIGALRM, handle)
    number, armed = 0, -1
    try:
        while len(inner) < 100:
            if armed < len(inner):  # one at a time
                armed = len(inner)
                signal.setitimer(signal.ITIMER_REAL, 0.001)
            number += 1
            run.report_episode(number, FIGURES)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, known)
    run.complete_run()
    # in the middle of a write, what is written twice counts once, and an order may change
    episodes = sorted(episode["episode_number"] for episode in read_run(run.path).episodes)
    assert episodes == [*range(1, number + 1), *inner]
