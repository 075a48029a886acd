"""Keys by way of the database, for whoever may write it: the way in for an owner who has lost the key that was shown once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, make_url, select
from sqlalchemy.exc import DBAPIError

from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.platform import accounts, keys
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.migrate import LATEST, current
from tradeready_gym.platform.database.tables import accounts as account_rows
from tradeready_gym.platform.database.tables import api_keys


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database of a server, running or not; nothing is made or migrated.

    Raises:
        StoreError: no server has kept anything there, it does not answer or may not be written, or it is another version's.
    """
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        raise _nothing(url)
    database = Database(url)
    try:
        found = current(database)
        if found is None:
            raise _nothing(url)
        if found != LATEST:
            raise StoreError(
                f"the database {_shown(url)} is at version {found}, this tradeready-gym works with {LATEST}: use the one that "
                f"its server runs, or start the server anew with this one"
            )
        yield database
    except DBAPIError as error:
        raise StoreError(
            f"the database {_shown(url)} cannot be used: {str(error.orig).strip()}. Only who may read and write it makes and "
            f"revokes keys"
        ) from error
    finally:
        database.close()


def keys_of(database: Database, account: str | None) -> tuple[str, list[dict[str, Any]]]:
    """An account's name, and its keys without what would open anything, newest first; see `new_key` for `account`."""
    with database.read() as connection:
        row = _account(connection, account)
        return row.display_name, accounts.list_keys(connection, row.id)


def new_key(database: Database, account: str | None, name: str, scopes: tuple[str, ...] = ()) -> tuple[str, str]:
    """Make a key for an account, by its e-mail address or id; for the first one, which owns the server, with None.

    Without `scopes` the owner's key may do everything, another's all but `admin`. Returns the account's name, and the key.

    Raises:
        ConfigurationError: there is no such account, it is not active, or the name is none.
    """
    if not 1 <= len(name) <= 100 or "\0" in name:
        raise ConfigurationError(f"a key's name has 1 to 100 characters; got {name!r}")
    with database.write() as connection:
        row, owner = _account(connection, account), _account(connection, None)
        if row.status != "active":
            raise ConfigurationError(f"the account {row.display_name} is {row.status}; its keys open nothing")
        usual = keys.SCOPES if row.id == owner.id else accounts.USER_SCOPES
        chosen = tuple(dict.fromkeys(scopes)) or usual
        return row.display_name, accounts.create_key(connection, row.id, name=name, scopes=chosen)[1]


def revoke(database: Database, key_id: str) -> str:
    """Take back a key of any account, with the logins that came from it; a server that runs knows at once. Returns its name.

    Raises:
        ConfigurationError: there is no such key.
    """
    with database.write() as connection:
        row = None if "\0" in key_id else connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
        if row is None:
            raise ConfigurationError(f"there is no key {key_id!r}; `tradeready keys list` shows the ids")
        accounts.revoke_key(connection, Principal(row.account_id, None, None, frozenset({"admin"})), key_id)
        return str(row.name)


def _account(connection: Connection, wanted: str | None) -> Row[Any]:
    query = select(account_rows).order_by(account_rows.c.created_at, account_rows.c.id).limit(1)
    if wanted is not None:
        text = wanted.replace("\0", "").strip()
        query = query.where((account_rows.c.id == text) | (account_rows.c.email == text.lower()))
    row = connection.execute(query).first()
    if row is None and wanted is not None:
        raise ConfigurationError(f"no account has the e-mail address or the id {wanted!r}")
    if row is None:
        raise ConfigurationError("nobody owns this server yet: whoever first calls POST /api/v1/auth/register does")
    return row


def _nothing(url: str) -> StoreError:
    return StoreError(
        f"no server has kept anything in {_shown(url)} yet: `tradeready serve` prints its first key. For a server with another "
        f"--home or --database-url, give the same here"
    )


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
