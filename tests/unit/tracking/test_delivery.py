"""The journal is delivered to a platform: in order, each episode once, whatever the platform does."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fake_platform import KEY, TRAINING, FakePlatform, Trouble, fake_platform
from patience import eventually
from tradeready_gym.errors import ConfigurationError, DataUnavailable, PlatformRefused, PlatformUnavailable
from tradeready_gym.tracking import (
    TrackingWarning,
    TrainingTracker,
    check_platform,
    courier,
    deliver_pending,
    read_run,
    recording,
)
from tradeready_gym.tracking.outbox import Outbox
from tradeready_gym.tracking.platform import Later, Platform, _retry_after

METRICS = {"roi_pct": 2.5, "sharpe_ratio": None, "max_drawdown_pct": 1.0, "total_trades": 3, "cumulative_reward": 9.0}


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times as fast as in life, and no courier is left behind."""
    monkeypatch.setattr(courier, "GATHER_S", 0.01)
    monkeypatch.setattr(courier, "BACK_OFF_S", 0.01)
    monkeypatch.setattr(courier, "_IDLE_S", 0.05)
    monkeypatch.setattr(courier, "AWAY_S", 0.0)
    monkeypatch.setattr(recording, "WRITE_INTERVAL_S", 0.0)
    monkeypatch.setattr(courier, "_couriers", {})


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def url(platform: FakePlatform) -> Iterator[str]:
    with fake_platform(platform) as address:
        yield address


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def tracked(tmp_path: Path, url: str, key: str = KEY) -> TrainingTracker:
    return TrainingTracker("ppo_v1", directory=tmp_path, config={"fee_rate": 0.001}, api_key=key, base_url=url)


def report(run: TrainingTracker, first: int, last: int) -> None:
    for number in range(first, last + 1):
        run.report_episode(number, METRICS, seed=100 + number)


def test_a_run_arrives_as_the_documented_messages(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    run = tracked(tmp_path, url)
    run.register_run()
    assert eventually(lambda: run.run_id in platform.runs)
    report(run, 1, 1)
    assert eventually(lambda: platform.episodes(run.run_id) == [1])
    run.complete_run()
    arrived = platform.runs[run.run_id]
    assert platform.requests == [
        (TRAINING, KEY),
        (f"{TRAINING}/{run.run_id}/episodes", KEY),
        (f"{TRAINING}/{run.run_id}/complete", KEY),
    ]
    assert arrived["config"] == {"strategy_label": "ppo_v1", "fee_rate": 0.001}
    assert arrived["status"] == "completed"
    episode = arrived["episodes"][1]
    created = episode.pop("created_at")
    assert created.endswith("Z")
    assert episode == read_run(run.path).episodes[0]


def test_episodes_of_a_vector_environment_travel_as_columns(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    run = tracked(tmp_path, url)
    rewards = np.linspace(-1.0, 1.0, 12_000)
    run.report_episodes(np.arange(1, 12_001), {"cumulative_reward": rewards, "roi_pct": np.full(12_000, np.nan)})
    run.complete_run()
    assert platform.episodes(run.run_id) == list(range(1, 12_001))
    assert [path.rsplit("/", 1)[-1] for path, _ in platform.requests] == ["runs", "batch", "batch", "batch", "complete"]
    arrived = platform.runs[run.run_id]["episodes"]
    assert [arrived[number]["reward_sum"] for number in (1, 12_000)] == [-1.0, 1.0]
    assert "roi_pct" not in arrived[1]


def test_a_server_that_takes_less_at_once_gets_less(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    platform.most_rows = 300
    run = tracked(tmp_path, url)
    run.report_episodes(np.arange(1, 1001), {"roi_pct": np.arange(1000.0)})
    run.complete_run()
    assert platform.episodes(run.run_id) == list(range(1, 1001))
    assert platform.doubled == 0


def test_a_status_of_the_run_arrives(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    run = tracked(tmp_path, url)
    report(run, 1, 2)
    run.complete_run("failed")
    assert platform.runs[run.run_id]["status"] == "failed"


TROUBLES: dict[str, Trouble] = {
    "500": (500, {}),
    "503": (503, {}),
    "429": (429, {"Retry-After": "0"}),
    "408": (408, {}),
    "resets": "reset",
    "resets after it took it": "reset after",
    "slow": 0.03,
}


@pytest.mark.parametrize("name", TROUBLES)
def test_every_second_request_fails_and_no_episode_is_lost_or_doubled(
    name: str, tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    platform.trouble = lambda count: TROUBLES[name] if count % 2 == 0 else None
    run = tracked(tmp_path, url)
    for number in range(1, 31):
        report(run, number, number)
        time.sleep(0.002)
    assert eventually(lambda: run.run_id in platform.runs and len(platform.episodes(run.run_id)) == 30)
    run.complete_run()
    assert platform.runs[run.run_id]["status"] == "completed"
    assert platform.episodes(run.run_id) == list(range(1, 31))
    assert (platform.doubled > 0) == (name == "resets after it took it")


def test_a_platform_that_dies_and_returns_gets_everything_in_order(tmp_path: Path, platform: FakePlatform) -> None:
    port = free_port()
    run = tracked(tmp_path, f"http://127.0.0.1:{port}")
    with fake_platform(platform, port):
        report(run, 1, 10)
        assert eventually(lambda: run.run_id in platform.runs and len(platform.episodes(run.run_id)) == 10)
    report(run, 11, 40)
    time.sleep(0.1)
    assert len(platform.episodes(run.run_id)) == 10
    with fake_platform(platform, port):
        report(run, 41, 50)
        assert eventually(lambda: len(platform.episodes(run.run_id)) == 50)
        run.complete_run()
    assert platform.episodes(run.run_id) == list(range(1, 51))
    assert platform.runs[run.run_id]["status"] == "completed"


def test_a_platform_that_was_never_there_is_said_once_at_the_end_and_the_journal_keeps_all(tmp_path: Path) -> None:
    run = tracked(tmp_path, f"http://127.0.0.1:{free_port()}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report(run, 1, 20)
        begin = time.monotonic()
        run.complete_run()
        assert time.monotonic() - begin < courier.SETTLE_S + 1.0
    (warning,) = caught
    assert warning.category is TrackingWarning
    assert "tradeready deliver" in str(warning.message)
    assert len(read_run(run.path).episodes) == 20


def test_the_next_tracker_delivers_what_an_earlier_process_left(tmp_path: Path, platform: FakePlatform) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    left = subprocess.run([sys.executable, "-W", "ignore", "-c", LEAVING, str(tmp_path), url, KEY], check=True)
    assert left.returncode == 0
    with fake_platform(platform, port):
        run = tracked(tmp_path, url)
        report(run, 1, 1)
        run.complete_run()
        assert eventually(lambda: len(platform.runs) == 2)
        (other,) = set(platform.runs) - {run.run_id}
        assert eventually(lambda: platform.runs[other]["status"] == "completed")
    assert platform.episodes(other) == list(range(1, 8))


LEAVING = """
import sys
from tradeready_gym.tracking import TrainingTracker
run = TrainingTracker(directory=sys.argv[1], base_url=sys.argv[2], api_key=sys.argv[3])
for number in range(1, 8): run.report_episode(number, {"roi_pct": 1.0})
run.complete_run()
"""
KILLED = """
import sys, time
from tradeready_gym.tracking import TrainingTracker, courier, recording
recording.WRITE_INTERVAL_S = 0.0
courier.GATHER_S = 0.002
run = TrainingTracker(directory=sys.argv[1], run_id=sys.argv[4], base_url=sys.argv[2], api_key=sys.argv[3])
run.register_run()
for number in range(run.episodes_completed + 1, 1_000_000):
    run.report_episode(number, {"roi_pct": float(number)})
    time.sleep(0.0005)
"""


def test_processes_killed_in_the_middle_lose_no_written_episode_and_double_none(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    run_id = "6f1d9a52-4c1b-4f6e-9a57-0d3a2f6f9b11"
    for deaths in range(1, 4):
        wanted = deaths * 60
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), url, KEY, run_id])
        try:
            assert eventually(lambda n=wanted: len(platform.runs.get(run_id, {"episodes": ()})["episodes"]) > n, 20.0)  # type: ignore[misc]
            platform.trouble = lambda count: "reset"  # so that the kill comes between a message and its answer
            before = len(platform.requests)
            assert eventually(lambda n=before: len(platform.requests) > n + 2)  # type: ignore[misc]
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        platform.trouble = lambda count: None
    written = [episode["episode_number"] for episode in read_run(run_id, tmp_path).episodes]
    assert all(d.problem is None for d in deliver_pending(api_key=KEY, base_url=url, directory=tmp_path))
    assert platform.episodes(run_id) == written == list(range(1, len(written) + 1))
    assert [platform.runs[run_id]["episodes"][n]["roi_pct"] for n in written] == [float(n) for n in written]


def test_a_rejected_key_is_said_once_and_nothing_more_is_sent(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    run, other = tracked(tmp_path, url, "ak_live_bad"), tracked(tmp_path, url, "ak_live_bad")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.register_run()
        assert eventually(lambda: len(platform.requests) == 1)
        for number in range(1, 20):
            report(run, number, number)
            report(other, number, number)
            time.sleep(0.005)
        run.complete_run()
        other.complete_run()
    (warning,) = caught
    assert "does not take the key" in str(warning.message)
    assert "INVALID_API_KEY" in str(warning.message)
    assert "ak_live_bad" not in str(warning.message)
    assert len(platform.requests) == 1
    assert [len(read_run(r.path).episodes) for r in (run, other)] == [19, 19]
    delivered = deliver_pending(api_key=KEY, base_url=url, directory=tmp_path)
    assert sorted((d.run_id, d.episodes, d.problem) for d in delivered) == sorted(
        (r.run_id, 19, None) for r in (run, other)
    )


def test_a_refused_run_is_said_once_and_leaves_other_runs_alone(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    run, other = tracked(tmp_path, url), tracked(tmp_path, url)
    run.register_run()
    assert eventually(lambda: run.run_id in platform.runs)
    del platform.runs[run.run_id]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(1, 20):
            report(run, number, number)
            report(other, number, number)
            time.sleep(0.005)
        run.complete_run()
        other.complete_run()
    (warning,) = caught
    assert "TRAINING_RUN_NOT_FOUND" in str(warning.message)
    assert run.run_id not in platform.runs
    assert platform.episodes(other.run_id) == list(range(1, 20))


def test_something_else_that_answers_is_not_taken_for_a_platform(tmp_path: Path, url: str) -> None:
    run = tracked(tmp_path, f"{url}/elsewhere")

    def report_one() -> None:
        # what the platform answers may be said by either
        report(run, 1, 1)
        run.complete_run()

    with pytest.warns(TrackingWarning, match="refused"):
        report_one()
    with pytest.raises(PlatformRefused, match="does not take the key"):
        check_platform("ak_live_bad", url)


def test_the_pause_that_a_platform_asks_for_is_kept(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    platform.trouble = lambda count: (429, {"Retry-After": "0.4"}) if count == 0 else None
    run = tracked(tmp_path, url)
    report(run, 1, 1)
    assert eventually(lambda: len(platform.times) > 1)
    assert platform.times[1] - platform.times[0] >= 0.4


def test_pauses_grow_and_no_request_storms_a_platform_in_trouble(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    platform.trouble = lambda count: (500, {})
    run = tracked(tmp_path, url)
    for number in range(1, 200):
        report(run, number, number)
        time.sleep(0.002)
    pauses = [after - before for before, after in itertools.pairwise(platform.times)]
    assert len(pauses) < 12
    assert pauses[-1] > pauses[0]
    platform.trouble = lambda count: None
    run.complete_run()
    assert platform.episodes(run.run_id) == list(range(1, 200))


def test_pauses_double_up_to_a_minute_and_differ_by_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "BACK_OFF_S", 0.5)
    for failures, pause in ((1, 0.5), (2, 1.0), (3, 2.0), (7, 32.0), (8, 60.0), (1000, 60.0)):
        found = {courier.back_off(f"run {number}", failures) for number in range(50)}
        assert len(found) > 40
        assert 0.5 * pause <= min(found) < max(found) <= 1.5 * pause


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0.0), ("7", 7.0), ("-3", 0.0), ("9999", 300.0), ("nan", 0.0), ("soon", 0.0), ("", 0.0)],
)
def test_retry_after_in_seconds(header: str | None, seconds: float) -> None:
    assert _retry_after(header) == seconds


def test_retry_after_as_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime

    monkeypatch.setattr("tradeready_gym.tracking.clock.moment", lambda: datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC))
    assert _retry_after("Wed, 01 May 2024 12:00:09 GMT") == 9.0


def test_a_process_that_closes_nothing_delivers_before_it_ends(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    script = LEAVING.replace("run.complete_run()", "")
    subprocess.run([sys.executable, "-c", script, str(tmp_path), url, KEY], check=True)
    (run,) = platform.runs.values()
    assert list(run["episodes"]) == list(range(1, 8))
    assert run["status"] == "running"


FORKING = """
import os, sys
from tradeready_gym.tracking import TrainingTracker
run = TrainingTracker(directory=sys.argv[1], base_url=sys.argv[2], api_key=sys.argv[3])
run.report_episode(1, {"roi_pct": 1.0})
run.flush()
child = os.fork()
for number in range(1 if child == 0 else 2, 6): run.report_episode(number, {"roi_pct": 2.0})
run.complete_run()
if child == 0: os._exit(0)
os.waitpid(child, 0)
"""


def test_a_forked_child_delivers_a_run_of_its_own(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, str(tmp_path), url, KEY], check=True)
    assert [list(run["episodes"]) for run in platform.runs.values()] == [[1, 2, 3, 4, 5]] * 2
    assert platform.doubled == 0


def test_copies_deliver_runs_of_their_own(tmp_path: Path, platform: FakePlatform, url: str) -> None:
    import copy
    import pickle

    run = tracked(tmp_path, url)
    report(run, 1, 2)
    for other in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        report(other, 1, 3)
        other.complete_run()
        assert platform.episodes(other.run_id) == [1, 2, 3]
    run.complete_run()
    assert len(platform.runs) == 3


def test_one_thread_delivers_for_every_tracker_and_ends_when_they_are_closed(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    import threading

    def threads() -> int:
        return sum(thread.name == f"delivery to {url}" for thread in threading.enumerate())

    runs = [tracked(tmp_path, url) for _ in range(20)]
    for run in runs:
        report(run, 1, 3)
    assert threads() == 1
    for run in runs:
        run.complete_run()
    assert [platform.episodes(run.run_id) for run in runs] == [[1, 2, 3]] * 20
    assert eventually(lambda: threads() == 0)
    report(runs[0], 4, 4)  # a run may go on after it was completed
    runs[0].complete_run()
    assert platform.episodes(runs[0].run_id) == [1, 2, 3, 4]


def test_journals_that_wait_for_a_platform_hold_no_memory(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    client = Platform(url, KEY)
    boxes = []
    for _ in range(5):
        run = TrainingTracker(directory=tmp_path)
        run.report_episodes(np.arange(1, 20_001), {"roi_pct": np.linspace(0.1, 0.7, 20_000)})
        run.complete_run()
        boxes.append(Outbox.open(run.path, url, "digest"))
    tracemalloc.start()
    for box in boxes:
        with pytest.raises(Later):
            box.deliver_part(client)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    client.close()
    assert held < 500_000
    assert all(box.waiting for box in boxes)


def test_a_journal_whose_registration_is_damaged_is_delivered_all_the_same(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    run = TrainingTracker(directory=tmp_path)
    report(run, 1, 3)
    run.complete_run()
    content = run.path.read_bytes()
    run.path.write_bytes(b"0" * 40 + content[40:])
    (delivery,) = deliver_pending(api_key=KEY, base_url=url, directory=tmp_path, run_ids=[run.run_id])
    assert (delivery.episodes, delivery.problem) == (3, None)
    assert platform.episodes(run.run_id) == [1, 2, 3]


def test_a_run_recorded_without_a_platform_is_delivered_when_named_only(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    run = TrainingTracker(directory=tmp_path)
    report(run, 1, 3)
    run.complete_run()
    assert deliver_pending(api_key=KEY, base_url=url, directory=tmp_path) == []
    with pytest.raises(DataUnavailable, match="no run"):
        deliver_pending(api_key=KEY, base_url=url, directory=tmp_path, run_ids=["nothing"])
    (delivery,) = deliver_pending(api_key=KEY, base_url=url, directory=tmp_path, run_ids=[run.run_id])
    assert delivery.episodes == 3
    assert deliver_pending(api_key=KEY, base_url=url, directory=tmp_path) == []


def test_a_platform_that_is_away_is_named_by_deliver_pending(tmp_path: Path) -> None:
    run = TrainingTracker(directory=tmp_path)
    report(run, 1, 1)
    run.complete_run()
    url = f"http://127.0.0.1:{free_port()}"
    (delivery,) = deliver_pending(api_key=KEY, base_url=url, directory=tmp_path, run_ids=[run.run_id], timeout_s=0.1)
    assert delivery.problem is not None
    assert "away" in delivery.problem


def test_a_journal_that_another_process_delivers_is_left_to_it(
    tmp_path: Path, platform: FakePlatform, url: str
) -> None:
    script = LEAVING.replace("run.complete_run()", "run.flush(); print(run.run_id, flush=True); sys.stdin.read()")
    command = [sys.executable, "-c", script, str(tmp_path), f"http://127.0.0.1:{free_port()}", KEY]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    assert deliver_pending(api_key=KEY, base_url=url, directory=tmp_path, run_ids=[run_id]) == []
    process.kill()
    process.communicate()
    (delivery,) = deliver_pending(api_key=KEY, base_url=url, directory=tmp_path, run_ids=[run_id])
    assert (delivery.episodes, delivery.problem) == (7, None)


def test_no_key_is_written_to_disk_or_shown(tmp_path: Path, url: str) -> None:
    run = tracked(tmp_path, url)
    report(run, 1, 3)
    run.complete_run()
    assert KEY not in repr(run)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".journal", ".delivery", ".lock"}
    assert not any(KEY.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("bad", ["", "   ", "ak_live_ä", "ak\nlive", None.__class__])
def test_a_key_that_no_header_can_carry_is_refused(bad: object) -> None:
    with pytest.raises(ConfigurationError, match="api_key"):
        TrainingTracker(api_key=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["localhost:8000", "ftp://host", "http://", "http://user:word@host"])
def test_an_address_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        TrainingTracker(api_key=KEY, base_url=bad)


def test_a_platform_is_asked_whether_it_is_there_and_takes_the_key(url: str) -> None:
    check_platform(KEY, url)
    with pytest.raises(PlatformRefused, match="INVALID_API_KEY"):
        check_platform("ak_live_bad", url)
    with pytest.raises(PlatformUnavailable, match="tradeready serve"):
        check_platform(KEY, f"http://127.0.0.1:{free_port()}")


def test_the_address_comes_from_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TRADEREADY_URL", url)
    check_platform(KEY)
