"""`/health` tells what is so: of the database, and of the feed where there is one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_serving import START, SYMBOLS, Paper, trading
from serving import Served, serving
from sqlalchemy.exc import OperationalError

MINUTE = 60_000_000


def health(served: Served, status: int = 200) -> dict[str, Any]:
    answer = served.anonymous.get("/health")
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def test_without_a_feed_nothing_is_said_of_one(served: Served) -> None:
    found = health(served)
    assert (found["status"], found["db_connected"], found["ingestion_active"]) == ("ok", True, False)
    assert found["stale_pairs"] == []
    assert found["feed_state"] is found["last_candle_at"] is found["last_candle_age_seconds"] is None
    assert found["checks"]["db_latency_ms"] > 0.0
    assert "paper" not in served.platform.__dict__  # which would have loaded the engine


def test_the_age_of_the_newest_candle_is_that_of_the_feed(tmp_path: Path) -> None:
    with trading(tmp_path) as paper:
        found = health(paper.served)
        assert (found["status"], found["feed_state"], found["ingestion_active"]) == ("ok", "live", True)
        assert (found["last_candle_at"], found["last_candle_age_seconds"]) == (START, 0.0)
        paper.release(2)
        assert health(paper.served)["last_candle_at"] == "2024-01-03T00:02:00Z"


@pytest.mark.parametrize(("minutes", "stale"), [(0.0, False), (1.9, False), (2.1, True)])
def test_a_feed_whose_candles_stop_is_degraded(tmp_path: Path, minutes: float, stale: bool) -> None:
    with trading(tmp_path) as paper:
        late(paper, minutes)
        found = health(paper.served)
        assert found["status"] == ("degraded" if stale else "ok")
        assert found["stale_pairs"] == (list(SYMBOLS) if stale else [])
        assert found["last_candle_age_seconds"] == pytest.approx(60.0 * minutes)


def test_a_symbol_that_alone_stops_is_named(tmp_path: Path) -> None:
    with trading(tmp_path) as paper:
        paper.release(1)
        hub = paper.served.platform.paper.hub
        for slot in hub.kept_from(hub.clock - 5 * MINUTE, 5):
            hub._slots[slot.time] = replace(slot, gaps=np.array([False, True, False]))
        found = health(paper.served)
        assert (found["status"], found["stale_pairs"]) == ("degraded", [SYMBOLS[1]])


def test_a_feed_that_has_ended_is_not_active(tmp_path: Path) -> None:
    with trading(tmp_path) as paper:
        paper.served.platform.paper.hub.close()
        found = health(paper.served)
        assert (found["feed_state"], found["ingestion_active"]) == ("ended", False)


def test_a_feed_that_does_not_answer_yet_is_connecting(tmp_path: Path) -> None:
    with serving(tmp_path, ingest_journals=False) as served:
        object.__setattr__(served.platform.settings, "feed", "binance")
        found = health(served)
        assert (found["status"], found["feed_state"], found["ingestion_active"]) == ("degraded", "connecting", False)
        assert found["stale_pairs"] == list(SYMBOLS)
        assert found["last_candle_age_seconds"] is None


def test_a_database_that_does_not_answer_is_unhealthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("SELECT 1", {}, OSError("away"))

    with serving(tmp_path, ingest_journals=False) as served:
        monkeypatch.setattr(served.platform.database, "read", refuse)
        found = health(served, 503)
        assert (found["status"], found["db_connected"], found["checks"]["db_latency_ms"]) == ("unhealthy", False, -1.0)
        monkeypatch.undo()


def late(paper: Paper, minutes: float) -> None:
    """Let the feed's clock go on while no candle comes."""
    hub = paper.served.platform.paper.hub
    then = hub.clock + int(minutes * MINUTE)
    hub.now = lambda: then  # type: ignore[method-assign]


def measured(served: Served) -> dict[str, float]:
    """Every sample of `/metrics` by its name with its labels, as Prometheus' own parser reads them."""
    from prometheus_client.parser import text_string_to_metric_families

    text = served.anonymous.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {f"{sample.name}{sorted(sample.labels.items())}": sample.value for sample in samples}


def test_requests_are_counted_by_route_and_not_by_what_they_name(fresh_server: Served) -> None:
    before = measured(fresh_server)
    for number in range(3):
        assert (
            fresh_server.client.get(f"/api/v1/training/runs/{number:08d}-0000-4000-8000-000000000000").status_code
            == 404
        )
        assert fresh_server.anonymous.get(f"/nothing/{number}").status_code == 404
    fresh_server.anonymous.request("BREW", "/health")
    after = measured(fresh_server)

    new = {name: value - before.get(name, 0.0) for name, value in after.items() if "tradeready_requests_total" in name}
    assert {name: value for name, value in new.items() if value} == {
        "tradeready_requests_total[('method', 'GET'), ('route', '/api/v1/training/runs/{run_id}'), ('status', '404')]": 3.0,
        "tradeready_requests_total[('method', 'GET'), ('route', 'other'), ('status', '404')]": 3.0,
        "tradeready_requests_total[('method', 'other'), ('route', '/health'), ('status', '405')]": 1.0,
        "tradeready_requests_total[('method', 'GET'), ('route', '/metrics'), ('status', '200')]": 1.0,
    }
    taken = "tradeready_request_seconds_sum[('method', 'GET'), ('route', '/api/v1/training/runs/{run_id}')]"
    assert 0.0 < after[taken] < 60.0
    assert after["tradeready_training_runs[]"] == 0.0
    assert after["process_resident_memory_bytes[]"] > 1e7
