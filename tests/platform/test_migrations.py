"""A database of each older version, with rows in every table: brought up to date, nothing lost, and a server runs on it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from serving import client_of, listening
from sqlalchemy import Connection, MetaData, insert, inspect, select, text

from tradeready_gym.platform import Settings, keys
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.database import Database, upgrade
from tradeready_gym.platform.database.migrate import LATEST, configuration, current
from tradeready_gym.platform.database.tables import metadata

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
ACCOUNT, RUN, BACKTEST = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")
KEY = "ak_live_an-old-key"
AT = 1_700_000_000_000_000
ROWS: dict[str, list[dict[str, Any]]] = {
    "accounts": [
        {"id": ACCOUNT, "display_name": "old", "starting_balance": "500.00", "status": "active", "created_at": AT}
    ],
    "api_keys": [
        {
            "id": "key",
            "account_id": ACCOUNT,
            "name": "first key",
            "preview": keys.preview(KEY),
            "digest": keys.digest(KEY),
            "scopes": "read write paper admin",
            "created_at": AT,
        }
    ],
    "training_runs": [
        {
            "id": RUN,
            "account_id": ACCOUNT,
            "strategy_label": "ppo_v1",
            "config": "{}",
            "status": "running",
            "episodes_completed": 3,
            "totals": json.dumps({"roi_pct": {"count": 3, "sum": 6.0, "best": 3.0, "worst": 1.0}}),
            "started_at": AT,
            "updated_at": AT,
        }
    ],
    "training_episodes": [
        {"run_id": RUN, "episode_number": number, "roi_pct": float(number), "created_at": AT} for number in (1, 2, 3)
    ],
    "episode_actions": [{"run_id": RUN, "episode_number": 1, "actions": b"\x00\x01"}],
    "journals": [{"path": "run.jsonl", "account_id": ACCOUNT, "offset": 77}],
    "backtests": [
        {
            "id": BACKTEST,
            "account_id": ACCOUNT,
            "strategy_label": "ppo_v1",
            "start_time": 1_640_995_200_000_000,
            "end_time": 1_641_168_000_000_000,
            "candle_interval": 3600,
            "starting_balance": "10000.0",
            "pairs": json.dumps(["BTCUSDT"]),
            "status": "created",
            "current_step": 0,
            "total_steps": 48,
            "journal_length": 0,
            "created_at": AT,
            "updated_at": AT,
        }
    ],
}


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A server's settings with an empty database of each kind."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    return Settings(home=tmp_path, database_url=url, ingest_journals=False)


@pytest.fixture
def old(settings: Settings) -> Iterator[Database]:
    """A database as the first version made it, with rows."""
    database = Database(settings.database_url)
    with database.write() as connection:
        command.upgrade(configuration(connection), "0001")
        _fill(connection)
    yield database
    database.close()


def test_an_old_database_keeps_its_rows_and_gets_the_tables_of_this_version(old: Database) -> None:
    assert current(old) == "0001"
    before = _rows(old)
    upgrade(old)
    assert current(old) == LATEST
    with old.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert _rows(old) == before
    assert sum(len(rows) for rows in before.values()) == sum(len(rows) for rows in ROWS.values())


def test_a_server_runs_on_an_old_database(old: Database, settings: Settings) -> None:
    app = create_app(settings)
    with listening(app) as url, client_of(url, KEY) as client:
        run = client.get(f"/api/v1/training/runs/{RUN}").json()
        assert [episode["metrics"]["roi_pct"] for episode in run["episodes"]] == [1.0, 2.0, 3.0]
        assert client.post(f"/api/v1/backtest/{BACKTEST}/start").status_code == 200
        assert client.post(f"/api/v1/backtest/{BACKTEST}/step").json()["step"] == 1
        more = {"episode_number": 4, "roi_pct": 4.0}
        assert client.post(f"/api/v1/training/runs/{RUN}/episodes", json=more).json()["episodes_completed"] == 4
        assert client.get("/training").status_code == 200


def test_two_servers_that_start_at_once_migrate_once(old: Database, settings: Settings) -> None:
    failures: list[Exception] = []

    def start() -> None:
        database = Database(settings.database_url)
        try:
            upgrade(database)
        except Exception as error:  # told below
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, current(old)) == ([], LATEST)


def test_servers_of_one_process_migrate_databases_of_their_own(tmp_path: Path) -> None:
    # Alembic's context is the process's: at the same time, one server's tables were made in the other's database
    databases = [Database(f"sqlite:///{tmp_path / f'{number}.db'}") for number in range(4)]
    threads = [threading.Thread(target=upgrade, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        database.close()


def test_a_migration_that_fails_leaves_the_old_version(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _rows(old)
    with old.write() as connection:
        # what the second migration makes is there already
        connection.execute(text("CREATE INDEX ix_backtests_account_updated ON backtests (account_id)"))
    with pytest.raises(Exception, match="ix_backtests_account_updated"):
        upgrade(old)
    assert (current(old), _rows(old)) == ("0001", before)
    with old.engine.connect() as connection:
        assert "request_counts" not in inspect(connection).get_table_names()


def test_a_downgrade_keeps_the_rows_of_the_old_version_and_can_be_undone(old: Database) -> None:
    before = _rows(old)
    upgrade(old)
    with old.write() as connection:
        command.downgrade(configuration(connection), "0001")
    assert (current(old), _rows(old)) == ("0001", before)
    upgrade(old)
    assert (current(old), _rows(old)) == (LATEST, before)


def test_the_first_tables_are_never_taken_away(old: Database) -> None:
    before = _rows(old)
    with pytest.raises(NotImplementedError, match="delete the database"), old.write() as connection:
        command.downgrade(configuration(connection), "base")
    assert _rows(old) == before


def _fill(connection: Connection) -> None:
    # the tables as they were, not as this version knows them
    found = MetaData()
    found.reflect(connection)
    for name, rows in ROWS.items():
        connection.execute(insert(found.tables[name]), rows)


def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of the tables of the first version, in the columns that were filled."""
    found = MetaData()
    with database.read() as connection:
        found.reflect(connection)
        return {
            name: [
                dict(row._mapping)
                for row in connection.execute(select(*(found.tables[name].c[key] for key in rows[0])))
            ]
            for name, rows in ROWS.items()
        }


@pytest.mark.parametrize("table", ["training_runs", "backtests"])
def test_who_asks_what_has_changed_reads_an_index(tmp_path: Path, table: str) -> None:
    database = Database(f"sqlite:///{tmp_path / 'platform.db'}")
    upgrade(database)
    asked = f"SELECT id FROM {table} WHERE account_id = 'a' AND updated_at > 5 ORDER BY updated_at DESC LIMIT 100"
    with database.read() as connection:
        plan = [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {asked}"))]
    database.close()
    # neither a scan nor a sort
    assert len(plan) == 1
    assert f"ix_{table}_account_updated (account_id=? AND updated_at>?)" in plan[0]
