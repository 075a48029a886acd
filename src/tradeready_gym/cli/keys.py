"""`tradeready keys ...`: for whoever may write the server's database, while it runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tradeready_gym.cli.console import out
from tradeready_gym.cli.serve import INSTALL
from tradeready_gym.errors import ConfigurationError

if TYPE_CHECKING:
    from tradeready_gym.platform.database import Database

_Home = Annotated[Path | None, Parameter(help="Where the server's state lives; $TRADEREADY_HOME or ~/.tradeready.")]
_Url = Annotated[
    str, Parameter(help="What the server was given: postgresql://user@host/name; SQLite under home by default.")
]
_Account = Annotated[
    str | None, Parameter(help="The account's e-mail address or id; the first one, the server's owner, by default.")
]
_Scopes = Annotated[
    tuple[Literal["read", "write", "paper", "admin"], ...],
    Parameter(
        negative=(),
        help="What it may do; say it again for several. By default everything, for another account than the owner's all but admin.",
    ),
]


def list_key(*, account: _Account = None, home: _Home = None, database_url: _Url = "") -> None:
    """An account's keys: their ids, beginnings and scopes, never the keys."""
    with _opened(home, database_url) as database:
        from tradeready_gym.platform.lost_keys import keys_of

        name, found = keys_of(database, account)
    table = Table(title=Text(f"keys of {name}"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("id", "name", "begins with", "scopes", "made", "last used", "revoked"):
        # to be copied, and to be compared
        table.add_column(heading, no_wrap=heading in {"id", "begins with"})
    for key in found:
        days = (str(key[moment] or "-")[:10] for moment in ("created_at", "last_used_at", "revoked_at"))
        cells = (key["key_id"], key["name"], key["api_key_preview"], " ".join(key["scopes"]), *days)
        table.add_row(*(Text(cell) for cell in cells))
    out().print(table if found else "No key; `tradeready keys new` makes one.")


def new_key(
    name: str = "made on the server",
    *,
    scope: _Scopes = (),
    account: _Account = None,
    home: _Home = None,
    database_url: _Url = "",
) -> None:
    """Make a key, such as for one that was lost, and show it this once.

    Parameters
    ----------
    name
        What it is called in lists.
    """
    with _opened(home, database_url) as database:
        from tradeready_gym.platform import lost_keys

        owner, key = lost_keys.new_key(database, account, name, scope)
    out().print(Text(f"API key of the account {owner}, shown only this once: {key}"), soft_wrap=True)


def revoke_key(key_id: str, *, home: _Home = None, database_url: _Url = "") -> None:
    """Take a key back, at once, with the logins that came from it.

    Parameters
    ----------
    key_id
        As `tradeready keys list` shows it.
    """
    with _opened(home, database_url) as database:
        from tradeready_gym.platform.lost_keys import revoke

        name = revoke(database, key_id)
    out().print(Text(f"{key_id} ({name}) opens nothing any more"), soft_wrap=True)


@contextmanager
def _opened(home: Path | None, database_url: str) -> "Iterator[Database]":
    try:
        from tradeready_gym.platform import Settings
        from tradeready_gym.platform.lost_keys import opened
        from tradeready_gym.platform.settings import default_home
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{INSTALL} ({error})") from error
    settings = Settings(home=(home or default_home()).expanduser().absolute(), database_url=database_url)
    with opened(settings.database_url) as database:
        yield database
