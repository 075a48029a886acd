"""What the backtest pages read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select

from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import backtest_snapshots as snapshots
from tradeready_gym.platform.database.tables import backtest_trades as trades
from tradeready_gym.platform.database.tables import backtests, rows_of
from tradeready_gym.platform.errors import NotFound

STATUSES = ("created", "running", "completed", "failed", "cancelled")
PAGE = 25
TRADES_PAGE = 25
POINTS = 1500
MARKS = 2000
_READ_AT_ONCE = 2000
_SORTS = {
    "label": func.lower(backtests.c.strategy_label),
    "status": backtests.c.status,
    "created": backtests.c.created_at,
    "roi": backtests.c.roi_pct,
    "sharpe": backtests.c.sharpe_ratio,
    "drawdown": backtests.c.max_drawdown_pct,
    "trades": backtests.c.total_trades,
}
SORTS = tuple(_SORTS)
_TRADE_SORTS = {
    "time": trades.c.number,
    "quantity": trades.c.quantity,
    "price": trades.c.price,
    "fee": trades.c.fee,
    "profit": trades.c.realized_pnl,
}
_ONLY = {
    "buy": func.lower(trades.c.side) == "buy",
    "sell": func.lower(trades.c.side) == "sell",
    "won": trades.c.realized_pnl > 0,
    "lost": trades.c.realized_pnl < 0,
}


@dataclass(frozen=True)
class Wanted:
    """Which backtests, in which order, which page of them."""

    label: str = ""
    status: str = ""
    sort: str = "-created"
    page: int = 1
    hide_training: bool = True
    agent_id: str | None = None

    def conditions(self, account_id: str) -> ColumnElement[bool]:
        """The SQL of it."""
        found = [rows_of(backtests, account_id, self.agent_id)]
        if self.label:
            found.append(
                or_(
                    backtests.c.strategy_label.icontains(self.label, autoescape=True),
                    backtests.c.id.startswith(self.label, autoescape=True),
                )
            )
        if self.status in STATUSES:
            found.append(backtests.c.status == self.status)
        if self.hide_training:
            found.append(backtests.c.run_id.is_(None))
        return and_(*found)


def list_backtests(connection: Connection, account_id: str, wanted: Wanted) -> tuple[list[Row[Any]], int]:
    """A page of backtests, and how many there are."""
    where = wanted.conditions(account_id)
    column = _SORTS.get(wanted.sort.lstrip("-"), backtests.c.created_at)
    directed = column.desc() if wanted.sort.startswith("-") else column.asc()
    query = select(backtests).where(where).order_by(column.is_(None), directed, backtests.c.id)
    rows = connection.execute(query.limit(PAGE).offset((max(wanted.page, 1) - 1) * PAGE)).all()
    total = connection.scalar(select(func.count()).select_from(backtests).where(where)) or 0
    return list(rows), total


def live_backtests(
    connection: Connection, account_id: str, limit: int = 6, agent_id: str | None = None
) -> list[Row[Any]]:
    """Those that are being stepped, the latest news first."""
    query = select(backtests).where(rows_of(backtests, account_id, agent_id), backtests.c.status == "running")
    return list(connection.execute(query.order_by(backtests.c.updated_at.desc()).limit(limit)).all())


def find_backtest(connection: Connection, account_id: str, session_id: str, agent_id: str | None = None) -> Row[Any]:
    """One backtest.

    Raises:
        NotFound: the account has no such backtest.
    """
    query = select(backtests).where(rows_of(backtests, account_id, agent_id), backtests.c.id == session_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"There is no backtest {session_id}.", code="BACKTEST_NOT_FOUND", session_id=session_id)
    return row


def newest_change(connection: Connection, account_id: str, since: int) -> Sequence[Any]:
    """(id, updated_at) of the backtests that changed after `since`, whichever process wrote it; the latest hundred."""
    query = select(backtests.c.id, backtests.c.updated_at).where(
        backtests.c.account_id == account_id, backtests.c.updated_at > since
    )
    return connection.execute(query.order_by(backtests.c.updated_at.desc()).limit(100)).all()


def equity(connection: Connection, session_id: str, points: int = POINTS) -> dict[str, list[float]]:
    """The equity over simulated time in seconds: each snapshot, or the first, and the last and deepest of neighbouring ones.

    `drawdown` is per cent below the highest equity so far, of every snapshot, not only of those that are drawn.
    """
    peak = func.max(snapshots.c.total_equity).over(order_by=snapshots.c.number)
    own = select(
        snapshots.c.number,
        snapshots.c.simulated_at,
        snapshots.c.total_equity,
        case((peak > 0, 100.0 * (snapshots.c.total_equity / peak - 1.0)), else_=0.0).label("drawdown"),
    ).where(snapshots.c.session_id == session_id)
    held = own.cte("held")
    count = connection.scalar(select(func.count()).select_from(snapshots).where(snapshots.c.session_id == session_id))
    width = max(1, -(-(count or 0) // points))
    place = func.row_number().over(order_by=held.c.number) - 1
    placed = select(held, ((place + width - 1) // width).label("bucket")).cte("placed")
    last = func.max(placed.c.number).label("number")
    grouped = select(last, func.min(placed.c.drawdown).label("deepest")).group_by(placed.c.bucket).cte("grouped")
    query = select(held.c.simulated_at, held.c.total_equity, grouped.c.deepest).join(
        grouped, grouped.c.number == held.c.number
    )
    rows = connection.execute(query.order_by(held.c.number)).all()
    return {
        "times": [row[0] / 1e6 for row in rows],
        "equity": [float(f"{row[1]:.8g}") for row in rows],
        "drawdown": [round(row[2], 3) for row in rows],
    }


@dataclass(frozen=True)
class WantedTrades:
    """Which trades, in which order, which page of them."""

    market: str = ""
    only: str = ""
    sort: str = "time"
    page: int = 1

    def conditions(self, session_id: str) -> ColumnElement[bool]:
        """The SQL of it."""
        found = [trades.c.session_id == session_id]
        if self.market:
            found.append(trades.c.symbol == self.market)
        if self.only in _ONLY:
            found.append(_ONLY[self.only])
        return and_(*found)


def list_trades(connection: Connection, session_id: str, wanted: WantedTrades) -> tuple[list[Row[Any]], int]:
    """A page of trades, and how many there are."""
    where = wanted.conditions(session_id)
    column = _TRADE_SORTS.get(wanted.sort.lstrip("-"), trades.c.number)
    directed = column.desc() if wanted.sort.startswith("-") else column.asc()
    query = select(trades).where(where).order_by(directed, trades.c.number)
    rows = connection.execute(query.limit(TRADES_PAGE).offset((max(wanted.page, 1) - 1) * TRADES_PAGE)).all()
    total = connection.scalar(select(func.count()).select_from(trades).where(where)) or 0
    return list(rows), total


def marks(connection: Connection, session_id: str, symbol: str) -> list[list[Any]]:
    """[time in seconds, price, "buy" or "sell"] of the symbol's trades, the first 2,000."""
    query = select(trades.c.simulated_at, trades.c.price, trades.c.side).where(
        trades.c.session_id == session_id, trades.c.symbol == symbol
    )
    rows = connection.execute(query.order_by(trades.c.number).limit(MARKS))
    return [[row[0] / 1e6, row[1], str(row[2]).lower()] for row in rows]


def every(database: Database, session_id: str, what: str) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """The columns and the records of all `trades`, or of the whole `equity`, read a page at a time."""
    table = trades if what == "trades" else snapshots
    fields = [column.name for column in table.columns if column.name not in {"session_id", "number"}]

    def records() -> Iterator[dict[str, Any]]:
        after = -1
        while True:
            query = select(table).where(table.c.session_id == session_id, table.c.number > after)
            with database.read() as connection:
                rows = connection.execute(query.order_by(table.c.number).limit(_READ_AT_ONCE)).all()
            for row in rows:
                values = dict(row._mapping)
                yield {name: values[name] for name in fields} | {"simulated_at": clock.iso(row.simulated_at)}
            if len(rows) < _READ_AT_ONCE:
                return
            after = rows[-1].number

    return fields, records()


def symbols_of(connection: Connection, row: Row[Any]) -> list[str]:
    """The symbols that were traded, else those that the backtest has."""
    counted = select(trades.c.symbol, func.count()).where(trades.c.session_id == row.id).group_by(trades.c.symbol)
    found = [symbol for symbol, _ in sorted(connection.execute(counted), key=lambda row: -row[1])]
    return found or pairs_of(row)


def pairs_of(row: Row[Any]) -> list[str]:
    """The symbols that the backtest was made with; none if it is about all."""
    return [str(pair) for pair in json.loads(row.pairs or "null") or []]


def details(text: str | None) -> Any:
    """JSON that was kept with a backtest; None where there is none."""
    return json.loads(text) if text else None
