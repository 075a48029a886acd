"""Bring a database to the tables that this version needs, from none or from an older version's."""

from pathlib import Path

from sqlalchemy.exc import OperationalError

from tradeready_gym.errors import StoreError
from tradeready_gym.platform.database.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
LATEST = "0001"


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
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"the database is at version {found}, this server knows versions up to {LATEST}: use the tradeready-gym that "
                f"made it, or another --database-url ({error})"
            ) from error


def current(database: Database) -> str | None:
    """The version of the database; None for an empty one."""
    from sqlalchemy import inspect, text

    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return version
