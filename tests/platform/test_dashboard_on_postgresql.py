"""The pages on the other database."""

from pathlib import Path

import numpy as np
import pytest
from populated import fill_backtests, fill_runs
from serving import serving

from tradeready_gym.platform.dashboard import backtests, episodes, runs

pytestmark = pytest.mark.postgresql


def test_pages_and_their_numbers_are_the_same_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    seen = []
    for name, url in (("other", postgresql_url), ("sqlite", "")):
        with serving(tmp_path / name, database_url=url, ingest_journals=False) as server:
            found = fill_runs(server.platform.database, 6, 3000, live=1)
            tested = fill_backtests(server.platform.database, 2, replays=[(found[0], 2)])
            ask = server.client.get
            curve = ask(f"/dashboard/runs/{found[0]}/curve").json()
            small = ask("/dashboard/runs", params={"ids": found[1]}).json()["runs"][0]["spark"]
            several = ask("/dashboard/curves", params={"ids": ",".join(found), "metric": "total_trades"}).json()
            equity = ask(f"/dashboard/backtests/{tested[0]}/equity").json()
            for sort in runs.SORTS:
                assert ask("/training", params={"sort": f"-{sort}", "label": "PPO"}).status_code == 200
            for sort in episodes.SORTS:
                page = ask(
                    f"/training/{found[0]}", params={"sort": sort, "search": "1"}, headers={"X-Part": "episodes"}
                )
                assert page.status_code == 200
            for sort in backtests.SORTS:
                assert ask("/backtest", params={"sort": sort, "hide": "0", "label": "o"}).status_code == 200
            assert ask(f"/training/{found[0]}/episodes/2").headers["location"] == f"/backtest/{tested[2]}"
            assert ask(f"/backtest/{tested[0]}").status_code == 200
            seen.append((curve["values"], small, [c["values"] for c in several["curves"]], equity["drawdown"]))
    (curve, small, several, drawdown), other = seen
    np.testing.assert_allclose(curve, other[0], rtol=1e-5)
    assert small == other[1]
    for one, two in zip(several, other[2], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)
    np.testing.assert_allclose(drawdown, other[3], atol=1e-3)
