"""Connections: `read()` for looking, `write()` for a transaction that either happens whole or not at all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from tradeready_gym.errors import StoreError

SQLITE_BUSY_SECONDS = 30.0


class Database:
    """A SQLAlchemy engine with the settings that the platform relies on.

    SQLite: write-ahead log, `synchronous=FULL` (an acknowledged commit survives a power cut), foreign keys, and `BEGIN
    IMMEDIATE` for writers, who would otherwise be told "database is locked" without waiting. PostgreSQL: as it is.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._writing = threading.Lock()
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 20}
        if self.is_sqlite:
            if parsed.database and parsed.database != ":memory:":
                _make_folder(Path(parsed.database).parent)
            options = {"connect_args": {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}}
        self.engine: Engine = create_engine(url, **options)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database and changes nothing."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back if it raises."""
        if not self.is_sqlite:
            with self.engine.begin() as connection:
                yield connection
            return
        # one writer at a time is SQLite's rule; waiting here is fair and cheap, waiting in SQLite is a loop of sleeps
        with self._writing, self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the database's folder cannot be made: {error}. Choose another with --home") from error


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-32768", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
