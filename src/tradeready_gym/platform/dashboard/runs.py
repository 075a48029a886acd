"""What the training pages read. Each query is of one account and of as many rows as a screen shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, literal, or_, select

from tradeready_gym.platform.database.tables import rows_of
from tradeready_gym.platform.database.tables import training_episodes as episodes
from tradeready_gym.platform.database.tables import training_runs as runs
from tradeready_gym.platform.errors import NotFound
from tradeready_gym.platform.training.runs import planned_episodes

STATUSES = ("running", "completed", "failed", "cancelled")
PAGE = 25
SILENT_AFTER = 300_000_000  # a running run without news for so long is said to be silent
_PLAIN = {
    "label": func.lower(runs.c.strategy_label),
    "status": runs.c.status,
    "episodes": runs.c.episodes_completed,
    "started": runs.c.started_at,
}
_COUNTED = {
    "roi": ("roi_pct", "mean"),
    "best": ("roi_pct", "best"),
    "sharpe": ("sharpe_ratio", "mean"),
    "reward": ("reward_sum", "mean"),
}
SORTS = (*_PLAIN, *_COUNTED, "duration")
_LISTED = (
    runs.c.id,
    runs.c.strategy_label,
    runs.c.status,
    runs.c.episodes_completed,
    runs.c.totals,
    runs.c.started_at,
    runs.c.updated_at,
    runs.c.completed_at,
)


@dataclass(frozen=True)
class Run:
    """A run as lists show it; `totals` by metric: count, mean, best and worst."""

    id: str
    label: str
    status: str
    episodes: int
    started_at: int
    updated_at: int
    completed_at: int | None
    totals: Mapping[str, Mapping[str, float]]
    config: Mapping[str, Any]
    reason: str | None = None

    def total(self, metric: str, what: str = "mean") -> float | None:
        """A figure of a metric, None if no episode has it."""
        return self.totals.get(metric, {}).get(what)

    @property
    def lasted(self) -> int:
        """From the start to the end, or to the last news."""
        return (self.completed_at or self.updated_at) - self.started_at

    @property
    def planned(self) -> int | None:
        """Episodes that its configuration says there will be."""
        return planned_episodes(self.config)

    def is_silent(self, now: int) -> bool:
        """Whether it should run, and has not been heard of for minutes."""
        return self.status == "running" and now - self.updated_at > SILENT_AFTER


@dataclass(frozen=True)
class Wanted:
    """Which runs, in which order, which page of them."""

    label: str = ""
    status: str = ""
    sort: str = "-started"
    page: int = 1
    agent_id: str | None = None

    def conditions(self, account_id: str) -> ColumnElement[bool]:
        """The SQL of it."""
        found = [rows_of(runs, account_id, self.agent_id)]
        if self.label:
            found.append(
                or_(
                    runs.c.strategy_label.icontains(self.label, autoescape=True),
                    runs.c.id.startswith(self.label, autoescape=True),
                )
            )
        if self.status in STATUSES:
            found.append(runs.c.status == self.status)
        return and_(*found)


def list_runs(connection: Connection, account_id: str, wanted: Wanted) -> tuple[list[Run], int]:
    """A page of runs, and how many there are."""
    where, name = wanted.conditions(account_id), wanted.sort.lstrip("-")
    first = (max(wanted.page, 1) - 1) * PAGE
    if name in _COUNTED or name == "duration":
        order = _order_by_totals(connection, where, wanted.sort)
        return _in_order(connection, account_id, order[first : first + PAGE]), len(order)
    column = _PLAIN.get(name, runs.c.started_at)
    directed = column.desc() if wanted.sort.startswith("-") else column.asc()
    query = select(*_LISTED).where(where).order_by(directed, runs.c.started_at.desc(), runs.c.id)
    found = connection.execute(query.limit(PAGE).offset(first))
    total = connection.scalar(select(func.count()).select_from(runs).where(where)) or 0
    return [_run(row) for row in found], total


def live_runs(
    connection: Connection, account_id: str, now: int, limit: int = 6, agent_id: str | None = None
) -> list[Run]:
    """The runs that are going on, newest first, with their configuration."""
    query = select(*_LISTED, runs.c.config).where(
        rows_of(runs, account_id, agent_id), runs.c.status == "running", runs.c.updated_at > now - SILENT_AFTER
    )
    return [_run(row) for row in connection.execute(query.order_by(runs.c.started_at.desc()).limit(limit))]


def find_run(connection: Connection, account_id: str, run_id: str) -> Run:
    """One run with its configuration.

    Raises:
        NotFound: the account has no such run.
    """
    query = select(*_LISTED, runs.c.config, runs.c.reason).where(runs.c.account_id == account_id, runs.c.id == run_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"There is no training run {run_id}.", code="TRAINING_RUN_NOT_FOUND", run_id=run_id)
    return _run(row)


def find_runs(connection: Connection, account_id: str, ids: Sequence[str], agent_id: str | None = None) -> list[Run]:
    """Those of the runs that the account has, or one agent of it, in the order asked for."""
    return _in_order(connection, account_id, ids, agent_id)


def newest_change(connection: Connection, account_id: str, since: int) -> list[Row[Any]]:
    """(id, updated_at) of the runs that changed after `since`, whichever process wrote it; the latest hundred."""
    query = select(runs.c.id, runs.c.updated_at).where(runs.c.account_id == account_id, runs.c.updated_at > since)
    return list(connection.execute(query.order_by(runs.c.updated_at.desc()).limit(100)))


def mini_curves(
    connection: Connection, ids: Sequence[str], metric: str = "roi_pct", points: int = 60
) -> dict[str, list[float | None]]:
    """A small curve of each run: at most `points` means of up to eight neighbouring episodes, read through the key alone."""
    if not ids:
        return {}
    last = select(func.max(episodes.c.episode_number)).where(episodes.c.run_id == runs.c.id).scalar_subquery()
    known = select(runs.c.id, last.label("n")).where(runs.c.id.in_(ids)).cte("known")
    steps: Select[Any] = select(literal(0).label("k"))
    step = steps.cte("step", recursive=True)
    step = step.union_all(select(step.c.k + 1).where(step.c.k < points - 1))
    width = (known.c.n + points - 1) // points
    low = step.c.k * width
    high = low + _smaller(width, 8)
    mean = (
        select(func.avg(episodes.c[metric]))
        .where(episodes.c.run_id == known.c.id, episodes.c.episode_number > low, episodes.c.episode_number <= high)
        .scalar_subquery()
    )
    query = select(known.c.id, mean.label("value")).where(known.c.n > low).order_by(known.c.id, step.c.k)
    found: dict[str, list[float | None]] = {id: [] for id in ids}
    for row in connection.execute(query.select_from(known.join(step, known.c.n > 0))):
        found[row.id].append(row.value)
    return found


def _smaller(value: ColumnElement[Any], limit: int) -> ColumnElement[Any]:
    return case((value < limit, value), else_=limit)


def _order_by_totals(connection: Connection, where: ColumnElement[bool], sort: str) -> list[str]:
    name, sign = sort.lstrip("-"), -1.0 if sort.startswith("-") else 1.0
    rows = [_run(row) for row in connection.execute(select(*_LISTED).where(where))]

    def place(run: Run) -> tuple[bool, float, int]:
        value = float(run.lasted) if name == "duration" else run.total(*_COUNTED[name])
        return value is None, sign * (value or 0.0), -run.started_at

    return [run.id for run in sorted(rows, key=place)]


def _in_order(connection: Connection, account_id: str, ids: Sequence[str], agent_id: str | None = None) -> list[Run]:
    query = select(*_LISTED).where(rows_of(runs, account_id, agent_id), runs.c.id.in_(ids))
    found = {row.id: _run(row) for row in connection.execute(query)}
    return [found[id] for id in ids if id in found]


def _run(row: Any) -> Run:
    values = row._mapping
    return Run(
        id=row.id,
        label=row.strategy_label if row.strategy_label.strip() else "without a label",
        status=row.status,
        episodes=row.episodes_completed,
        started_at=row.started_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
        totals=_totals(row.totals),
        config=_object(values["config"]) if "config" in values else {},
        reason=values.get("reason"),
    )


def _totals(text: str) -> dict[str, dict[str, float]]:
    found = {}
    for metric, sums in _object(text).items():
        if isinstance(sums, dict) and sums.get("count"):
            total = sums.get("total", sums.get("sum", 0.0))
            found[metric] = {
                "count": sums["count"],
                "mean": total / sums["count"],
                "best": sums["best"],
                "worst": sums["worst"],
            }
    return found


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
