"""Lists of backtests: filtered, sorted, paged, compared."""

import pytest
from backtest_calls import API, begin, create, look, order, step
from serving import Served


@pytest.fixture(scope="module")
def sessions(served: Served) -> list[str]:
    """Three finished sessions with more and more bitcoin, and one that waits."""
    found = []
    for label, quantity in (("idle", None), ("some", "0.01"), ("much", "0.1")):
        session = begin(served.client, strategy_label=label)
        if quantity:
            order(served.client, session, "buy", quantity)
        step(served.client, session, 48)
        found.append(session)
    return [*found, create(served.client, strategy_label="waits")]


def ids(served: Served, **query: object) -> list[str]:
    answer = served.client.get(f"{API}/list", params={k: str(v) for k, v in query.items()})
    assert answer.status_code == 200, answer.text
    return [item["session_id"] for item in answer.json()["backtests"]]


def test_the_newest_comes_first_in_pages(served: Served, sessions: list[str]) -> None:
    assert ids(served) == sessions[::-1]
    assert ids(served, limit=2, offset=1) == sessions[::-1][1:3]
    assert served.client.get(f"{API}/list?limit=1").json()["total"] == 4


def test_lists_are_filtered_by_label_and_status(served: Served, sessions: list[str]) -> None:
    assert ids(served, strategy_label="some") == [sessions[1]]
    assert ids(served, status="created") == [sessions[3]]
    assert ids(served, agent_id="nobody") == []


def test_lists_are_sorted_and_what_has_no_value_comes_last(served: Served, sessions: list[str]) -> None:
    # bitcoin rose, so more of it made more
    assert ids(served, sort_by="roi_pct") == [sessions[2], sessions[1], sessions[0], sessions[3]]
    assert ids(served, sort_by="roi_pct", order="asc") == [*sessions[:3], sessions[3]]
    answer = served.client.get(f"{API}/list?sort_by=password_hash")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


def test_compared_sessions_name_the_best_of_each(served: Served, sessions: list[str]) -> None:
    answer = served.client.get(f"{API}/compare", params={"sessions": ",".join(sessions[:3])}).json()
    assert [line["session_id"] for line in answer["comparisons"]] == sessions[:3]
    assert set(answer["comparisons"][0]) == {
        "session_id", "strategy_label", "roi_pct", "sharpe_ratio", "max_drawdown_pct", "total_trades", "win_rate",
        "profit_factor",
    }  # fmt: skip
    assert (answer["best_by_roi"], answer["best_by_drawdown"]) == (sessions[2], sessions[0])
    assert answer["best_by_sharpe"] == answer["recommendation"] in sessions[1:3]
    for few in ("", sessions[0], f"{sessions[0]},{sessions[0]}"):
        refused = served.client.get(f"{API}/compare", params={"sessions": few})
        assert refused.status_code == 422
        assert "GET /api/v1/backtest/ID/results has the figures of one" in refused.json()["error"]["message"]
    assert served.client.get(f"{API}/compare", params={"sessions": f"{sessions[0]},nobody"}).status_code == 404


def test_the_best_drawdown_is_the_smallest(served: Served, sessions: list[str]) -> None:
    drawdown = served.client.get(f"{API}/best?metric=max_drawdown_pct").json()
    assert drawdown == {
        "session_id": sessions[0], "strategy_label": "idle", "metric": "max_drawdown_pct", "value": "0.00",
    }  # fmt: skip
    best = served.client.get(f"{API}/best").json()
    assert (best["session_id"], best["metric"]) == (sessions[2], "roi_pct")
    assert best["value"] == look(served.client, sessions[2], "results")["summary"]["roi_pct"]
    assert served.client.get(f"{API}/best?metric=total_trades&strategy_label=some").json()["value"] == "1"
    assert served.client.get(f"{API}/best?metric=luck").status_code == 422
    assert served.client.get(f"{API}/best?metric=win_rate").status_code == 404
