"""`/health` and `/metrics`: for whoever watches the server. No key is needed."""

import time
from typing import Literal, NamedTuple

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import func, select, text

from tradeready_gym.platform import clock
from tradeready_gym.platform.api.dependencies import PlatformState
from tradeready_gym.platform.database.tables import backtests, training_runs
from tradeready_gym.platform.errors import Unavailable
from tradeready_gym.platform.state import Platform

router = APIRouter(tags=["health"])
STALE_AFTER = 60_000_000
CONNECTING = "connecting"


class Latencies(BaseModel):
    """How long what the server needs took to answer; -1 for what does not, or is not there."""

    redis_latency_ms: float
    db_latency_ms: float


class Health(BaseModel):
    """How the server is. `degraded`: it has a feed, and a pair's newest candle ended more than its length and 60 s ago.

    `feed_state` is connecting, live, backfilling, closed or ended. It is null without a feed, as are the newest candle's
    end and its age by the clock of the feed. There is no Redis here.
    """

    status: Literal["ok", "degraded", "unhealthy"]
    redis_connected: bool
    db_connected: bool
    ingestion_active: bool
    stale_pairs: list[str]
    total_pairs: int
    checks: Latencies
    feed_state: str | None
    last_candle_at: str | None
    last_candle_age_seconds: float | None


class _Feed(NamedTuple):
    # what a server without a feed says of it
    ingestion_active: bool = False
    stale_pairs: list[str] = []
    feed_state: str | None = None
    last_candle_at: str | None = None
    last_candle_age_seconds: float | None = None


@router.get(
    "/health",
    responses={200: {"description": "ok, or degraded"}, 503: {"model": Health, "description": "no database"}},
)
def health(platform: PlatformState, response: Response) -> Health:
    """Whether the server, its database and its feed answer; 503 if the database does not."""
    begin = time.perf_counter()
    try:
        with platform.database.read() as connection:
            connection.execute(text("SELECT 1"))
        latency, connected = 1000.0 * (time.perf_counter() - begin), True
    except Exception:
        latency, connected = -1.0, False
        response.status_code = 503
    feed = _feed(platform)
    usual: Literal["ok", "degraded"] = "degraded" if feed.stale_pairs else "ok"
    return Health(
        status=usual if connected else "unhealthy",
        redis_connected=False,
        db_connected=connected,
        total_pairs=len({source.symbol for source in platform.catalog.sources()}),
        checks=Latencies(redis_latency_ms=-1.0, db_latency_ms=round(latency, 3)),
        **feed._asdict(),
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "counters and gauges", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(platform: PlatformState) -> Response:
    """Requests by route, their times, what is kept, and the process, in the text format of Prometheus."""
    with platform.database.read() as connection:
        kept = {
            "training_runs": connection.scalar(select(func.count()).select_from(training_runs)),
            # millions of rows are not counted for every look
            "training_episodes": connection.scalar(
                select(func.coalesce(func.sum(training_runs.c.episodes_completed), 0))
            ),
            "backtests": connection.scalar(select(func.count()).select_from(backtests)),
        }
    numbers = {name: int(number or 0) for name, number in kept.items()}
    told = platform.measures.text(**numbers, watchers=platform.events.watchers)
    return Response(told, media_type="text/plain; version=0.0.4")


def _feed(platform: Platform) -> _Feed:
    if platform.settings.feed == "none":
        return _Feed()
    try:
        # asking for it would load the engine; the thread that keeps the feed does that
        hub = platform.paper.hub if "paper" in platform.__dict__ else None
    except Unavailable:
        hub = None
    if hub is None:
        return _Feed(feed_state=CONNECTING, stale_pairs=list(platform.settings.feed_symbols))
    step, now = hub.timeframe.microseconds, hub.now()
    slots = hub.kept_from(now - STALE_AFTER - 2 * step + 1, hub.kept)
    fresh = {symbol for slot in slots for symbol, gap in zip(hub.symbols, slot.gaps, strict=True) if not gap}
    return _Feed(
        ingestion_active=hub.live,
        stale_pairs=[symbol for symbol in hub.symbols if symbol not in fresh],
        feed_state="ended" if hub.ended else str(hub.health.state.value),
        last_candle_at=clock.iso(hub.clock),
        last_candle_age_seconds=round((now - hub.clock) / 1e6, 3),
    )
