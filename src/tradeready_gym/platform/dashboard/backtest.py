"""`/backtest`, `/backtest/{session_id}` and `/backtest/compare`, and the numbers that their charts ask for."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, Row
from starlette.responses import Response

from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.dashboard import backtests, candles, days, running, words
from tradeready_gym.platform.dashboard.pages import PageRoute, render, wants_part
from tradeready_gym.platform.errors import Invalid
from tradeready_gym.platform.training import export

router = APIRouter(include_in_schema=False, route_class=PageRoute)
numbers = APIRouter(prefix="/dashboard", include_in_schema=False)
Text = Annotated[str, Query(max_length=200)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]
COMPARED = 8
# metric, heading, whether more of it is better (None: neither), whether it is a percentage
COMPARED_METRICS = (
    ("roi_pct", "ROI", True, True),
    ("sharpe_ratio", "Sharpe ratio", True, False),
    ("sortino_ratio", "Sortino ratio", True, False),
    ("max_drawdown_pct", "Max drawdown", False, True),
    ("win_rate", "Win rate", True, True),
    ("profit_factor", "Profit factor", True, False),
    ("total_trades", "Trades", None, False),
    ("total_fees", "Fees", None, False),
)


@router.get("/backtest")
def backtest_list(
    request: Request,
    platform: PlatformState,
    caller: Reader,
    label: Text = "",
    status: Text = "",
    sort: Text = "-created",
    page: Page = 1,
    hide: Text = "1",
) -> Response:
    """Backtests that go on, and the list of all."""
    part, wanted = (
        wants_part(request),
        backtests.Wanted(label.strip(), status, sort, page, hide != "0", caller.key_agent_id),
    )
    with platform.database.read() as connection:
        listed, total = backtests.list_backtests(connection, caller.account_id, wanted)
        live = (
            []
            if part == "backtests"
            else backtests.live_backtests(connection, caller.account_id, agent_id=caller.key_agent_id)
        )
    asked = {"label": wanted.label, "status": status, "sort": sort, "hide": hide}
    values: dict[str, Any] = {"backtests": listed, "total": total, "live": live, "wanted": asked, "page": page}
    values |= {"size": backtests.PAGE, "statuses": backtests.STATUSES, "pairs_of": backtests.pairs_of}
    values["base_url"] = str(request.base_url).rstrip("/")
    name = {"backtests": "parts/backtests.html", "live": "parts/live_backtests.html"}.get(part, "backtests.html")
    return render(request, name, **values)


@router.get("/backtest/compare")
def compare(
    request: Request, platform: PlatformState, caller: Reader, sessions: Annotated[str, Query(max_length=4000)] = ""
) -> Response:
    """Several backtests over each other and side by side."""
    with platform.database.read() as connection:
        found = _find(connection, caller, sessions)
    lines = [_compared(found, *metric) for metric in COMPARED_METRICS]
    return render(request, "compare.html", backtests=found, lines=lines, pairs_of=backtests.pairs_of)


@router.get("/backtest/{session_id}")
def backtest(
    session_id: str,
    request: Request,
    platform: PlatformState,
    caller: Reader,
    market: Text = "",
    only: Text = "",
    sort: Text = "time",
    page: Page = 1,
) -> Response:
    """One backtest: its equity, what it gained by day, its trades on the candles and in a list, its metrics."""
    part, wanted = wants_part(request), backtests.WantedTrades(market, only, sort, page)
    with platform.database.read() as connection:
        row = backtests.find_backtest(connection, caller.account_id, session_id)
        listed, total = backtests.list_trades(connection, session_id, wanted)
        symbols = backtests.symbols_of(connection, row)
    in_memory = not total and bool(row.total_trades) and row.status == "running"
    if in_memory:
        listed, total = running.trades(platform, caller.account_id, session_id, page)
    asked = {} if in_memory else {"market": market, "only": only, "sort": sort}
    values: dict[str, Any] = {"backtest": row, "trades": listed, "total": total, "page": page, "symbols": symbols}
    values |= {"wanted": asked, "in_memory": in_memory}
    values |= {"size": backtests.TRADES_PAGE, "metrics": backtests.details(row.metrics) or {}}
    values |= {"by_pair": backtests.details(row.by_pair) or [], "pairs": backtests.pairs_of(row)}
    values["unit"] = words.currency(values["pairs"] or symbols)
    name = {"trades": "parts/trades.html", "head": "parts/backtest_head.html"}.get(part, "backtest.html")
    return render(request, name, **values)


@numbers.get("/backtests/{session_id}/equity")
def equity(session_id: str, platform: PlatformState, caller: Reader) -> dict[str, Any]:
    """The equity, the drawdown, what the first market would have become, and what was gained by day."""
    with platform.database.read() as connection:
        row = backtests.find_backtest(connection, caller.account_id, session_id)
        found, points = backtests.equity(connection, session_id), days.stored(connection, session_id)
        symbols = backtests.symbols_of(connection, row)
    if not found["times"] and row.status == "running":
        found = running.equity(platform, caller.account_id, row)
        points = [(round(time * 1e6), value) for time, value in zip(found["times"], found["equity"], strict=True)]
    return (
        {"status": row.status, "hold": _held(platform.settings.home, row, symbols, found)}
        | found
        | {"by_day": days.gains(points)}
    )


@numbers.get("/backtests/{session_id}/candles")
def trades_on_candles(
    session_id: str,
    platform: PlatformState,
    caller: Reader,
    symbol: Text,
    start: Annotated[float, Query(ge=0, le=1e10)] = 0.0,
    end: Annotated[float, Query(ge=0, le=1e10)] = 1e10,
) -> dict[str, Any]:
    """The candles of the span, or of the part of it from `start` to `end` in seconds, and all trades."""
    with platform.database.read() as connection:
        row = backtests.find_backtest(connection, caller.account_id, session_id)
        marks = backtests.marks(connection, session_id, symbol)
    if not marks and row.total_trades and row.status == "running":
        marks = running.marks(platform, caller.account_id, session_id, symbol)
    step = row.candle_interval * 1_000_000
    first, last = (
        max(row.start_time, int(start * 1e6) // step * step),
        min(row.end_time, -(int(-end * 1e6) // step) * step),
    )
    found = candles.drawn(platform.settings.home, symbol, row.candle_interval, first, max(last, first + step))
    return {"symbol": symbol, "trades": marks} | found


@numbers.get("/backtests/compare")
def compared_curves(
    platform: PlatformState, caller: Reader, sessions: Annotated[str, Query(max_length=4000)] = ""
) -> dict[str, Any]:
    """The equity of several backtests, each 100 at its beginning, and what it would have been to buy and hold."""
    with platform.database.read() as connection:
        found = _find(connection, caller, sessions)
        drawn = [(row, backtests.equity(connection, row.id, 800)) for row in found]
        symbols = [symbol for row in found for symbol in backtests.symbols_of(connection, row)]
    curves = [
        {"id": row.id, "label": row.strategy_label, "times": curve["times"], "values": _from_hundred(curve["equity"])}
        for row, curve in drawn
    ]
    held = _buy_and_hold(platform.settings.home, found, symbols[0] if symbols else "")
    return {"curves": curves, "hold": held}


@numbers.get("/backtests/{session_id}/{what}.{suffix}")
def download(
    session_id: str,
    what: Literal["trades", "equity"],
    suffix: Literal["csv", "json"],
    platform: PlatformState,
    caller: Reader,
) -> Response:
    """Every trade, or every point of the equity, as a file."""
    with platform.database.read() as connection:
        backtests.find_backtest(connection, caller.account_id, session_id)
    fields, records = backtests.every(platform.database, session_id, what)
    lines = export.as_csv(fields, records) if suffix == "csv" else export.as_json(records)
    headers = {
        "Content-Disposition": f'attachment; filename="{what}-{session_id}.{suffix}"',
        "Cache-Control": "no-store",
    }
    media_type = "text/csv; charset=utf-8" if suffix == "csv" else "application/json"
    return StreamingResponse(lines, media_type=media_type, headers=headers)


def _buy_and_hold(home: Any, found: list[Row[Any]], symbol: str) -> dict[str, Any] | None:
    if not symbol or not found:
        return None
    start, end = min(row.start_time for row in found), max(row.end_time for row in found)
    bars = candles.drawn(home, symbol, found[0].candle_interval, start, end)
    if not bars["times"]:
        return None
    # the price is known when a candle closes
    times = [bars["times"][0], *(time + bars["length"][0] for time in bars["times"])]
    return {
        "label": f"{symbol}, bought and held",
        "times": times,
        "values": _from_hundred([bars["open"][0], *bars["close"]]),
    }


def _held(home: Any, row: Row[Any], symbols: list[str], drawn: dict[str, list[float]]) -> dict[str, Any] | None:
    held = _buy_and_hold(home, [row], symbols[0] if symbols else "")
    if held is None or not drawn["equity"]:
        return None
    # as far as the backtest has come
    seen = [
        (time, value) for time, value in zip(held["times"], held["values"], strict=True) if time <= drawn["times"][-1]
    ]
    values = [float(f"{drawn['equity'][0] * value / 100.0:.8g}") for _, value in seen]
    return held | {"times": [time for time, _ in seen], "values": values}


def _from_hundred(values: list[float]) -> list[float]:
    return [round(100.0 * value / values[0], 4) for value in values] if values and values[0] > 0 else []


def _find(connection: Connection, caller: Principal, text: str) -> list[Row[Any]]:
    ids = list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))
    if len(ids) > COMPARED:
        raise Invalid(f"At most {COMPARED} backtests can be compared at once; these are {len(ids)}.")
    return [backtests.find_backtest(connection, caller.account_id, id, caller.key_agent_id) for id in ids]


def _compared(found: list[Row[Any]], name: str, heading: str, more: bool | None, percentage: bool) -> dict[str, Any]:
    values = [getattr(row, name) for row in found]
    known = [value for value in values if value is not None]
    best = None if more is None or len(set(known)) < 2 else (max(known) if more else min(known))
    places = 0 if name == "total_trades" else 2
    said = [words.percent(v, sign=name == "roi_pct") if percentage else words.number(v, places) for v in values]
    marked = [best is not None and value == best for value in values]
    return {"heading": heading, "cells": list(zip(said, marked, strict=True))}
