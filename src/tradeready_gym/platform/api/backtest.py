"""`/api/v1/backtest`: sessions from their creation to their results."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, Row

from tradeready_gym.platform import accounts, clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.backtest_bodies import (
    BacktestItem,
    BacktestList,
    BacktestRequest,
    Created,
    FastSteps,
    Label,
    StepResponse,
    Steps,
)
from tradeready_gym.platform.api.dependencies import PlatformState, Reader, Writer
from tradeready_gym.platform.api.documentation import WITH_A_KEY, answers, errors
from tradeready_gym.platform.api.paging import BacktestsLimit, CurveLimit, Offset, TradesLimit
from tradeready_gym.platform.api.result_bodies import (
    BacktestComparison,
    BacktestResults,
    BacktestTrades,
    BestBacktest,
    Cancelled,
    EquityCurve,
    Started,
)
from tradeready_gym.platform.errors import BadRequest, Invalid, NotFound
from tradeready_gym.platform.sessions import listing, store
from tradeready_gym.platform.state import Platform

if TYPE_CHECKING:
    from tradeready_gym.platform.sessions.session import Session, Stepped

router = APIRouter(prefix="/backtest", tags=["backtest"], responses=WITH_A_KEY)
# what a session that has to be woken may answer instead
WAKING = (
    "BACKTEST_NOT_FOUND",
    "BACKTEST_NO_DATA",
    "BACKTEST_DATA_CHANGED",
    "BACKTEST_INVALID_STATE",
    "BACKTEST_BUSY",
)


# ---- before and while it runs ----


@router.post("/create", responses=errors("BACKTEST_NO_DATA"))
def create_backtest(body: BacktestRequest, platform: PlatformState, caller: Writer) -> Created:
    """Make a backtest; its candles are looked up at once. Times must be on the grid of the interval."""
    from tradeready_gym.platform.sessions.manager import Plan, timeframe_of

    start, end = clock.from_datetime(body.start_time), clock.from_datetime(body.end_time)
    if end <= start:
        raise Invalid(
            f"end_time must be later than start_time; got {clock.iso(start)} and {clock.iso(end)}", field="end_time"
        )
    pairs = None if body.pairs is None else tuple(dict.fromkeys(body.pairs))
    row = platform.sessions.create(
        caller.account_id,
        Plan(
            start_time=start,
            end_time=end,
            starting_balance=body.starting_balance,
            timeframe=timeframe_of(int(body.candle_interval)),
            pairs=pairs,
            strategy_label=body.strategy_label,
            agent_id=_agent(platform, caller, body.agent_id),
            fee_rate=body.fee_rate,
        ),
    )
    item = listing.item_view(row)
    return Created(**{**item, "estimated_pairs": len(item["pairs"])})


def _agent(platform: Platform, caller: Principal, agent_id: str | None) -> str | None:
    if agent_id is None or agent_id == caller.agent_id:
        return caller.agent_id
    caller.require_agent(agent_id)
    with platform.database.read() as connection:
        try:
            return str(accounts.find_agent(connection, caller.account_id, agent_id).id)
        except NotFound as error:
            raise BadRequest(f"agent_id: {error}", code="BACKTEST_NO_DATA", agent_id=agent_id) from error


@router.post("/{session_id}/start", responses=answers(Started, *WAKING))
def start_backtest(session_id: str, platform: PlatformState, caller: Writer) -> dict[str, str]:
    """Begin at `start_time`; once."""
    platform.sessions.start(caller.account_id, session_id)
    return {"status": "running", "session_id": session_id}


@router.post("/{session_id}/step", response_model=StepResponse, responses=errors(*WAKING))
def step_backtest(session_id: str, platform: PlatformState, caller: Writer) -> JSONResponse:
    """Go on by one candle: resting orders are matched in it, then the account is valued at its close."""
    return _step(platform, caller, session_id, 1)


@router.post("/{session_id}/step/batch", response_model=StepResponse, responses=errors(*WAKING))
def step_batch(session_id: str, body: Steps, platform: PlatformState, caller: Writer) -> JSONResponse:
    """Go on by several candles, or to the end; reports all orders that were filled on the way."""
    _require_at_most(body.steps, platform.settings.limits.batch_steps)
    return _step(platform, caller, session_id, body.steps)


@router.post("/{session_id}/step/batch/fast", response_model=StepResponse, responses=errors(*WAKING))
def step_batch_fast(session_id: str, body: FastSteps, platform: PlatformState, caller: Writer) -> JSONResponse:
    """The same for more candles; reports resting orders that were filled before the last candle only if asked to."""
    _require_at_most(body.steps, platform.settings.limits.fast_batch_steps)
    return _step(platform, caller, session_id, body.steps, not body.include_intermediate_trades)


def _step(
    platform: Platform, caller: Principal, session_id: str, steps: int, last_step_only: bool = False
) -> JSONResponse:
    from tradeready_gym.platform.sessions.views import step_view

    def view(session: "Session", stepped: "Stepped") -> dict[str, Any]:
        return step_view(session, stepped, last_step_only)

    # what is a response already is not validated again, which would take as long as everything else
    return JSONResponse(platform.sessions.step(caller.account_id, session_id, steps, view))


def _require_at_most(steps: int, limit: int) -> None:
    if steps > limit:
        raise Invalid(f"steps must be at most {limit:,}; got {steps:,}", field="steps", limit=limit)


@router.post("/{session_id}/cancel", responses=answers(Cancelled, *WAKING))
def cancel_backtest(session_id: str, platform: PlatformState, caller: Writer) -> dict[str, Any]:
    """End a backtest early; nothing is sold, and it has no metrics."""
    item = listing.item_view(platform.sessions.cancel(caller.account_id, session_id))
    return {name: item[name] for name in ("session_id", "status", "total_trades", "roi_pct")}


# ---- lists ----


@router.get("/list")
def list_backtests(
    platform: PlatformState,
    caller: Reader,
    limit: BacktestsLimit,
    strategy_label: Label | None = None,
    status: Literal["created", "running", "completed", "failed", "cancelled"] | None = None,
    agent_id: Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")] | None = None,
    sort_by: str = "created_at",
    order: Literal["asc", "desc"] = "desc",
    offset: Offset = 0,
) -> BacktestList:
    """The account's backtests, by default the newest first; what has no value comes last. An agent's key sees that agent's."""
    if sort_by not in store.SORTABLE:
        raise Invalid(f"sort_by must be one of {', '.join(store.SORTABLE)}; got {sort_by!r}", field="sort_by")
    with platform.database.read() as connection:
        rows, total = store.page(
            connection,
            caller.account_id,
            strategy_label=strategy_label,
            status=status,
            agent_id=agent_id,
            of_agent=caller.key_agent_id,
            sort_by=sort_by,
            ascending=order == "asc",
            limit=limit,
            offset=offset,
        )
    return BacktestList(backtests=[BacktestItem(**listing.item_view(row)) for row in rows], total=total)


@router.get("/compare", responses=answers(BacktestComparison, "BACKTEST_NOT_FOUND"))
def compare_backtests(platform: PlatformState, caller: Reader, sessions: str = "") -> dict[str, Any]:
    """Backtests side by side, two or more; `sessions` are ids with commas between them."""
    ids = list(dict.fromkeys(part.strip() for part in sessions.split(",") if part.strip()))
    limit = platform.settings.limits.compared_runs
    if not 2 <= len(ids) <= limit:
        raise Invalid(
            f"sessions must name 2 to {limit} different backtests, with commas between the ids; got {len(ids)}. "
            f"GET /api/v1/backtest/ID/results has the figures of one",
            field="sessions",
        )
    with platform.database.read() as connection:
        rows = [_find(connection, caller, session_id) for session_id in ids]
    return listing.comparison_view(rows)


@router.get("/best", responses=answers(BestBacktest, "BACKTEST_NOT_FOUND"))
def best_backtest(
    platform: PlatformState, caller: Reader, metric: str = "roi_pct", strategy_label: Label | None = None
) -> dict[str, Any]:
    """The best completed backtest by a metric; the smallest drawdown is the best one."""
    if metric not in listing.RANKED:
        raise Invalid(f"metric must be one of {', '.join(listing.RANKED)}; got {metric!r}", field="metric")
    with platform.database.read() as connection:
        row = store.best(
            connection,
            caller.account_id,
            metric,
            strategy_label,
            ascending=metric in listing.SMALLEST_IS_BEST,
            agent_id=caller.key_agent_id,
        )
    if row is None:
        raise NotFound(f"no completed backtest has a {metric} yet", code="BACKTEST_NOT_FOUND", metric=metric)
    return listing.best_view(row, metric)


# ---- results ----


@router.get("/{session_id}/status", responses=errors("BACKTEST_NOT_FOUND"))
def backtest_status(session_id: str, platform: PlatformState, caller: Reader) -> BacktestItem:
    """How far it is."""
    return BacktestItem(**listing.item_view(_row(platform, caller, session_id)))


@router.get("/{session_id}/results", responses=answers(BacktestResults, "BACKTEST_NOT_FOUND"))
def backtest_results(session_id: str, platform: PlatformState, caller: Reader) -> dict[str, Any]:
    """Configuration, summary, metrics and what was traded of each pair, in any status."""
    return listing.results_view(_row(platform, caller, session_id))


@router.get("/{session_id}/results/equity-curve", responses=answers(EquityCurve, *WAKING))
def equity_curve(
    session_id: str,
    platform: PlatformState,
    caller: Reader,
    limit: CurveLimit,
    interval: Annotated[int, Query(ge=1, le=10**9)] = 1,
    offset: Offset = 0,
) -> dict[str, Any]:
    """The start, every so many steps, and the last step; `total` counts all of these."""
    points = platform.sessions.equity_curve(caller.account_id, session_id, interval)
    snapshots = [listing.snapshot_view(point) for point in points[offset : offset + limit]]
    return {"session_id": session_id, "interval": str(interval), "snapshots": snapshots, "total": len(points)}


@router.get("/{session_id}/results/trades", responses=answers(BacktestTrades, *WAKING))
def result_trades(
    session_id: str,
    platform: PlatformState,
    caller: Reader,
    limit: TradesLimit,
    offset: Offset = 0,
) -> dict[str, Any]:
    """A page of the trades, in order; `total` counts all of them."""
    if _row(platform, caller, session_id).status in {"completed", "cancelled"}:
        with platform.database.read() as connection:
            found, total = store.trades(connection, session_id, limit, offset)
        rows = [dict(row._mapping) for row in found]
    else:
        rows, total = platform.sessions.trades(caller.account_id, session_id, limit, offset)
    return {"session_id": session_id, "trades": [listing.trade_view(row) for row in rows], "total": total}


def _row(platform: Platform, caller: Principal, session_id: str) -> Row[Any]:
    with platform.database.read() as connection:
        return _find(connection, caller, session_id)


def _find(connection: Connection, caller: Principal, session_id: str) -> Row[Any]:
    row = store.find(connection, caller.account_id, session_id)
    if not caller.may_see(row.agent_id):
        raise store.not_found(session_id)
    return row
