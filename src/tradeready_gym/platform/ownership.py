"""What a key of an agent sees of its account: what belongs to that agent. All else answers as what does not exist does.

A key of the account, and who logs in with one or with a password, sees all of the account; `X-Agent-Id` says for whom something
is made, and hides nothing.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Table, select

from tradeready_gym.platform import accounts
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import api_keys, backtests, training_runs
from tradeready_gym.platform.errors import NotFound
from tradeready_gym.platform.events import Topic
from tradeready_gym.platform.sessions import store
from tradeready_gym.platform.training import runs

# the parameter of a path that names a row, the table of the row, and what is answered where it is another's
_NAMED: dict[str, tuple[Table, Callable[[str], NotFound]]] = {
    "session_id": (backtests, store.not_found),
    "run_id": (training_runs, runs.not_found),
    "key_id": (api_keys, accounts.no_key),
}
_TOPICS = {"backtest": backtests, "run": training_runs}


def require_own(database: Database, caller: Principal, named: Mapping[str, str]) -> None:
    """Check what the path of a request names: `session_id`, `run_id`, `key_id`, `agent_id`.

    Deployments are looked for by `Deployments.find`.

    Raises:
        NotFound: it is there, and not the agent's whose key the caller's is.
    """
    if caller.key_agent_id is None:
        return
    agent_id = named.get("agent_id")
    if agent_id is not None and agent_id != caller.key_agent_id:
        raise accounts.no_agent(agent_id)
    for parameter, (table, unknown) in _NAMED.items():
        text = named.get(parameter)
        if text is not None and not _is_seen(database, caller, table, text):
            raise unknown(text)


def own_topics(database: Database, caller: Principal, topics: Iterable[Topic]) -> list[Topic]:
    """Of the changed runs and backtests of an account those that the caller sees.

    Whose one was that is gone nobody can tell any more, so an agent's key is not told of it.
    """
    everything = caller.key_agent_id is None
    return [
        (kind, id)
        for kind, id in topics
        if everything or kind not in _TOPICS or _is_seen(database, caller, _TOPICS[kind], id, gone=False)
    ]


def _is_seen(database: Database, caller: Principal, table: Table, text: str, *, gone: bool = True) -> bool:
    try:
        found = str(uuid.UUID(text))
    except ValueError:
        return True  # no row has such an id; the route says what is wrong with it
    with database.read() as connection:
        row = connection.execute(select(table.c.agent_id).where(table.c.id == found)).first()
    return gone if row is None else caller.may_see(row.agent_id)
