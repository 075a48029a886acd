"""The database: empty, old, new, and with many writers, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from serving import serving
from sqlalchemy import insert, inspect, select, text, update

from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.platform import Limits, Settings, accounts, clock
from tradeready_gym.platform.database import Database, upgrade
from tradeready_gym.platform.database.migrate import LATEST, current
from tradeready_gym.platform.database.tables import accounts as accounts_table
from tradeready_gym.platform.database.tables import metadata, training_runs
from tradeready_gym.platform.errors import Unauthorised

WRITERS, EACH = 8, 25
BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'platform.db'}"
    return Settings(home=tmp_path, database_url=request.getfixturevalue("postgresql_url")).database_url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A migrated database of each kind."""
    database = Database(url)
    upgrade(database)
    yield database
    database.close()


def test_an_empty_database_gets_the_tables_of_this_version(database: Database) -> None:
    assert current(database) == LATEST
    with database.engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_no_login_outlives_the_key_that_was_revoked_while_it_was_made(database: Database) -> None:
    key = accounts.ensure_owner(database)
    assert key is not None
    caller = accounts.find_by_key(database, key)
    begun = accounts.log_in(database, caller, 1.0)[0]
    assert caller.key_id is not None
    with database.write() as connection:
        accounts.revoke_key(connection, caller, caller.key_id)
    with pytest.raises(Unauthorised, match="revoked"):
        accounts.log_in(database, caller, 1.0)
    with pytest.raises(Unauthorised):
        accounts.find_by_token(database, begun)


def test_a_login_that_is_made_while_its_key_is_revoked_ends_with_it(database: Database) -> None:
    key = accounts.ensure_owner(database)
    assert key is not None
    caller = accounts.find_by_key(database, key)
    assert caller.key_id is not None
    outcome: list[object] = []

    def log_in() -> None:
        try:
            outcome.append(accounts.log_in(database, caller, 1.0)[0])
        except Unauthorised as error:
            outcome.append(error)

    other = threading.Thread(target=log_in)
    with database.write() as connection:
        accounts.revoke_key(connection, caller, caller.key_id)
        other.start()
        other.join(0.3)
        assert outcome == []  # it waits for who revokes
    other.join(10.0)
    assert [type(one) for one in outcome] == [Unauthorised]


def test_upgrading_again_changes_nothing(database: Database) -> None:
    account_id = _account(database)
    upgrade(database)
    with database.read() as connection:
        assert connection.scalars(select(accounts_table.c.id)).all() == [account_id]


def test_a_database_of_a_later_version_is_refused_and_left_alone(database: Database) -> None:
    _account(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"at version 9999, this server knows versions up to"):
        upgrade(database)
    with database.read() as connection:
        assert connection.scalar(select(accounts_table.c.display_name)) == "owner"


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as connection:
        accounts.create_account(connection, "half")
        raise RuntimeError
    with database.read() as connection:
        assert connection.scalars(select(accounts_table.c.id)).all() == []


def test_eight_writers_at_once_lose_nothing(url: str) -> None:
    # a Database each, as processes have
    first = Database(url)
    upgrade(first)
    account_id = _account(first)
    with first.write() as connection:
        connection.execute(insert(training_runs).values(_run(account_id, "counter")))
    failures: list[Exception] = []

    def write_many(number: int) -> None:
        database = Database(url)
        try:
            for k in range(EACH):
                with database.write() as connection:
                    connection.execute(insert(training_runs).values(_run(account_id, f"{number}-{k}")))
                    count = training_runs.c.episodes_completed + 1
                    this = training_runs.c.id == "counter"
                    connection.execute(update(training_runs).where(this).values(episodes_completed=count))
        except Exception as error:  # told below, where the test can see it
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=write_many, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with first.read() as connection:
        assert len(connection.scalars(select(training_runs.c.id)).all()) == 1 + WRITERS * EACH
        counted = connection.scalar(select(training_runs.c.episodes_completed).where(training_runs.c.id == "counter"))
        assert counted == WRITERS * EACH
    first.close()


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    account_id = _account(database)
    with database.read() as reading:
        if not database.is_sqlite:
            reading.execution_options(isolation_level="REPEATABLE READ")
        before = reading.scalars(select(training_runs.c.id)).all()
        with database.write() as connection:
            connection.execute(insert(training_runs).values(_run(account_id, "later")))
        assert reading.scalars(select(training_runs.c.id)).all() == before == []


@pytest.mark.postgresql
def test_a_server_runs_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url=postgresql_url, ingest_journals=False) as server:
        agent = server.client.post("/api/v1/agents", json={"display_name": "alpha"}).json()
        assert server.client.get(f"/api/v1/agents/{agent['agent_id']}").json()["display_name"] == "alpha"
        assert server.stranger.get(f"/api/v1/agents/{agent['agent_id']}").status_code == 404


def _account(database: Database) -> str:
    with database.write() as connection:
        return accounts.create_account(connection, "owner")


def _run(account_id: str, run_id: str) -> dict[str, object]:
    at = clock.now()
    return {
        "id": run_id,
        "account_id": account_id,
        "strategy_label": "label",
        "config": "{}",
        "status": "running",
        "episodes_completed": 0,
        "totals": "{}",
        "started_at": at,
        "updated_at": at,
    }


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_database_that_does_not_answer_is_named_without_its_password(scheme: str, tmp_path: Path) -> None:
    database = Database(Settings(home=tmp_path, database_url=f"{scheme}://ada:secret@127.0.0.1:1/x").database_url)
    with pytest.raises(StoreError, match=r"psycopg://ada:\*\*\*@127\.0\.0\.1:1/x must answer"):
        upgrade(database)


def test_a_folder_that_cannot_be_made_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--home"):
        Database(f"sqlite:///{tmp_path / 'file' / 'platform.db'}")


def test_a_rate_that_would_refuse_everything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        Settings(home=tmp_path, limits=Limits(requests_per_minute=0))
