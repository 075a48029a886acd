"""The episodes of one run: curves, and pages of a table."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, cast, func, or_, select

from tradeready_gym.platform.database.tables import backtests, episode_actions
from tradeready_gym.platform.database.tables import training_episodes as episodes

METRICS = {
    "roi_pct": "ROI %",
    "sharpe_ratio": "Sharpe ratio",
    "reward_sum": "Reward",
    "max_drawdown_pct": "Max drawdown %",
    "total_trades": "Trades",
    "length": "Length",
}
PAGE = 25
RAW_POINTS = 2000
NEW_POINTS = 5000
COLUMNS = (
    "episode_number",
    "roi_pct",
    "sharpe_ratio",
    "max_drawdown_pct",
    "total_trades",
    "reward_sum",
    "length",
    "seed",
    "session_id",
    "created_at",
)
SORTS = COLUMNS[:7]


@dataclass(frozen=True)
class Wanted:
    """Which episodes, in which order, which page of them."""

    search: str = ""
    sort: str = "-episode_number"
    page: int = 1


def curve(connection: Connection, run_id: str, metric: str, points: int = RAW_POINTS) -> dict[str, Any]:
    """A metric by episode: each one, or, if there are more than `points`, the mean, lowest and highest of neighbours.

    `per_point` is how many episodes a point stands for, `last` the last episode that is in it.
    """
    last = connection.scalar(select(func.max(episodes.c.episode_number)).where(episodes.c.run_id == run_id)) or 0
    per_point = max(1, -(-last // points))
    if per_point == 1:
        return _raw(connection, run_id, metric, 0, last)
    value, bucket = episodes.c[metric], (episodes.c.episode_number - 1) // per_point
    query = (
        select(func.max(episodes.c.episode_number), func.avg(value), func.min(value), func.max(value))
        .where(episodes.c.run_id == run_id, episodes.c.episode_number <= last)
        .group_by(bucket)
        .order_by(func.max(episodes.c.episode_number))
    )
    rows = connection.execute(query).all()
    return {
        "per_point": per_point,
        "last": last,
        "episodes": [row[0] for row in rows],
        "values": [_short(row[1]) for row in rows],
        "low": [_short(row[2]) for row in rows],
        "high": [_short(row[3]) for row in rows],
    }


def curve_after(connection: Connection, run_id: str, metric: str, after: int) -> dict[str, Any]:
    """The episodes that have come since, one by one."""
    return _raw(connection, run_id, metric, after, after + 2**30)


def _raw(connection: Connection, run_id: str, metric: str, after: int, until: int) -> dict[str, Any]:
    query = (
        select(episodes.c.episode_number, episodes.c[metric])
        .where(episodes.c.run_id == run_id, episodes.c.episode_number > after, episodes.c.episode_number <= until)
        .order_by(episodes.c.episode_number)
        .limit(max(NEW_POINTS, RAW_POINTS))
    )
    rows = connection.execute(query).all()
    return {
        "per_point": 1,
        "last": rows[-1][0] if rows else after,
        "episodes": [row[0] for row in rows],
        "values": [_short(row[1]) for row in rows],
    }


def page(connection: Connection, run_id: str, wanted: Wanted) -> tuple[list[Any], int]:
    """A page of episodes, and how many there are; what an episode does not have comes last in any order."""
    where = _matching(run_id, wanted.search.strip())
    name = wanted.sort.lstrip("-")
    column = episodes.c[name if name in SORTS else "episode_number"]
    directed = column.desc() if wanted.sort.startswith("-") else column.asc()
    order = (column.is_(None), directed, episodes.c.episode_number.desc())
    rows = _listed(connection, where, order, PAGE, (max(wanted.page, 1) - 1) * PAGE)
    total = connection.scalar(select(func.count()).select_from(episodes).where(where)) or 0
    return rows, total


def extremes(connection: Connection, run_id: str, best: bool, limit: int = 3) -> list[Any]:
    """The episodes of the highest or the lowest ROI."""
    column = episodes.c.roi_pct
    where = and_(episodes.c.run_id == run_id, column.is_not(None))
    return _listed(connection, where, (column.desc() if best else column.asc(), episodes.c.episode_number), limit, 0)


def backtest_of(connection: Connection, account_id: str, run_id: str, episode_number: int) -> str | None:
    """The backtest that the episode was, or that its replay is, if it is here."""
    session = select(episodes.c.session_id).where(
        episodes.c.run_id == run_id, episodes.c.episode_number == episode_number
    )
    query = select(backtests.c.id).where(
        backtests.c.account_id == account_id,
        or_(
            backtests.c.id == session.scalar_subquery(),
            and_(backtests.c.run_id == run_id, backtests.c.episode_number == episode_number),
        ),
    )
    return connection.scalar(query.limit(1))


def _listed(
    connection: Connection, where: ColumnElement[bool], order: tuple[Any, ...], limit: int, offset: int
) -> list[Any]:
    # whether an episode can be looked at: it was a backtest of this server, was replayed as one, or its actions are kept;
    # asked only about those that are shown
    place = func.row_number().over(order_by=order).label("place")
    columns = (episodes.c[name] for name in ("run_id", *COLUMNS))
    shown = select(*columns, place).where(where).order_by(*order).limit(limit).offset(offset).cte("shown")
    acted = select(episode_actions.c.run_id).where(
        episode_actions.c.run_id == shown.c.run_id, episode_actions.c.episode_number == shown.c.episode_number
    )
    tested = select(backtests.c.id).where(backtests.c.id == shown.c.session_id)
    replayed = select(backtests.c.id).where(
        backtests.c.run_id == shown.c.run_id, backtests.c.episode_number == shown.c.episode_number
    )
    kept = or_(acted.exists(), tested.exists(), replayed.exists()).label("kept")
    return list(connection.execute(select(shown, kept).order_by(shown.c.place)).all())


def _matching(run_id: str, search: str) -> ColumnElement[bool]:
    where = episodes.c.run_id == run_id
    if not search:
        return where
    found = [
        cast(episodes.c.episode_number, String).startswith(search, autoescape=True),
        episodes.c.session_id.startswith(search, autoescape=True),
    ]
    if search.isdecimal() and len(search) < 19:
        found.append(episodes.c.seed == int(search))
    return and_(where, or_(*found))


def _short(value: Any) -> float | None:
    return None if value is None else float(f"{value:.6g}")
