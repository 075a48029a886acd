"""Training runs over the wire: the documented routes and fields, what is added to them, and whose runs they are."""

import csv
import io
import statistics
import uuid
from typing import Any

import pytest
from serving import Served
from sqlalchemy import Connection, select
from training_calls import API, batch, new_run, report, written_by_eight

from tradeready_gym.platform.dashboard.episodes import backtest_of
from tradeready_gym.platform.database.tables import backtests, training_runs

DOCUMENTED_RUN: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "status": str,
    "config": dict,
    "episodes_total": (int, type(None)),
    "episodes_completed": int,
    "started_at": str,
    "completed_at": (str, type(None)),
}
DOCUMENTED_STATS = {
    "total_episodes",
    "avg_roi_pct",
    "best_roi_pct",
    "worst_roi_pct",
    "avg_sharpe",
    "avg_max_drawdown_pct",
    "avg_reward_sum",
    "best_reward_sum",
}


def test_the_conversation_of_the_documented_client_is_answered_as_documented(served: Served) -> None:
    run_id = str(uuid.uuid4())
    run = served.client.post(f"{API}/runs", json={"run_id": run_id, "config": {"strategy_label": "gym_training"}})
    assert run.status_code == 201
    for name, kind in DOCUMENTED_RUN.items():
        assert isinstance(run.json()[name], kind), name
    assert run.json()["status"] == "running" and run.json()["started_at"].endswith("Z")
    nulls = dict.fromkeys(("session_id", "roi_pct", "sharpe_ratio", "max_drawdown_pct", "total_trades", "reward_sum"))
    assert report(served, run_id, 1, **nulls)["episodes_completed"] == 1
    done = served.client.post(f"{API}/runs/{run_id}/complete")
    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert done.json()["completed_at"].endswith("Z")
    assert done.json()["aggregate_stats"].keys() >= DOCUMENTED_STATS
    assert done.json()["aggregate_stats"]["avg_roi_pct"] is None
    assert done.json()["learning_curve"] == {"roi_pct": [], "reward_sum": None}


def test_a_run_is_registered_once_however_often_it_is_asked_for(served: Served) -> None:
    run_id = new_run(served, "first")
    again = served.client.post(f"{API}/runs", json={"run_id": run_id, "config": {"strategy_label": "second"}})
    assert again.status_code == 201
    assert again.json()["strategy_label"] == "first"
    foreign = served.stranger.post(f"{API}/runs", json={"run_id": run_id})
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (404, "TRAINING_RUN_NOT_FOUND")


def test_an_episode_that_comes_twice_is_there_once_as_it_came_first(served: Served) -> None:
    run_id = new_run(served)
    assert told(report(served, run_id, 1, roi_pct=2.0, seed=7)) == (1, 0, [])
    run = report(served, run_id, 1, roi_pct=50.0, seed=7)
    assert run["episodes_completed"] == 1
    assert told(run) == (0, 1, [1])
    assert told(report(served, run_id, 1, roi_pct=2.0, seed=8)) == (0, 1, [1])
    assert told(report(served, run_id, 1, roi_pct=2.0, seed=7)) == (0, 1, [])
    run = batch(served, run_id, episode_number=[1, 2, 2, 3], roi_pct=[9.0, -1.0, 7.0, 5.0])
    assert run["episodes_completed"] == 3
    assert told(run) == (2, 2, [1, 2])
    assert run["aggregate_stats"]["avg_roi_pct"] == 2.0
    assert (run["aggregate_stats"]["best_roi_pct"], run["aggregate_stats"]["worst_roi_pct"]) == (5.0, -1.0)
    kept = served.client.get(f"{API}/runs/{run_id}").json()["episodes"]
    assert [episode["metrics"]["roi_pct"] for episode in kept] == [2.0, -1.0, 5.0]


def told(run: dict[str, Any]) -> tuple[int, int, list[int]]:
    return run["episodes_added"], run["episodes_known"], run["episodes_differing"]


def test_a_batch_that_is_sent_again_differs_in_nothing(served: Served) -> None:
    run_id = new_run(served)
    numbers = list(range(1, 301))
    columns: dict[str, Any] = {
        "episode_number": numbers,
        "roi_pct": [number / 7 for number in numbers],
        "sharpe_ratio": [None if number % 3 else number / 9 for number in numbers],
        "total_trades": numbers,
        "seed": [2**62 + number for number in numbers],
        "created_at": ["2026-01-01T00:00:00Z"] * 300,
    }
    assert told(batch(served, run_id, **columns)) == (300, 0, [])
    assert told(batch(served, run_id, **columns)) == (0, 300, [])
    columns["roi_pct"] = [0.0] * 300
    assert told(batch(served, run_id, **columns)) == (0, 300, numbers[:100])


def test_figures_are_those_of_the_episodes_that_have_the_metric(served: Served) -> None:
    run_id = new_run(served)
    roi = [1.5, None, -2.25, 4.0]
    run = batch(served, run_id, episode_number=[1, 2, 3, 4], roi_pct=roi, sharpe_ratio=[None, 1.0, 2.0, 3.0])
    assert run["aggregate_stats"]["avg_roi_pct"] == pytest.approx(statistics.fmean([1.5, -2.25, 4.0]))
    assert run["aggregate_stats"]["avg_sharpe"] == 2.0
    assert run["aggregate_stats"]["avg_reward_sum"] is None


def test_eight_writers_at_once_lose_and_double_nothing(served: Served) -> None:
    run = written_by_eight(served)
    stats = run["aggregate_stats"]
    assert run["episodes_completed"] == stats["total_episodes"] == 800
    assert (stats["avg_roi_pct"], stats["best_roi_pct"], stats["worst_roi_pct"]) == (400.5, 800.0, 1.0)


def test_an_episode_tells_its_session_seed_and_length(served: Served) -> None:
    run_id, session_id = new_run(served), str(uuid.uuid4())
    report(served, run_id, 1, session_id=session_id, seed=2**62, length=500, total_trades=3, roi_pct="1.25")
    episode = served.client.get(f"{API}/runs/{run_id}").json()["episodes"][0]
    assert episode["session_id"] == session_id
    assert (episode["seed"], episode["length"]) == (2**62, 500)
    assert episode["metrics"] == {"roi_pct": 1.25, "total_trades": 3}
    assert episode["created_at"].endswith("Z")


def test_a_run_that_has_ended_takes_late_episodes_in_and_goes_on_only_when_it_is_registered_again(
    served: Served,
) -> None:
    run_id = new_run(served)
    report(served, run_id, 1, roi_pct=1.0)
    first = served.client.post(f"{API}/runs/{run_id}/complete").json()
    assert served.client.post(f"{API}/runs/{run_id}/complete").json() == first
    assert report(served, run_id, 1, roi_pct=1.0)["status"] == "completed"
    late = report(served, run_id, 2, roi_pct=3.0)
    assert (late["status"], late["completed_at"]) == ("completed", first["completed_at"])
    assert (late["episodes_completed"], late["aggregate_stats"]["avg_roi_pct"]) == (2, 2.0)
    again = served.client.post(f"{API}/runs", json={"run_id": run_id}).json()
    assert (again["status"], again["completed_at"], again["strategy_label"]) == ("running", None, "ppo_v1")
    assert report(served, run_id, 3, roi_pct=2.0)["status"] == "running"
    last = served.client.post(f"{API}/runs/{run_id}/complete", json={"status": "failed"}).json()
    assert (last["status"], last["aggregate_stats"]["avg_roi_pct"]) == ("failed", 2.0)
    assert last["completed_at"] >= first["completed_at"]


def test_a_run_that_failed_says_why_until_it_goes_on(served: Served) -> None:
    run_id, why = new_run(served), "ValueError: <b>NaN</b> in the loss of step 1,024"
    ended = served.client.post(f"{API}/runs/{run_id}/complete", json={"status": "failed", "reason": why}).json()
    assert (ended["status"], ended["reason"]) == ("failed", why)
    assert served.client.get(f"{API}/runs/{run_id}").json()["reason"] == why
    page = served.client.get(f"/training/{run_id}").text
    assert '<p class="problem">Why it ended: ValueError: &lt;b&gt;NaN' in page
    assert why in served.client.get(f"{API}/runs/export").text
    assert served.client.post(f"{API}/runs", json={"run_id": run_id}).json()["reason"] is None
    assert "Why it ended" not in served.client.get(f"/training/{run_id}").text


@pytest.mark.parametrize("reason", ["x" * 501, "nothing\0ness", 5])
def test_a_reason_is_a_text_of_500_characters_at_most(served: Served, reason: object) -> None:
    run_id = new_run(served)
    answer = served.client.post(f"{API}/runs/{run_id}/complete", json={"status": "failed", "reason": reason})
    assert answer.status_code == 422
    assert served.client.get(f"{API}/runs/{run_id}").json()["status"] == "running"


def test_a_session_of_somebody_else_is_neither_linked_nor_touched(served: Served) -> None:
    span = {"start_time": "2022-01-01T00:00:00Z", "end_time": "2022-01-02T00:00:00Z", "pairs": ["BTCUSDT"]}
    body = span | {"starting_balance": "1000", "candle_interval": 3600, "strategy_label": "stepped"}
    foreign, own = (
        asked.post("/api/v1/backtest/create", json=body).json()["session_id"]
        for asked in (served.stranger, served.client)
    )
    run_id = new_run(served)
    batch(served, run_id, episode_number=[1, 2, 3], session_id=[foreign, own, "no such session"])
    shown = served.client.get(f"{API}/runs/{run_id}").json()["episodes"]
    assert [episode["session_id"] for episode in shown] == [foreign, own, "no such session"]
    with served.platform.database.read() as connection:
        query = select(backtests.c.id, backtests.c.run_id, backtests.c.episode_number)
        linked = {id: (run, number) for id, run, number in connection.execute(query) if id in (foreign, own)}
        led = [backtest_of(connection, account_of(connection, run_id), run_id, number) for number in (1, 2, 3)]
    assert linked == {foreign: (None, None), own: (run_id, 2)}
    assert led == [None, own, None]


def account_of(connection: Connection, run_id: str) -> str:
    return str(connection.scalar(select(training_runs.c.account_id).where(training_runs.c.id == run_id)))


def test_runs_are_listed_newest_first_filtered_sorted_and_in_pages(fresh_server: Served) -> None:
    ids = [new_run(fresh_server, label) for label in ("a", "b", "a")]
    batch(fresh_server, ids[0], episode_number=[1, 2])
    fresh_server.client.post(f"{API}/runs/{ids[1]}/complete")

    def listed(**query: Any) -> list[str]:
        answer = fresh_server.client.get(f"{API}/runs", params=query)
        assert answer.status_code == 200
        return [run["run_id"] for run in answer.json()]

    assert listed() == ids[::-1]
    assert listed(strategy_label="a") == [ids[2], ids[0]]
    assert listed(status="completed") == [ids[1]]
    assert listed(sort="-episodes_completed")[0] == ids[0]
    assert listed(sort="completed_at")[0] == ids[1]
    assert listed(limit=1, offset=1) == [ids[1]]
    assert fresh_server.client.get(f"{API}/runs", params={"limit": 1}).headers["x-total-count"] == "3"
    labels = fresh_server.client.get(f"{API}/labels").json()["labels"]
    assert labels == [{"strategy_label": "a", "runs": 2}, {"strategy_label": "b", "runs": 1}]
    assert fresh_server.stranger.get(f"{API}/runs").json() == []
    assert fresh_server.stranger.get(f"{API}/labels").json() == {"labels": [], "total": 0}


def test_the_learning_curve_is_the_trailing_mean(served: Served) -> None:
    run_id = new_run(served)
    values = [3.0, 1.0, None, 8.0, -2.0]
    batch(served, run_id, episode_number=[1, 2, 3, 4, 5], roi_pct=values)
    curve = served.client.get(f"{API}/runs/{run_id}/learning-curve", params={"window": 3}).json()
    assert curve["episode_numbers"] == [1, 2, 4, 5]
    assert curve["raw_values"] == [3.0, 1.0, 8.0, -2.0]
    assert curve["smoothed_values"] == pytest.approx([3.0, 2.0, 4.0, 7.0 / 3.0], abs=1e-4)
    assert (curve["metric"], curve["window"]) == ("roi_pct", 3)


def test_a_long_curve_has_no_more_points_than_asked_for_and_keeps_its_extremes(served: Served) -> None:
    run_id = new_run(served)
    values = [float(number % 7) for number in range(1, 3001)]
    values[1234], values[2345] = 99.0, -99.0
    batch(served, run_id, episode_number=list(range(1, 3001)), reward_sum=values)
    query: dict[str, Any] = {"metric": "reward_sum", "points": 100, "window": 50}
    curve = served.client.get(f"{API}/runs/{run_id}/learning-curve", params=query).json()
    assert len(curve["raw_values"]) == len(curve["smoothed_values"]) == len(curve["episode_numbers"]) <= 100
    assert {99.0, -99.0} <= set(curve["raw_values"])
    assert (curve["episode_numbers"][0], curve["episode_numbers"][-1]) == (1, 3000)
    place = curve["episode_numbers"].index(1235)
    assert curve["smoothed_values"][place] == pytest.approx(statistics.fmean(values[1185:1235]), abs=1e-4)
    whole = served.client.get(f"{API}/runs/{run_id}/learning-curve", params={"metric": "reward_sum"}).json()
    assert whole["raw_values"] == values


def test_episodes_come_in_pages_sorted_and_searched(served: Served) -> None:
    run_id = new_run(served)
    batch(
        served,
        run_id,
        episode_number=[1, 2, 11, 12],
        roi_pct=[1.0, 4.0, None, -3.0],
        session_id=["aa", "ab", None, "b"],
        seed=[7, 8, 9, 77],
    )

    def numbers(**query: Any) -> list[int]:
        answer = served.client.get(f"{API}/runs/{run_id}/episodes", params=query).json()
        return [episode["episode_number"] for episode in answer["episodes"]]

    assert numbers() == [1, 2, 11, 12]
    assert numbers(sort="roi_pct", order="desc") == [2, 1, 12, 11]
    assert numbers(search="1") == [1, 11, 12]
    assert numbers(search="a") == [1, 2]
    assert numbers(search="77") == [12]
    assert numbers(search="%") == []
    assert numbers(limit=2, offset=1) == [2, 11]
    assert served.client.get(f"{API}/runs/{run_id}/episodes", params={"limit": 1}).json()["total"] == 4


def test_runs_are_compared_in_the_order_asked_for_without_those_of_others(served: Served) -> None:
    ids = [new_run(served) for _ in range(3)]
    report(served, ids[1], 1, roi_pct=5.0)
    asked = [ids[2], str(uuid.uuid4()), ids[1], ids[0]]
    found = served.client.get(f"{API}/compare", params={"run_ids": ",".join(asked)}).json()["runs"]
    assert [run["run_id"] for run in found] == [ids[2], ids[1], ids[0]]
    assert found[1]["aggregate_stats"]["avg_roi_pct"] == 5.0
    assert found[0].keys() >= {"run_id", "status", "episodes_completed", "aggregate_stats", "started_at"}
    assert served.stranger.get(f"{API}/compare", params={"run_ids": ",".join(asked)}).json() == {"runs": []}
    # one beside nothing is that one; the documented API has no least number here
    for one in (ids[0], f"{ids[0]},{ids[0]}"):
        found = served.client.get(f"{API}/compare", params={"run_ids": one}).json()["runs"]
        assert [run["run_id"] for run in found] == [ids[0]]
    for wrong in ("", ",", f"{ids[0]},x", ",".join(str(uuid.uuid4()) for _ in range(21))):
        assert served.client.get(f"{API}/compare", params={"run_ids": wrong}).status_code == 422


def test_downloads_hold_every_episode_and_no_formula(served: Served) -> None:
    run_id = new_run(served, "=HYPERLINK(1)")
    count = 4500  # more than two pages of the reader
    sessions = ["=1+1", "@x", "-1", *["s"] * (count - 3)]
    batch(served, run_id, episode_number=list(range(1, count + 1)), roi_pct=[-1.5] * count, session_id=sessions)
    text = served.client.get(f"{API}/runs/{run_id}/episodes/export").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["episode_number"]) for row in rows] == list(range(1, count + 1))
    assert [row["session_id"] for row in rows[:4]] == ["'=1+1", "'@x", "'-1", "s"]
    assert rows[0]["roi_pct"] == "-1.5"
    plain = served.client.get(f"{API}/runs/{run_id}/episodes/export", params={"format": "json"})
    assert [episode["session_id"] for episode in plain.json()] == sessions
    assert plain.headers["content-disposition"].endswith('.json"')
    listed = list(csv.DictReader(io.StringIO(served.client.get(f"{API}/runs/export").text)))
    assert next(row for row in listed if row["run_id"] == run_id)["strategy_label"] == "'=HYPERLINK(1)"
    assert served.stranger.get(f"{API}/runs/export", params={"format": "json"}).json() == []


def test_a_deleted_run_is_gone_with_its_episodes(served: Served) -> None:
    run_id = new_run(served)
    report(served, run_id, 1)
    assert served.client.delete(f"{API}/runs/{run_id}").status_code == 204
    assert served.client.get(f"{API}/runs/{run_id}").status_code == 404
    assert served.client.delete(f"{API}/runs/{run_id}").status_code == 404


ROUTES = [
    ("GET", "/runs/{id}", None),
    ("DELETE", "/runs/{id}", None),
    ("GET", "/runs/{id}/episodes", None),
    ("GET", "/runs/{id}/episodes/export", None),
    ("GET", "/runs/{id}/learning-curve", None),
    ("POST", "/runs/{id}/complete", None),
    ("POST", "/runs/{id}/episodes", {"episode_number": 1}),
    ("POST", "/runs/{id}/episodes/batch", {"columns": {"episode_number": [1]}}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_a_strangers_run_is_as_unknown_as_one_that_does_not_exist(
    served: Served, method: str, path: str, body: dict[str, Any] | None
) -> None:
    run_id, nobody = new_run(served), str(uuid.uuid4())
    foreign = served.stranger.request(method, API + path.format(id=run_id), json=body)
    unknown = served.stranger.request(method, API + path.format(id=nobody), json=body)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(run_id, nobody) == unknown.text
    assert foreign.json()["error"]["code"] == "TRAINING_RUN_NOT_FOUND"
    assert served.anonymous.request(method, API + path.format(id=run_id), json=body).status_code == 401
    malformed = served.client.request(method, API + path.format(id="not-a-uuid"), json=body)
    assert (malformed.status_code, malformed.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert served.client.get(f"{API}/runs/{run_id}").json()["episodes_completed"] == 0


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"episode_number": [0]},
        {"episode_number": [1, 2], "roi_pct": [1.0]},
        {"episode_number": [1], "roi_pct": ["x"]},
        {"episode_number": [1], "seed": [2**63]},
        {"episode_number": [2**31]},
        {"episode_number": [1], "session_id": ["a\0b"]},
        {"episode_number": [1], "created_at": ["0001-01-01T00:00:00Z"]},
        {"episode_number": [1], "roi_pct": [1e300]},
    ],
)
def test_a_batch_outside_the_domain_is_refused_whole(served: Served, columns: dict[str, Any]) -> None:
    run_id = new_run(served)
    answer = served.client.post(f"{API}/runs/{run_id}/episodes/batch", json={"columns": columns})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert served.client.get(f"{API}/runs/{run_id}").json()["episodes_completed"] == 0


def test_a_batch_above_the_limit_is_refused_by_name(served: Served) -> None:
    numbers = list(range(1, served.platform.settings.limits.episodes_batch + 2))
    answer = served.client.post(
        f"{API}/runs/{new_run(served)}/episodes/batch", json={"columns": {"episode_number": numbers}}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "BATCH_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/runs", {"limit": 101}),
        ("/runs", {"limit": 0}),
        ("/runs", {"status": "gone"}),
        ("/runs", {"sort": "config"}),
        ("/runs", {"strategy_label": "a\0"}),
        ("/runs/{id}/learning-curve", {"metric": "password"}),
        ("/runs/{id}/learning-curve", {"window": 101}),
        ("/runs/{id}/learning-curve", {"points": 1}),
        ("/runs/{id}/episodes", {"sort": "run_id"}),
        ("/runs/{id}/episodes", {"order": "up"}),
        ("/runs/{id}/episodes/export", {"format": "exe"}),
    ],
)
def test_a_query_outside_its_domain_is_refused_in_the_envelope(
    served: Served, path: str, query: dict[str, Any]
) -> None:
    answer = served.client.get(API + path.format(id=new_run(served)), params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


def test_a_configuration_that_is_no_json_or_too_large_is_refused(served: Served) -> None:
    headers = {"Content-Type": "application/json"}
    head = f'{{"run_id": "{uuid.uuid4()}", "config": '
    for config in ('{"a": NaN}', '{"a": "' + "x" * 70_000 + '"}'):
        answer = served.client.post(f"{API}/runs", content=head + config + "}", headers=headers)
        assert answer.status_code == 422, answer.text
    odd = served.client.post(
        f"{API}/runs", json={"run_id": str(uuid.uuid4()), "config": {"strategy_label": "a\0b" * 200}}
    )
    assert odd.status_code == 201
    assert odd.json()["strategy_label"] == ("ab" * 200)[:200]


@pytest.mark.parametrize("config", ['{"note": "\\ud800"}', '{"strategy_label": "\\ud800"}'])
def test_half_a_surrogate_pair_is_refused_and_the_list_still_answers(served: Served, config: str) -> None:
    body = f'{{"run_id": "{uuid.uuid4()}", "config": {config}}}'
    answer = served.client.post(f"{API}/runs", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert served.client.get(f"{API}/runs").status_code == 200


@pytest.mark.parametrize("kept", ["a", "abcde", "====", "?"])
def test_actions_that_are_no_base64_are_refused(served: Served, kept: str) -> None:
    run_id = str(uuid.uuid4())
    served.client.post("/api/v1/training/runs", json={"run_id": run_id})
    body = {"episode_number": 1, "kept": kept}
    answer = served.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("config", "planned"),
    [
        ({"episodes_total": 40}, 40),
        ({"total_episodes": 7}, 7),
        ({"episodes": 3, "episodes_total": 4}, 4),
        ({}, None),
        ({"episodes": True}, None),
        ({"episodes": 0}, None),
        ({"episodes": "5"}, None),
        ({"episodes": 2**80}, None),
    ],
)
def test_a_run_says_how_many_episodes_are_planned_where_its_configuration_does(
    served: Served, config: dict[str, Any], planned: int | None
) -> None:
    run_id = str(uuid.uuid4())
    run = served.client.post(f"{API}/runs", json={"run_id": run_id, "config": config}).json()
    assert run["episodes_total"] == planned
    assert served.client.get(f"{API}/runs/{run_id}").json()["episodes_total"] == planned


def test_what_is_counted_is_a_whole_number(served: Served) -> None:
    run_id = new_run(served)
    report(served, run_id, 1, total_trades=3, roi_pct=2, sharpe_ratio=1)
    run = served.client.get(f"{API}/runs/{run_id}")
    assert '"total_episodes":1,' in run.text
    assert '"total_trades":3' in run.text and '"total_trades":3.0' not in run.text
    assert '"roi_pct":2.0' in run.text
    assert '"total_trades":3}' in served.client.get(f"{API}/runs/{run_id}/episodes").text
