"""A journal survives a kill, a torn tail, a full disk and a spoilt sector: good records stay, bad ones are skipped."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tradeready_gym.errors import StoreError
from tradeready_gym.tracking import TrainingTracker, journal, read_run

RECORDS = [
    {"key": f"run/episode/{n}", "message": "episode", "body": {"note": 'line\nbreak "ü"', "n": n}} for n in range(5)
]
FRAMED = [journal.encode(record) for record in RECORDS]
RUN = "0b6c1f9e-58c1-4b63-8f6f-2f4f5b7f1f10"


def test_records_read_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.journal"
    for framed in FRAMED:
        journal.append(path, framed)
    assert journal.read(path) == (RECORDS, 0)


def test_a_file_cut_at_any_byte_keeps_every_whole_record(tmp_path: Path) -> None:
    path = tmp_path / "cut.journal"
    whole = b"".join(FRAMED)
    ends = [len(b"".join(FRAMED[: n + 1])) - 1 for n in range(len(FRAMED))]  # the newline itself may be missing
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        good = sum(end <= size for end in ends)
        assert journal.read(path).records == RECORDS[:good], size


def test_a_writer_goes_on_behind_a_tail_torn_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "cut.journal"
    last = len(FRAMED[0])
    for size in range(last, last + len(FRAMED[1])):
        path.write_bytes((FRAMED[0] + FRAMED[1])[:size])
        journal.append(path, FRAMED[2])
        records = journal.read(path).records
        assert records[0] == RECORDS[0]
        assert records[-1] == RECORDS[2]
        assert len(records) == (3 if size == last + len(FRAMED[1]) - 1 else 2), size


def test_any_changed_byte_spoils_one_or_two_records_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "spoilt.journal"
    whole = b"".join(FRAMED)
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= 0x15
        path.write_bytes(spoilt)
        records, damaged = journal.read(path)
        assert damaged > 0
        assert len(records) >= len(RECORDS) - 2, position
        assert all(record in RECORDS for record in records), position


def test_a_tail_of_zeros_is_skipped_and_written_behind(tmp_path: Path) -> None:
    path = tmp_path / "zeros.journal"
    path.write_bytes(FRAMED[0] + b"\0" * 4096)
    assert journal.read(path) == (RECORDS[:1], 1)
    journal.append(path, FRAMED[1])
    assert journal.read(path) == (RECORDS[:2], 1)


def test_a_file_of_zeros_is_an_empty_journal(tmp_path: Path) -> None:
    path = tmp_path / "zeros.journal"
    path.write_bytes(b"\0" * 4096)
    assert journal.read(path).records == []


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.journal"
    path.write_bytes(b"\x89PNG\r\n" * 10)
    with pytest.raises(StoreError, match="not a run journal"):
        journal.read(path)


def test_nan_never_gets_into_a_journal() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        journal.encode({"roi_pct": float("nan")})


FILLING = """
import resource, signal, sys
from pathlib import Path
from tradeready_gym.tracking import journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    journal.append(Path(sys.argv[1]), sys.argv[3].encode())
except OSError:
    sys.exit(7)
"""


def test_a_disk_that_fills_up_in_the_middle_of_a_write_loses_only_what_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "full.journal"
    journal.append(path, FRAMED[0])
    limit = len(FRAMED[0]) + len(FRAMED[1]) // 2
    child = subprocess.run([sys.executable, "-c", FILLING, str(path), str(limit), FRAMED[1].decode()], check=False)
    assert child.returncode == 7
    assert path.stat().st_size == limit
    assert journal.read(path) == (RECORDS[:1], 1)
    journal.append(path, FRAMED[1])
    assert journal.read(path) == (RECORDS[:2], 1)


WRITING = """
import sys
from pathlib import Path
from tradeready_gym.tracking import journal
for _ in range(300):
    journal.append(Path(sys.argv[1]), sys.argv[2].encode())
"""


def test_two_writers_of_one_file_do_not_mix_their_records(tmp_path: Path) -> None:
    path = tmp_path / "shared.journal"
    command = [sys.executable, "-c", WRITING, str(path)]
    writers = [subprocess.Popen([*command, FRAMED[number].decode()]) for number in (1, 2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    records, damaged = journal.read(path)
    assert (len(records), damaged) == (600, 0)


TRAINING = """
import sys
from tradeready_gym.tracking import TrainingTracker
run = TrainingTracker("victim", directory=sys.argv[1], run_id=sys.argv[2])
run.register_run()
number = run.episodes_completed
print("started", number, flush=True)
while True:
    if number % 3:
        number += 1
        run.report_episode(number, {"roi_pct": number / 7, "cumulative_reward": -number / 3})
    else:
        batch = range(number + 1, number + 501)
        run.report_episodes(batch, {"roi_pct": [n / 7 for n in batch], "cumulative_reward": [-n / 3 for n in batch]})
        number += 500
"""


def test_a_killed_training_leaves_a_whole_prefix_and_goes_on_from_it(tmp_path: Path) -> None:
    path = tmp_path / f"{RUN}.journal"
    stored = 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", TRAINING, str(tmp_path), RUN], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == f"started {stored}\n"
        size = path.stat().st_size
        while path.stat().st_size < size + 300_000:  # it writes without end
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        episodes = read_run(path).episodes
        numbers = [episode["episode_number"] for episode in episodes]
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(episode["roi_pct"] == episode["episode_number"] / 7 for episode in episodes)
        assert len(numbers) > stored
        stored = len(numbers)
    run = TrainingTracker("victim", directory=tmp_path, run_id=RUN)
    run.report_episode(stored + 1, {"roi_pct": 0.0})
    run.complete_run()
    summary = read_run(path).summary
    assert (summary.status, summary.episodes_completed) == ("completed", stored + 1)
