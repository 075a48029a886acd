"""The episodes of a run: taken in once each, and read in pages."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, and_, cast, func, insert, or_, select, update

from tradeready_gym.platform import clock
from tradeready_gym.platform.database.tables import backtests, episode_actions, rows_of, training_runs
from tradeready_gym.platform.database.tables import training_episodes as episodes
from tradeready_gym.platform.training import runs, totals

STORED = ("session_id", *totals.METRICS, "seed")
FIELDS = (*STORED, "kept")
SORTS = ("episode_number", *totals.METRICS, "created_at")
_FIGURES = (*totals.METRICS, "seed")  # which tell one episode from another
_ASKED_AT_ONCE = 5_000
_LARGEST_SEED = 2**63 - 1

Columns = Mapping[str, Sequence[Any] | None]


@dataclass(frozen=True)
class Wanted:
    """Which episodes of a run, in which order. `search` is the start of a number or session id, or a whole seed."""

    search: str = ""
    sort: str = "episode_number"
    descending: bool = False
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True)
class Taken:
    """What became of reported episodes: new, or known by their numbers; and which of these came with other figures."""

    added: int
    known: int
    differing: list[int]


def add(connection: Connection, account_id: str, run_id: str, columns: Columns, at: int | None = None) -> Taken:
    """Take in episodes that the run does not have yet; returns how many these were, and what became of the others.

    `columns` holds a value an episode for `episode_number` and any of `FIELDS` and `created_at` (microseconds), or None.
    Numbers that the run has already are left out: sending again changes nothing. A run that has ended takes in what comes
    late, and stays ended: only registering it again lets it go on. Must be called in a write transaction, which the totals
    are part of.

    Raises:
        NotFound: the account has no such run.
    """
    run = runs.find(connection, account_id, run_id, to_change=True)
    moment = clock.now() if at is None else at
    places, differing = _new_places(connection, run_id, columns)
    taken = Taken(len(places), len(columns["episode_number"] or ()) - len(places), differing)
    if not places:
        return taken
    new = _only(columns, places)
    connection.execute(insert(episodes), _rows(run_id, new, moment))
    _keep_actions(connection, run_id, new)
    _link_sessions(connection, run, new)
    values = {
        "episodes_completed": run.episodes_completed + taken.added,
        "totals": json.dumps(totals.add(json.loads(run.totals), new)),
        "updated_at": max(run.updated_at, moment),
    }
    connection.execute(update(training_runs).where(training_runs.c.id == run_id).values(values))
    return taken


def page(connection: Connection, run_id: str, wanted: Wanted) -> tuple[Sequence[Row[Any]], int]:
    """A page of episodes, and how many match; what lacks the sorted value comes last. The caller owns the run."""
    where = _matching(run_id, wanted.search.strip())
    column = episodes.c[wanted.sort]
    number = episodes.c.episode_number
    order: tuple[ColumnElement[Any], ...] = (number.desc() if wanted.descending else number.asc(),)
    if wanted.sort != "episode_number":
        order = (column.is_(None), column.desc() if wanted.descending else column.asc(), *order)
    rows = connection.execute(select(episodes).where(where).order_by(*order).limit(wanted.limit).offset(wanted.offset))
    found = rows.all()
    return found, connection.scalar(select(func.count()).select_from(episodes).where(where)) or 0


def page_after(connection: Connection, run_id: str, number: int, limit: int) -> Sequence[Row[Any]]:
    """The next episodes after this number. The caller owns the run."""
    query = select(episodes).where(episodes.c.run_id == run_id, episodes.c.episode_number > number)
    return connection.execute(query.order_by(episodes.c.episode_number).limit(limit)).all()


def view(row: Row[Any]) -> dict[str, Any]:
    """An episode as the wire has it; metrics that it lacks are left out of `metrics`."""
    values = row._mapping
    return {
        "episode_number": row.episode_number,
        "session_id": row.session_id,
        "seed": row.seed,
        "length": row.length,
        "metrics": {name: values[name] for name in totals.METRICS[:5] if values[name] is not None},
        "created_at": clock.iso(row.created_at),
    }


def _new_places(connection: Connection, run_id: str, columns: Columns) -> tuple[list[int], list[int]]:
    numbers = columns["episode_number"] or ()
    known = _known(connection, run_id, sorted(set(numbers)))
    places: dict[int, int] = {}
    differing: dict[int, None] = {}
    for place, number in enumerate(numbers):
        if number not in known and number not in places:
            places[number] = place
        elif _figures(columns, place) != (known.get(number) or _figures(columns, places[number])):
            differing[number] = None
    return list(places.values()), sorted(differing)


def _known(connection: Connection, run_id: str, numbers: Sequence[int]) -> dict[int, list[Any]]:
    latest = connection.scalar(select(func.max(episodes.c.episode_number)).where(episodes.c.run_id == run_id))
    asked = [number for number in numbers if latest is not None and number <= latest]
    found: dict[int, list[Any]] = {}
    for begin in range(0, len(asked), _ASKED_AT_ONCE):
        some = asked[begin : begin + _ASKED_AT_ONCE]
        query = select(episodes.c.episode_number, *(episodes.c[name] for name in _FIGURES)).where(
            episodes.c.run_id == run_id, episodes.c.episode_number.in_(some)
        )
        found.update((number, figures) for number, *figures in connection.execute(query))
    return found


def _figures(columns: Columns, place: int) -> list[Any]:
    return [None if (column := columns.get(name)) is None else column[place] for name in _FIGURES]


def _only(columns: Columns, places: Sequence[int]) -> dict[str, list[Any] | None]:
    kept: dict[str, list[Any] | None] = {}
    for name in ("episode_number", *FIELDS, "created_at"):
        column = columns.get(name)
        kept[name] = None if column is None else [column[place] for place in places]
    return kept


def _rows(run_id: str, columns: Columns, moment: int) -> list[dict[str, Any]]:
    names = ("episode_number", *STORED, "created_at")
    absent = [None] * len(columns["episode_number"] or ())
    rows = [
        dict(zip(names, values, strict=True)) for values in zip(*(columns[n] or absent for n in names), strict=True)
    ]
    for row in rows:
        row["run_id"] = run_id
        if row["created_at"] is None:
            row["created_at"] = moment
    return rows


def _keep_actions(connection: Connection, run_id: str, columns: Columns) -> None:
    rows = []
    for number, kept in zip(columns["episode_number"] or (), columns["kept"] or (), strict=False):
        if kept:
            rows.append({"run_id": run_id, "episode_number": number, "actions": base64.b64decode(kept)})
    if rows:
        connection.execute(insert(episode_actions), rows)


def _link_sessions(connection: Connection, run: Row[Any], columns: Columns) -> None:
    # an episode that was stepped over REST names its backtest, which from now on is an episode of training
    for number, session_id in zip(columns["episode_number"] or (), columns["session_id"] or (), strict=False):
        if session_id:
            # an agent's run takes none of another's
            mine = (backtests.c.id == session_id) & rows_of(backtests, run.account_id, run.agent_id)
            connection.execute(update(backtests).where(mine).values(run_id=run.id, episode_number=number))


def _matching(run_id: str, search: str) -> ColumnElement[bool]:
    where = episodes.c.run_id == run_id
    if not search:
        return where
    found = [
        cast(episodes.c.episode_number, String).startswith(search, autoescape=True),
        episodes.c.session_id.startswith(search, autoescape=True),
    ]
    if search.isdecimal() and int(search) <= _LARGEST_SEED:
        found.append(episodes.c.seed == int(search))
    return and_(where, or_(*found))
