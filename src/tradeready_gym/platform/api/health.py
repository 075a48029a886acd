"""`/health` and `/metrics`: for whoever watches the server. No key is needed."""

import time

from fastapi import APIRouter, Response
from sqlalchemy import func, select, text

from tradeready_gym.platform.api.dependencies import PlatformState
from tradeready_gym.platform.database.tables import backtests, training_runs

router = APIRouter(tags=["health"])


@router.get("/health")
def health(platform: PlatformState, response: Response) -> dict[str, object]:
    """Whether the server and its database answer; 503 if the database does not."""
    begin = time.perf_counter()
    try:
        with platform.database.read() as connection:
            connection.execute(text("SELECT 1"))
        latency, connected = 1000.0 * (time.perf_counter() - begin), True
    except Exception:
        latency, connected = -1.0, False
        response.status_code = 503
    return {
        "status": "ok" if connected else "unhealthy",
        "redis_connected": False,
        "db_connected": connected,
        "ingestion_active": False,
        "stale_pairs": [],
        "total_pairs": len({source.symbol for source in platform.catalog.sources()}),
        "checks": {"redis_latency_ms": -1.0, "db_latency_ms": round(latency, 3)},
    }


@router.get("/metrics")
def metrics(platform: PlatformState) -> Response:
    """Counters in the text format of Prometheus."""
    with platform.database.read() as connection:
        counts = {
            "tradeready_training_runs": connection.scalar(select(func.count()).select_from(training_runs)),
            # millions of rows are not counted for every look
            "tradeready_training_episodes": connection.scalar(
                select(func.coalesce(func.sum(training_runs.c.episodes_completed), 0))
            ),
            "tradeready_backtests": connection.scalar(select(func.count()).select_from(backtests)),
        }
    counts["tradeready_watchers"] = platform.events.watchers
    lines = [f"# TYPE {name} gauge\n{name} {value}\n" for name, value in counts.items()]
    return Response("".join(lines), media_type="text/plain; version=0.0.4")
