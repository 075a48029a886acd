"""Lists as files: the runs and backtests that a page's filters leave, the compared figures, the candles."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from starlette.responses import Response

from tradeready_gym.platform import clock
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.dashboard import backtests, runs
from tradeready_gym.platform.database.tables import backtests as backtests_table
from tradeready_gym.platform.database.tables import training_runs
from tradeready_gym.platform.state import Platform
from tradeready_gym.platform.training import export

numbers = APIRouter(prefix="/dashboard", include_in_schema=False)
Text = Annotated[str, Query(max_length=200)]
Suffix = Literal["csv", "json"]
_TIMES = ("start_time", "end_time", "created_at", "started_at", "completed_at")
BACKTEST_FIELDS = (
    "id",
    "strategy_label",
    "status",
    *_TIMES,
    "candle_interval",
    "pairs",
    "starting_balance",
    "fee_rate",
    "final_equity",
    "roi_pct",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown_pct",
    "win_rate",
    "profit_factor",
    "total_trades",
    "total_fees",
    "run_id",
    "episode_number",
)
CANDLE_FIELDS = ("time", "open", "high", "low", "close", "volume", "trade_count")
_CANDLES_AT_ONCE = 20_000


@numbers.get("/runs.{suffix}")
def listed_runs(
    suffix: Suffix, platform: PlatformState, caller: Reader, label: Text = "", status: Text = ""
) -> Response:
    """Every run that the filters leave, with its figures."""
    where = runs.Wanted(label.strip(), status, agent_id=caller.key_agent_id).conditions(caller.account_id)
    with platform.database.read() as connection:
        wanted = set(connection.scalars(select(training_runs.c.id).where(where)))
    found = (run for run in export.runs_of(platform.database, caller.account_id) if run["run_id"] in wanted)
    return _file("training-runs", suffix, (*export.RUN_FIELDS, *export.AGGREGATES), found)


@numbers.get("/backtests.{suffix}")
def listed_backtests(
    suffix: Suffix,
    platform: PlatformState,
    caller: Reader,
    label: Text = "",
    status: Text = "",
    hide: Text = "1",
    sessions: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    """Every backtest that the filters leave, or those of `sessions`, with its figures."""
    chosen = [id for id in sessions.split(",") if id]
    wanted = backtests.Wanted(
        label.strip(), status, hide_training=hide != "0" and not chosen, agent_id=caller.key_agent_id
    )
    where = wanted.conditions(caller.account_id)
    query = select(backtests_table.c.id).where(where).order_by(backtests_table.c.created_at.desc())
    with platform.database.read() as connection:
        ids = list(connection.scalars(query.where(backtests_table.c.id.in_(chosen)) if chosen else query))
    return _file("backtests", suffix, BACKTEST_FIELDS, _backtests(platform, ids))


@numbers.get("/candles.{suffix}")
def candles(suffix: Suffix, platform: PlatformState, caller: Reader, symbol: Text, timeframe: Text) -> Response:
    """Every candle of a series that is here, oldest first."""
    from tradeready_gym.platform.market.catalog import parse_interval

    frame = parse_interval(timeframe)
    # the first page before the answer begins, so that what is not there is an error and no empty file
    first = _page(platform, symbol, frame, 0)
    return _file(f"{symbol}-{frame}", suffix, CANDLE_FIELDS, _candles(platform, symbol, frame, first))


def _backtests(platform: Platform, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    for first in range(0, len(ids), export.PAGE):
        part = ids[first : first + export.PAGE]
        with platform.database.read() as connection:
            rows = connection.execute(select(backtests_table).where(backtests_table.c.id.in_(part))).all()
        found = {row.id: row._mapping for row in rows}
        for id in (id for id in part if id in found):
            record = {name: found[id][name] for name in BACKTEST_FIELDS}
            yield record | {name: clock.iso(record[name]) for name in _TIMES}


def _page(platform: Platform, symbol: str, frame: Any, start: int) -> list[dict[str, Any]]:
    from tradeready_gym.platform.market import rows

    return rows.page(platform.catalog, symbol, frame, _CANDLES_AT_ONCE, start, None)


def _candles(platform: Platform, symbol: str, frame: Any, found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    from tradeready_gym.market.timeframe import parse_time

    while found:
        yield from found
        if len(found) < _CANDLES_AT_ONCE:
            return
        found = _page(platform, symbol, frame, parse_time(found[-1]["time"]) + frame.microseconds)


def _file(name: str, suffix: str, fields: Sequence[str], records: Iterable[export.Record]) -> Response:
    lines = export.as_csv(fields, records) if suffix == "csv" else export.as_json(records)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{suffix}"', "Cache-Control": "no-store"}
    media_type = "text/csv; charset=utf-8" if suffix == "csv" else "application/json"
    return StreamingResponse(lines, media_type=media_type, headers=headers)
