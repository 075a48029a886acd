"""What a server does by itself."""

import sqlite3
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from backtest_calls import API, begin, create
from serving import Served
from sqlalchemy import func, insert, select, update

from tradeready_gym.platform import Settings, clock
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.background import Repeated
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import accounts, backtests, training_episodes, training_runs
from tradeready_gym.platform.retention import DAY, forget


def test_work_goes_on_after_it_failed_once_and_ends_when_stopped() -> None:
    calls, enough = [0], threading.Event()

    def work() -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise RuntimeError("once")
        if calls[0] == 3:
            enough.set()

    repeated = Repeated("test", 0.01, work)
    repeated.start()
    assert enough.wait(10.0)
    repeated.stop()
    done = calls[0]
    assert not enough.wait(0.05) or calls[0] == done


def left_open(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The connections that an application leaves which is made, and never serves."""
    made: list[sqlite3.Connection] = []

    class Counted(sqlite3.Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            made.append(self)

        def close(self) -> None:
            made.remove(self)
            super().close()

    connect = sqlite3.dbapi2.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **named: connect(*a, factory=Counted, **named))
    app = create_app(settings)
    assert len(app.openapi()["paths"]) > 60
    return made


def test_an_application_that_never_serves_leaves_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert left_open(Settings(home=tmp_path, port=0), monkeypatch) == []


def test_a_connection_that_is_left_open_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Database, "close", lambda self: None)
        opened = left_open(Settings(home=tmp_path, port=0), monkeypatch)
    assert len(opened) == 1
    opened[0].close()


def test_only_what_ended_long_ago_is_forgotten(fresh_server: Served) -> None:
    database = fresh_server.platform.database
    at = clock.now()
    ages = {"old": at - 10 * DAY, "recent": at - DAY, "running": None}
    ids = {name: str(uuid.uuid4()) for name in ages}
    with database.write() as connection:
        owner = connection.scalar(select(accounts.c.id).limit(1))
        for name, completed_at in ages.items():
            run = {
                "id": ids[name],
                "account_id": owner,
                "strategy_label": name,
                "config": "{}",
                "status": "completed" if completed_at else "running",
                "episodes_completed": 1,
                "totals": "{}",
                "started_at": at - 20 * DAY,
                "updated_at": at,
                "completed_at": completed_at,
            }
            connection.execute(insert(training_runs).values(run))
            episode = {"run_id": ids[name], "episode_number": 1, "created_at": at}
            connection.execute(insert(training_episodes).values(episode))
    assert forget(database, None) == 0
    assert forget(database, 5.0) == 1
    with database.read() as connection:
        assert set(connection.scalars(select(training_runs.c.strategy_label))) == {"recent", "running"}
        assert connection.scalar(select(func.count()).select_from(training_episodes)) == 2


def test_a_backtest_that_was_never_started_is_forgotten_too(fresh_server: Served) -> None:
    database, client = fresh_server.platform.database, fresh_server.client
    waiting, running, new = create(client), begin(client), create(client)
    with database.write() as connection:
        old = update(backtests).where(backtests.c.id.in_([waiting, running]))
        connection.execute(old.values(created_at=clock.now() - 10 * DAY))
    assert forget(database, 5.0) == 1
    found = [client.get(f"{API}/{session}/status").status_code for session in (waiting, running, new)]
    assert found == [404, 200, 200]
    assert client.post(f"{API}/{waiting}/start").json()["error"]["code"] == "BACKTEST_NOT_FOUND"
