"""The training routes on the other database."""

from pathlib import Path

import pytest
from serving import serving
from training_calls import API, batch, new_run, written_by_eight

pytestmark = pytest.mark.postgresql


def test_training_runs_are_kept_on_postgresql_as_on_sqlite(postgresql_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url=postgresql_url, ingest_journals=False) as server:
        run = written_by_eight(server)
        assert (run["episodes_completed"], run["aggregate_stats"]["avg_roi_pct"]) == (800, 400.5)
        run_id = new_run(server, "a")
        batch(server, run_id, episode_number=[3, 1, 2], roi_pct=[None, 1.0, 2.0], session_id=["x", None, "y%"])
        page = server.client.get(f"{API}/runs/{run_id}/episodes", params={"sort": "roi_pct", "order": "desc"}).json()
        assert [episode["episode_number"] for episode in page["episodes"]] == [2, 1, 3]
        found = server.client.get(f"{API}/runs/{run_id}/episodes", params={"search": "y%"}).json()
        assert [episode["episode_number"] for episode in found["episodes"]] == [2]
        listed = server.client.get(f"{API}/runs", params={"sort": "completed_at"}).json()
        assert {row["run_id"] for row in listed} == {run_id, run["run_id"]}
        exported = server.client.get(f"{API}/runs/export", params={"format": "json"}).json()
        assert [row["strategy_label"] for row in exported] == ["a", "ppo_v1"]
        assert server.client.delete(f"{API}/runs/{run_id}").status_code == 204
        assert server.client.get(f"{API}/runs").headers["x-total-count"] == "1"
