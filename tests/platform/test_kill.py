"""kill -9 under load and power cuts: what was acknowledged is there, once."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from serving import client_of
from sqlalchemy import func, insert, select, text

from tradeready_gym.platform import accounts, clock
from tradeready_gym.platform.database import Database, upgrade
from tradeready_gym.platform.database.tables import training_episodes, training_runs

API = "/api/v1"
WRITERS, KILLS = 4, 3


@contextlib.contextmanager
def process(home: Path, port: int = 0, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, str | None]]:
    """`tradeready serve` in a process of its own: the process, its address and the key that it printed."""
    command = [sys.executable, "-m", "tradeready_gym.cli", "serve", "--port", str(port), "--home", str(home), *options]
    environment = {**os.environ, "TRADEREADY_HOME": str(home)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    try:
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address is not None
        key = None
        if not (home / "key").exists():
            found = re.search(r"ak_live_\S+", server.stdout.readline())
            assert found is not None
            key = found.group()
            (home / "key").write_text(key)
        yield server, address.group(), key
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_no_acknowledged_episode_is_lost_or_doubled_by_a_kill(tmp_path: Path) -> None:
    run_ids = [str(uuid.uuid4()) for _ in range(WRITERS)]
    acknowledged: list[set[int]] = [set() for _ in range(WRITERS)]
    numbers = [0] * WRITERS
    for attempt in range(KILLS):
        with process(tmp_path) as (server, url, _):
            key = (tmp_path / "key").read_text()

            def write(place: int, url: str = url, key: str = key) -> None:
                with client_of(url, key) as client, contextlib.suppress(httpx2.TransportError):
                    run = {"run_id": run_ids[place], "config": {"strategy_label": "x"}}
                    client.post(f"{API}/training/runs", json=run)
                    while True:
                        number = numbers[place] + 1
                        episode = {"episode_number": number, "roi_pct": float(number)}
                        answer = client.post(f"{API}/training/runs/{run_ids[place]}/episodes", json=episode)
                        assert answer.status_code == 200, answer.text
                        acknowledged[place].add(number)
                        numbers[place] = number

            writers = [threading.Thread(target=write, args=(place,)) for place in range(WRITERS)]
            for writer in writers:
                writer.start()
            wanted = 15 * (attempt + 1)
            begin = time.monotonic()
            while min(map(len, acknowledged)) < wanted and time.monotonic() - begin < 60.0:
                time.sleep(0.01)
            server.send_signal(signal.SIGKILL)
            for writer in writers:
                writer.join(30.0)
    with process(tmp_path) as (_, url, _), client_of(url, (tmp_path / "key").read_text()) as client:
        for place in range(WRITERS):
            run = client.get(f"{API}/training/runs/{run_ids[place]}").json()
            there = [episode["episode_number"] for episode in run["episodes"]]
            assert len(there) == len(set(there)) == run["episodes_completed"]
            assert acknowledged[place] <= set(there)
            # the one under way may have been written without an answer
            assert len(there) <= len(acknowledged[place]) + KILLS
            assert run["aggregate_stats"]["total_episodes"] == len(there)
    assert min(map(len, acknowledged)) >= 15 * KILLS


@pytest.mark.parametrize("seed", range(10))
def test_a_power_cut_keeps_what_was_acknowledged_and_tears_nothing(seed: int, tmp_path: Path) -> None:
    """A commit returns when its log is on the disk. What comes after may be there in part, or as garbage."""
    path, generator = tmp_path / "platform.db", np.random.default_rng(seed)
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    at = clock.now()
    with database.write() as connection:
        owner = accounts.create_account(connection, "owner")
        run = {
            "id": "run", "account_id": owner, "strategy_label": "x", "config": "{}", "status": "running",
            "episodes_completed": 0, "totals": "{}", "started_at": at, "updated_at": at,
        }  # fmt: skip
        connection.execute(insert(training_runs).values(run))
    acknowledged = int(generator.integers(1, 60))
    for number in range(acknowledged):
        _episode(database, number, at)
    log = Path(f"{path}-wal")
    safe = log.stat().st_size
    _episode(database, acknowledged, at)
    after = log.read_bytes()
    cut = tmp_path / "after"
    cut.mkdir()
    shutil.copy(path, cut / "platform.db")
    kept = int(generator.integers(safe, len(after)))
    garbage = generator.bytes(int(generator.integers(0, 5000)))
    (cut / "platform.db-wal").write_bytes(after[:kept] + garbage)
    database.close()
    again = Database(f"sqlite:///{cut / 'platform.db'}")
    upgrade(again)
    with again.read() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.scalar(select(func.count()).select_from(training_episodes)) == acknowledged
    _episode(again, acknowledged, at)
    again.close()


def test_what_is_written_survives_only_because_commits_wait_for_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'platform.db'}")
    with database.read() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    database.close()


def test_a_server_starts_in_a_blink_and_says_where_it_listens(tmp_path: Path) -> None:
    with process(tmp_path) as (server, url, key):
        assert key is not None
        assert httpx2.get(f"{url}/health").json()["status"] == "ok"
        modules = subprocess.run(
            [sys.executable, "-c", "import sys, tradeready_gym.platform.app; print('numba' in sys.modules)"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert modules.stdout.strip() == "False"
        server.send_signal(signal.SIGTERM)
        assert server.wait(15.0) in (0, -signal.SIGTERM)


def _episode(database: Database, number: int, at: int) -> None:
    with database.write() as connection:
        connection.execute(
            insert(training_episodes).values(run_id="run", episode_number=number, roi_pct=1.0, created_at=at)
        )
