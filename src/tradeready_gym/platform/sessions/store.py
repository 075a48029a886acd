"""The SQL of the sessions. Every query that is asked for a client names the account: a stranger's id is nobody's."""

import functools
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Update, bindparam, func, insert, select, update

from tradeready_gym.platform import clock
from tradeready_gym.platform.database.tables import (
    backtest_journal,
    backtest_snapshots,
    backtest_trades,
    backtests,
    rows_of,
)
from tradeready_gym.platform.errors import NotFound

SORTABLE = (
    "created_at",
    "started_at",
    "completed_at",
    "strategy_label",
    "status",
    "start_time",
    "end_time",
    "current_step",
    "final_equity",
    "total_pnl",
    "roi_pct",
    "total_trades",
    "total_fees",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown_pct",
    "win_rate",
    "profit_factor",
)
_INSERTED_AT_ONCE = 5000
# what every step needs is built once: building it takes longer than asking the database
_ADD, _APPEND = insert(backtests), insert(backtest_journal)
_FIND = select(backtests).where(backtests.c.id == bindparam("session"), backtests.c.account_id == bindparam("owner"))
_REWRITE = update(backtest_journal).where(
    backtest_journal.c.session_id == bindparam("session"), backtest_journal.c.seq == bindparam("line")
)
_ID = re.compile(r"[0-9a-f-]{36}")


def not_found(session_id: str) -> NotFound:
    """There is no such session, or it is somebody else's."""
    return NotFound(f"there is no backtest {session_id}", code="BACKTEST_NOT_FOUND", session_id=session_id)


def add(connection: Connection, values: dict[str, Any]) -> None:
    """A new session."""
    moment = clock.now()
    new = {"status": "created", "current_step": 0, "journal_length": 0, "created_at": moment, "updated_at": moment}
    connection.execute(_ADD, {**new, **values})


def find(connection: Connection, account_id: str, session_id: str) -> Row[Any]:
    """One session of the account.

    Raises:
        NotFound: it has none with this id.
    """
    # what cannot be an id is not sent to a database that may refuse it
    if not _ID.fullmatch(session_id):
        raise not_found(session_id)
    row = connection.execute(_FIND, {"session": session_id, "owner": account_id}).first()
    if row is None:
        raise not_found(session_id)
    return row


def page(
    connection: Connection,
    account_id: str,
    *,
    strategy_label: str | None = None,
    status: str | None = None,
    agent_id: str | None = None,
    of_agent: str | None = None,
    sort_by: str = "created_at",
    ascending: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> tuple[Sequence[Row[Any]], int]:
    """A page of the account's sessions and how many there are; `sort_by` is one of `SORTABLE`, nulls come last.

    `agent_id` is what is looked for, `of_agent` what is there at all: with it, only that agent's.
    """
    wanted = rows_of(backtests, account_id, of_agent)
    for column, value in (("strategy_label", strategy_label), ("status", status), ("agent_id", agent_id)):
        if value is not None:
            wanted &= backtests.c[column] == value
    key = backtests.c[sort_by]
    order = [key.is_(None), key.asc() if ascending else key.desc(), backtests.c.id]
    rows = connection.execute(select(backtests).where(wanted).order_by(*order).limit(limit).offset(offset)).all()
    total = connection.scalar(select(func.count()).select_from(backtests).where(wanted))
    return rows, int(total or 0)


def best(
    connection: Connection,
    account_id: str,
    metric: str,
    label: str | None,
    *,
    ascending: bool,
    agent_id: str | None = None,
) -> Row[Any] | None:
    """The completed session with the largest (or smallest) value of a column; of equals the older."""
    wanted = rows_of(backtests, account_id, agent_id)
    wanted &= (backtests.c.status == "completed") & backtests.c[metric].is_not(None)
    if label is not None:
        wanted &= backtests.c.strategy_label == label
    key = backtests.c[metric]
    order = (key.asc() if ascending else key.desc(), backtests.c.created_at)
    return connection.execute(select(backtests).where(wanted).order_by(*order).limit(1)).first()


def change(connection: Connection, session_id: str, expected: dict[str, Any], values: dict[str, Any]) -> bool:
    """Write `values` if the session still is as `expected`; False if somebody else has changed it."""
    known = {f"is_{column}": value for column, value in {"id": session_id, **expected}.items()}
    done = connection.execute(_change(tuple(expected)), {**known, **values, "updated_at": clock.now()})
    return done.rowcount == 1


@functools.cache
def _change(expected: tuple[str, ...]) -> Update:
    condition: ColumnElement[bool] = backtests.c.id == bindparam("is_id")
    for column in expected:
        condition &= backtests.c[column] == bindparam(f"is_{column}")
    return update(backtests).where(condition)


def append(connection: Connection, session_id: str, seq: int, kind: str, body: dict[str, Any]) -> None:
    """Add the journal's line number `seq`."""
    line = {"session_id": session_id, "seq": seq, "kind": kind, "body": json.dumps(body)}
    connection.execute(_APPEND, line)


def rewrite(connection: Connection, session_id: str, seq: int, body: dict[str, Any]) -> None:
    """Replace the body of the journal's last line."""
    connection.execute(_REWRITE, {"session": session_id, "line": seq, "body": json.dumps(body)})


def journal(connection: Connection, session_id: str, first: int) -> list[tuple[int, str, dict[str, Any]]]:
    """The journal from line `first` on: number, kind, body."""
    mine = (backtest_journal.c.session_id == session_id) & (backtest_journal.c.seq >= first)
    rows = connection.execute(select(backtest_journal).where(mine).order_by(backtest_journal.c.seq))
    return [(row.seq, row.kind, json.loads(row.body)) for row in rows]


def save_trades(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """What was traded, once the session has ended."""
    _insert_many(connection, backtest_trades, rows)


def save_snapshots(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """The equity curve, once the session has ended."""
    _insert_many(connection, backtest_snapshots, rows)


def trades(connection: Connection, session_id: str, limit: int, offset: int) -> tuple[Sequence[Row[Any]], int]:
    """A page of a finished session's trades, in order, and how many there are."""
    mine = backtest_trades.c.session_id == session_id
    chosen = select(backtest_trades).where(mine).order_by(backtest_trades.c.number)
    total = connection.scalar(select(func.count()).select_from(backtest_trades).where(mine))
    return connection.execute(chosen.limit(limit).offset(offset)).all(), int(total or 0)


def snapshots(connection: Connection, session_id: str) -> Sequence[Row[Any]]:
    """A finished session's saved equity curve, in order."""
    mine = backtest_snapshots.c.session_id == session_id
    return connection.execute(select(backtest_snapshots).where(mine).order_by(backtest_snapshots.c.number)).all()


def _insert_many(connection: Connection, table: Any, rows: Iterable[dict[str, Any]]) -> None:
    waiting = list(rows)
    for first in range(0, len(waiting), _INSERTED_AT_ONCE):
        connection.execute(insert(table), waiting[first : first + _INSERTED_AT_ONCE])
