"""Runs and episodes as files: CSV and JSON, written while they are read, a page at a time.

No transaction stays open while a slow client reads. A text that a spreadsheet would run as a formula gets an apostrophe
in front, in CSV only.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.training import episodes, runs, totals

PAGE = 2_000
EPISODE_FIELDS = ("episode_number", *totals.METRICS, "seed", "session_id", "created_at")
RUN_FIELDS = (
    "run_id",
    "strategy_label",
    "strategy_id",
    "status",
    "episodes_completed",
    "started_at",
    "completed_at",
    "reason",
)
AGGREGATES = tuple(totals.aggregate_stats({}, 0))[1:]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Record = Mapping[str, Any]


def episodes_of(database: Database, run_id: str) -> Iterator[Record]:
    """Every episode of a run, by `EPISODE_FIELDS`. The caller owns the run."""

    def after(connection: Connection, last: Row[Any] | None) -> Sequence[Row[Any]]:
        return episodes.page_after(connection, run_id, last.episode_number if last else 0, PAGE)

    for row in _paged(database, after):
        record = {name: row._mapping[name] for name in EPISODE_FIELDS}
        yield record | {"created_at": clock.iso(row.created_at)}


def runs_of(database: Database, account_id: str, agent_id: str | None = None) -> Iterator[Record]:
    """Every run of an account, or of one agent of it, newest first, by `RUN_FIELDS` and `AGGREGATES`."""

    def after(connection: Connection, last: Row[Any] | None) -> Sequence[Row[Any]]:
        return runs.page_after(connection, account_id, last, PAGE, agent_id)

    for row in _paged(database, after):
        whole = runs.view(row)
        yield {name: whole[name] for name in RUN_FIELDS} | {n: whole["aggregate_stats"][n] for n in AGGREGATES}


def as_csv(fields: Sequence[str], records: Iterable[Record]) -> Iterator[str]:
    """The lines of a CSV file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(fields)
    for record in records:
        writer.writerow([_cell(record[name]) for name in fields])
        if buffer.tell() > io.DEFAULT_BUFFER_SIZE:
            yield _emptied(buffer)
    yield _emptied(buffer)


def as_json(records: Iterable[Record]) -> Iterator[str]:
    """A JSON array, one record a line."""
    before = "[\n"
    for record in records:
        yield before + json.dumps(dict(record))
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _paged(
    database: Database, after: Callable[[Connection, Row[Any] | None], Sequence[Row[Any]]]
) -> Iterator[Row[Any]]:
    last: Row[Any] | None = None
    while True:
        with database.read() as connection:
            rows = after(connection, last)
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1]


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
