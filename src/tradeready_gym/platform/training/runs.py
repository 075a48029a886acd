"""The runs of an account. Every query names the account: a stranger's run is not found, as one that does not exist."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tradeready_gym.platform import clock
from tradeready_gym.platform.database.tables import rows_of
from tradeready_gym.platform.database.tables import training_runs as runs
from tradeready_gym.platform.errors import NotFound
from tradeready_gym.platform.training.totals import aggregate_stats
from tradeready_gym.tracking.messages import REASON_LENGTH

RUNNING = "running"
LABEL_LENGTH = 200
_PLANNED = ("episodes_total", "total_episodes", "n_episodes", "episodes")
SORTS = ("started_at", "updated_at", "completed_at", "strategy_label", "status", "episodes_completed")


@dataclass(frozen=True)
class Wanted:
    """Which runs of an account, in which order; None is any. `sort` is a column, with `-` before it for descending.

    `agent_id` leaves those of one of its agents.
    """

    status: str | None = None
    strategy_label: str | None = None
    sort: str = "-started_at"
    limit: int = 50
    offset: int = 0
    agent_id: str | None = None


def parsed_id(text: str) -> str | None:
    """A run's id as it is kept; None for what is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def register(
    connection: Connection,
    account_id: str,
    run_id: str,
    config: dict[str, Any],
    *,
    strategy_id: str | None = None,
    agent_id: str | None = None,
    at: int | None = None,
) -> tuple[Row[Any], bool]:
    """Add a run, or find the one of this id; returns it, and whether it begins. A known run stays as it is, but if it had
    ended, it goes on.

    Raises:
        NotFound: the id is another account's run.
    """
    label = config.get("strategy_label")
    moment = clock.now() if at is None else at
    values = {
        "id": run_id,
        "account_id": account_id,
        "agent_id": agent_id,
        "strategy_label": _storable("" if label is None else str(label))[:LABEL_LENGTH],
        "strategy_id": strategy_id,
        "config": _storable(json.dumps(config, ensure_ascii=False)),
        "status": RUNNING,
        "episodes_completed": 0,
        "totals": "{}",
        "started_at": moment,
        "updated_at": moment,
    }
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    done = connection.execute(insert(runs).values(values).on_conflict_do_nothing())
    begins = done.rowcount == 1
    if not begins and find(connection, account_id, run_id, to_change=True).status != RUNNING:
        again = update(runs).where(runs.c.id == run_id, runs.c.account_id == account_id)
        connection.execute(again.values(status=RUNNING, completed_at=None, reason=None, updated_at=moment))
        begins = True
    return find(connection, account_id, run_id), begins


def find(connection: Connection, account_id: str, run_id: str, *, to_change: bool = False) -> Row[Any]:
    """The account's run; `to_change` makes other writers of the same run wait until the transaction has ended.

    Raises:
        NotFound: the account has no such run.
    """
    query = select(runs).where(runs.c.id == run_id, runs.c.account_id == account_id)
    row = connection.execute(query.with_for_update() if to_change else query).first()
    if row is None:
        raise not_found(run_id)
    return row


def not_found(run_id: str) -> NotFound:
    """There is no such run, or the caller does not see it."""
    return NotFound(
        f"there is no training run {run_id}; register it first with POST /api/v1/training/runs",
        code="TRAINING_RUN_NOT_FOUND",
        run_id=run_id,
    )


def complete(
    connection: Connection, account_id: str, run_id: str, status: str, at: int | None = None, reason: str | None = None
) -> Row[Any]:
    """The run has ended with this status, and why, in 500 characters. Again is no change, unless it was registered again in
    between."""
    row = find(connection, account_id, run_id, to_change=True)
    if row.status != status or row.completed_at is None:
        moment = clock.now() if at is None else at
        ended = row.completed_at if row.completed_at is not None else moment
        values = {"status": status, "completed_at": ended, "updated_at": max(row.updated_at, moment)}
        values["reason"] = _storable(reason)[:REASON_LENGTH] if reason else None
        connection.execute(update(runs).where(runs.c.id == run_id).values(values))
    return find(connection, account_id, run_id)


def remove(connection: Connection, account_id: str, run_id: str) -> None:
    """Delete a run with its episodes.

    Raises:
        NotFound: the account has no such run.
    """
    find(connection, account_id, run_id, to_change=True)
    connection.execute(delete(runs).where(runs.c.id == run_id, runs.c.account_id == account_id))


def page(connection: Connection, account_id: str, wanted: Wanted) -> tuple[Sequence[Row[Any]], int]:
    """A page of runs, and how many there are in all. What has no value in the sorted column comes last."""
    where = _matching(account_id, wanted)
    column = runs.c[wanted.sort.lstrip("-")]
    directed = column.desc() if wanted.sort.startswith("-") else column.asc()
    order = (column.is_(None), directed, runs.c.id) if column.nullable else (directed, runs.c.id)
    rows = connection.execute(
        select(runs).where(where).order_by(*order).limit(wanted.limit).offset(wanted.offset)
    ).all()
    return rows, connection.scalar(select(func.count()).select_from(runs).where(where)) or 0


def page_after(
    connection: Connection, account_id: str, last: Row[Any] | None, limit: int, agent_id: str | None = None
) -> Sequence[Row[Any]]:
    """The next runs, newest first, after the last one of the page before; for downloads, which read page by page."""
    query = select(runs).where(rows_of(runs, account_id, agent_id))
    if last is not None:
        same_time = and_(runs.c.started_at == last.started_at, runs.c.id < last.id)
        query = query.where(or_(runs.c.started_at < last.started_at, same_time))
    return connection.execute(query.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)).all()


def several(connection: Connection, account_id: str, ids: Sequence[str], agent_id: str | None = None) -> list[Row[Any]]:
    """The account's runs, or one agent's of it, among these ids, in the order of the ids."""
    rows = connection.execute(select(runs).where(rows_of(runs, account_id, agent_id), runs.c.id.in_(ids)))
    found = {row.id: row for row in rows}
    return [found[id] for id in dict.fromkeys(ids) if id in found]


def labels(connection: Connection, account_id: str, agent_id: str | None = None) -> Sequence[tuple[str, int]]:
    """The account's labels, or one agent's of it, in order of the alphabet, and how many runs have each."""
    label, mine = runs.c.strategy_label, rows_of(runs, account_id, agent_id)
    query = select(label, func.count()).where(mine).group_by(label).order_by(label)
    return [(row[0], row[1]) for row in connection.execute(query)]


def planned_episodes(config: Mapping[str, Any]) -> int | None:
    """The episodes that a run's configuration says there will be; None if it does not say."""
    for name in _PLANNED:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            return value
    return None


def view(row: Row[Any]) -> dict[str, Any]:
    """A run as the wire has it, without its episodes."""
    config = json.loads(row.config)
    return {
        "run_id": row.id,
        "status": row.status,
        "config": config,
        "episodes_total": planned_episodes(config),
        "episodes_completed": row.episodes_completed,
        "started_at": clock.iso(row.started_at),
        "completed_at": clock.iso(row.completed_at),
        "reason": row.reason,
        "strategy_id": row.strategy_id,
        "strategy_label": row.strategy_label,
        "updated_at": clock.iso(row.updated_at),
        "aggregate_stats": aggregate_stats(json.loads(row.totals), row.episodes_completed),
    }


def _storable(text: str) -> str:
    # a journal may hold what a database refuses: a NUL, half a surrogate pair
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _matching(account_id: str, wanted: Wanted) -> ColumnElement[bool]:
    where = [rows_of(runs, account_id, wanted.agent_id)]
    if wanted.status is not None:
        where.append(runs.c.status == wanted.status)
    if wanted.strategy_label is not None:
        where.append(runs.c.strategy_label == wanted.strategy_label)
    return and_(*where)
