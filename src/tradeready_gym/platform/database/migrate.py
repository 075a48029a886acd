"""Bring a database to the tables that this version needs, from none or from an older version's."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tradeready_gym.errors import StoreError
from tradeready_gym.platform.database.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
LATEST = "0004"
_LOCK = 0x7261646572656164  # any number that nobody else takes
_ALEMBIC = threading.Lock()  # a process has one context for migrations, also of different databases


def upgrade(database: Database) -> None:
    """Apply the migrations that are missing; nothing happens if there are none.

    Raises:
        StoreError: the database does not answer, or was made by a later version.
    """
    try:
        found = current(database)
    except OperationalError as error:
        raise StoreError(
            f"the database {database.engine.url.render_as_string()} must answer before a server starts on it: "
            f"{str(error.orig).strip()}. Start it, or give another --database-url"
        ) from error
    if found == LATEST:
        return
    # imported here: a server whose database is up to date starts without it
    from alembic import command
    from alembic.util import CommandError

    with _ALEMBIC, database.write() as connection:
        _wait_for_others(connection)
        config = configuration(connection)
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"the database is at version {found}, this server knows versions up to {LATEST}: use the tradeready-gym that "
                f"made it, or another --database-url ({error})"
            ) from error


def configuration(connection: Connection) -> "Config":
    """What Alembic's commands need to migrate over this connection, inside its transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def current(database: Database) -> str | None:
    """The version of the database; None for an empty one."""
    from sqlalchemy import inspect

    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return version


def _wait_for_others(connection: Connection) -> None:
    # of two servers that start at once one migrates and the other finds nothing to do; SQLite's writers wait anyway
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
