"""Backtest sessions on the other database, traded by two servers at once."""

import threading
from pathlib import Path
from typing import Any

import pytest
from backtest_calls import begin, look, order, step
from serving import client_of, listening, serving

from tradeready_gym.platform.app import create_app

pytestmark = pytest.mark.postgresql


def test_two_servers_over_one_postgresql_trade_one_session(postgresql_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url=postgresql_url, ingest_journals=False) as server:
        session = begin(server.client)
        order(server.client, session, "buy", "0.01")
        seen: list[int] = []

        def walk(client: Any) -> None:
            seen.extend(step(client, session)["step"] for _ in range(8))

        with listening(create_app(server.platform.settings)) as url:
            other = client_of(url, server.key)
            threads = [threading.Thread(target=walk, args=(client,)) for client in (server.client, other) * 2]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(seen) == list(range(1, 33))
            assert order(other, session, "sell", "0.01")["status"] == "filled"
            assert step(server.client, session, 100)["is_complete"] is True
            other.close()
        results = look(server.client, session, "results")
        assert (results["status"], results["summary"]["total_trades"]) == ("completed", 2)
        assert len(look(server.client, session, "results/equity-curve")["snapshots"]) == 49
        listed = server.client.get("/api/v1/backtest/list?sort_by=roi_pct").json()
        assert [item["session_id"] for item in listed["backtests"]] == [session]
