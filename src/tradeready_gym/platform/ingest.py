"""Takes in the journals of training runs that were recorded on this machine without a platform, and follows those that are
still written.

How far a journal has been taken in is kept with the episodes, in the same transaction: a kill in between loses nothing and
doubles nothing. They belong to the first account. A run that was deleted here stays deleted. A journal that its process sends to a platform by
itself is left to it: it belongs to the account of that key.
"""

import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import accounts, journals
from tradeready_gym.platform.errors import NotFound
from tradeready_gym.platform.events import Events
from tradeready_gym.platform.training import episodes, runs
from tradeready_gym.tracking import journal, messages
from tradeready_gym.tracking.outbox import DELIVERY_SUFFIX
from tradeready_gym.tracking.runs import SUFFIX

SECONDS = 1.0
PART_BYTES = 1_048_576
_log = logging.getLogger(__name__)


class JournalIngest:
    """The journals of `home/runs`. `poll` is called again and again by one thread."""

    def __init__(self, home: Path, database: Database, events: Events) -> None:
        self._directory, self._database, self._events = home / "runs", database, events
        self._sizes: dict[str, int] = {}  # of the journals that were read to their end

    def poll(self) -> int:
        """Take in what has been written since the last time, for about a second; returns how many episodes were new."""
        owner = self._owner()
        if owner is None:
            return 0
        begin, count, waiting = time.monotonic(), 0, self._changed()
        while waiting and time.monotonic() - begin < SECONDS:
            unfinished = []
            for path, size in waiting:
                new, finished = self._take_part(owner, path, size)
                count += new
                if not finished:
                    unfinished.append((path, size))
            waiting = unfinished
        return count

    def _owner(self) -> str | None:
        with self._database.read() as connection:
            return connection.scalar(select(accounts.c.id).order_by(accounts.c.created_at, accounts.c.id).limit(1))

    def _changed(self) -> list[tuple[Path, int]]:
        found = []
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            try:
                size = path.stat().st_size
            except OSError:
                continue  # deleted meanwhile
            if self._sizes.get(path.name) != size and not path.with_suffix(DELIVERY_SUFFIX).exists():
                found.append((path, size))
        return found

    def _take_part(self, owner: str, path: Path, size: int) -> tuple[int, bool]:
        with self._database.read() as connection:
            known = connection.scalar(select(journals.c.offset).where(journals.c.path == path.name))
        offset = 0 if known is None or known > size else known  # a shorter file is another file
        try:
            part = journal.read_from(path, offset, PART_BYTES)
        except OSError as error:
            _log.warning("the journal %s cannot be read: %s", path, error)
            return 0, True
        if part.damaged:
            _log.warning("%d damaged records of %s were skipped", part.damaged, path)
        finished = part.end - offset < PART_BYTES
        count, touched = 0, set[str]()
        if part.end > offset:
            with self._database.write() as connection:
                _advance(connection, owner, path.name, known, part.end)
                count, touched = _Intake(connection, owner, may_register=offset == 0).apply(part.records)
        for run_id in touched:
            self._events.publish(owner, "run", run_id)
        if finished:
            self._sizes[path.name] = size
        return count, finished


class _Intake:
    def __init__(self, connection: Connection, owner: str, *, may_register: bool) -> None:
        self._connection, self._owner, self._may_register = connection, owner, may_register
        self._pending: dict[str, list[dict[str, Any]]] = {}
        self._unknown: set[str] = set()
        self._touched: set[str] = set()
        self._count = 0

    def apply(self, records: Sequence[Mapping[str, Any]]) -> tuple[int, set[str]]:
        for record in records:
            run_id = _run_id(record)
            if run_id is not None and run_id not in self._unknown:
                self._apply_one(run_id, record)
        for run_id in list(self._pending):
            self._flush(run_id)
        return self._count, self._touched

    def _apply_one(self, run_id: str, record: Mapping[str, Any]) -> None:
        kind, body, at = record.get("message"), record.get("body"), _moment(record.get("at"))
        if not isinstance(body, dict):
            return
        if kind == "register":
            config = body.get("config")
            self._register(run_id, config if isinstance(config, dict) else {}, at)
        elif kind in {"episode", "episodes"}:
            self._pending.setdefault(run_id, []).extend(_episodes(record, at))
        elif kind == "complete":
            status, reason = body.get("status"), body.get("reason")
            self._flush(run_id)
            ended = status if status in {"failed", "cancelled"} else "completed"
            self._complete(run_id, ended, at, reason if isinstance(reason, str) else None)

    def _register(self, run_id: str, config: dict[str, Any], at: int | None) -> None:
        try:
            if not self._may_register:  # it goes on; if it was deleted here, not here
                runs.find(self._connection, self._owner, run_id)
            runs.register(self._connection, self._owner, run_id, config, at=at)
            self._touched.add(run_id)
        except NotFound:
            self._unknown.add(run_id)  # it is another account's

    def _flush(self, run_id: str) -> None:
        found = self._pending.pop(run_id, [])
        if not found or run_id in self._unknown:
            return
        if self._may_register and run_id not in self._touched:
            self._register(run_id, {}, found[0]["created_at"])  # what registered it is damaged
        names = ("episode_number", *episodes.FIELDS, "created_at")
        columns = {name: [episode[name] for episode in found] for name in names}
        try:
            self._count += episodes.add(self._connection, self._owner, run_id, columns, found[-1]["created_at"]).added
            self._touched.add(run_id)
        except NotFound:
            self._unknown.add(run_id)

    def _complete(self, run_id: str, status: str, at: int | None, reason: str | None) -> None:
        try:
            runs.complete(self._connection, self._owner, run_id, status, at, reason)
            self._touched.add(run_id)
        except NotFound:
            self._unknown.add(run_id)


def _advance(connection: Connection, owner: str, name: str, known: int | None, end: int) -> None:
    if known is not None:
        connection.execute(update(journals).where(journals.c.path == name).values(offset=end))
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {"path": name, "account_id": owner, "offset": end}
    # another server on the same database may have begun with it too: what both take in is there once all the same
    connection.execute(
        insert(journals).values(values).on_conflict_do_update(index_elements=["path"], set_={"offset": end})
    )


def _run_id(record: Mapping[str, Any]) -> str | None:
    return runs.parsed_id(str(record.get("key", "")).partition("/")[0])


def _moment(text: Any) -> int | None:
    try:
        return clock.from_datetime(datetime.fromisoformat(text))
    except (TypeError, ValueError):
        return None


def _episodes(record: Mapping[str, Any], at: int | None) -> list[dict[str, Any]]:
    found = []
    try:
        for body in messages.expand(record):
            episode = {name: usable(body.get(name)) for name, usable in _USABLE.items()}
            if episode["episode_number"]:
                found.append(episode | {"created_at": at})
    except (KeyError, TypeError, ValueError) as error:
        _log.warning("the record %s holds no episodes: %s", record.get("key"), error)
    return found


def _metric(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) <= 1e100 else None


def _integer(low: int, high: int) -> Callable[[Any], int | None]:
    def usable(value: Any) -> int | None:
        return value if isinstance(value, int) and low <= value <= high else None

    return usable


def _session(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= 64 and "\0" not in value else None


def _packed(value: Any) -> str | None:
    try:
        base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        return None
    return str(value)


_USABLE: dict[str, Callable[[Any], Any]] = {
    "episode_number": _integer(1, 2**31 - 1),
    "session_id": _session,
    "roi_pct": _metric,
    "sharpe_ratio": _metric,
    "max_drawdown_pct": _metric,
    "reward_sum": _metric,
    "total_trades": _integer(0, 2**31 - 1),
    "length": _integer(0, 2**31 - 1),
    "seed": _integer(-(2**63), 2**63 - 1),
    "kept": _packed,
}
