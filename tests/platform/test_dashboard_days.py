"""Profit by day, the words of numbers, and the equity of an episode in small: against numbers done by hand."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from populated import fill_backtests, fill_runs
from serving import Served, serving
from sqlalchemy import update

from tradeready_gym.platform.dashboard import days, words
from tradeready_gym.platform.database.tables import training_runs

DAY = 86_400_000_000
MONDAY = 1_641_168_000_000_000  # 2022-01-03


def test_what_is_known_at_midnight_belongs_to_the_day_that_ends() -> None:
    hour = DAY // 24
    points = [(MONDAY, 100.0), (MONDAY + DAY, 110.0), (MONDAY + DAY + hour, 104.5), (MONDAY + 2 * DAY, 99.0)]
    found = days.gains(points)
    assert found == {
        "span": "day",
        "days": 1,
        "times": [MONDAY / 1e6, (MONDAY + DAY) / 1e6],
        "gain": [10.0, -11.0],
        "roi_pct": [10.0, -10.0],
    }


@pytest.mark.parametrize(("count", "span", "length"), [(400, "day", 1), (401, "week", 7), (2801, "four weeks", 28)])
def test_of_more_days_than_can_be_drawn_there_are_weeks_that_begin_on_mondays(
    count: int, span: str, length: int
) -> None:
    points = [(MONDAY + k * DAY, 100.0 + k) for k in range(count + 1)]
    found = days.gains(points)
    assert (found["span"], found["days"]) == (span, length)
    assert sum(found["gain"]) == pytest.approx(count)
    assert found["gain"][1] == length
    assert length == 1 or datetime.fromtimestamp(found["times"][1], UTC).weekday() == 0
    assert len(found["times"]) <= days.MOST + 1


def test_nothing_played_has_no_days_and_ruin_divides_by_nothing() -> None:
    assert days.gains([])["times"] == []
    assert days.gains([(MONDAY, 100.0)])["gain"] == []
    assert days.gains([(MONDAY, 100.0), (MONDAY + DAY, 0.0), (MONDAY + 2 * DAY, 0.0)])["roi_pct"] == [-100.0, 0.0]


@pytest.mark.parametrize(
    ("seconds", "start_hour", "steps", "every"),
    [(3600, 0, 1000, 1), (3600, 0, 30_000, 12), (60, 0, 1_500_000, 720), (3600, 5, 30_000, 1), (86_400, 0, 9000, 1)],
)
def test_a_running_backtest_is_looked_at_where_its_days_end(
    seconds: int, start_hour: int, steps: int, every: int
) -> None:
    row: Any = SimpleNamespace(
        candle_interval=seconds, start_time=MONDAY + start_hour * 3_600_000_000, current_step=steps
    )
    found = days.whole_days(row, 1500)
    assert found == every
    # stepping by so many candles from its start, it meets midnight
    first = start_hour * 3600
    assert any((first + k * found * seconds) % 86_400 == 0 for k in range(86_400 // seconds + 1))


@pytest.mark.parametrize(
    ("value", "text"),
    [(42_000.526, "42,000.53"), (0.41789, "0.4179"), (0.00002317, "0.00002317"), (0.03, "0.03"), (-0.0291, "−0.0291")],
)
def test_small_numbers_keep_the_digits_that_tell_them_apart(value: float, text: str) -> None:
    assert words.brief(value) == text


def test_what_is_between_backticks_is_code_and_nothing_is_markup() -> None:
    assert str(words.coded("a `b<i>` <c>")) == "a <code>b&lt;i&gt;</code> &lt;c&gt;"


@pytest.fixture
def played(tmp_path: Path) -> Any:
    """A server, a run and the number of an episode of it that is here as a backtest."""
    with serving(tmp_path / "platform", ingest_journals=False) as server:
        [run_id] = fill_runs(server.platform.database, 1, 30)
        fill_backtests(server.platform.database, 0, replays=[(run_id, 3)])
        yield server, run_id


def test_the_equity_of_an_episode_begins_at_nothing_and_says_why_there_is_none(played: tuple[Served, str]) -> None:
    server, run_id = played
    answer = server.client.get(f"/dashboard/runs/{run_id}/episodes/3/equity").json()
    whole = server.client.get(f"/dashboard/backtests/{answer['session_id']}/equity").json()["equity"]
    assert answer["roi_pct"][0] == 0.0
    assert answer["roi_pct"][-1] == pytest.approx(100 * (whole[-1] / whole[0] - 1), abs=1e-3)
    assert len(answer["times"]) <= 301
    other = server.client.get(f"/dashboard/runs/{run_id}/episodes/4/equity").json()
    assert (other["times"], other["problem"]) == ([], "It has not been played again yet.")
    asked = server.client.get(f"/dashboard/runs/{run_id}/episodes/4/equity?play=true").json()
    assert "actions" in asked["problem"]


def test_a_stranger_downloads_nothing_of_it(played: tuple[Served, str]) -> None:
    server, run_id = played
    assert server.stranger.get(f"/dashboard/runs/{run_id}/episodes/3/equity").status_code == 404
    session = server.client.get(f"/dashboard/runs/{run_id}/episodes/3/equity").json()["session_id"]
    for path in (
        "/dashboard/runs.json",
        "/dashboard/backtests.json?hide=0",
        f"/dashboard/backtests.json?sessions={session}",
    ):
        assert len(server.client.get(path).json()) == 1, path
        assert server.stranger.get(path).json() == [], path
    assert server.anonymous.get("/dashboard/runs.json").status_code == 401


def test_a_formula_in_a_label_is_text_in_a_spreadsheet(played: tuple[Served, str]) -> None:
    server, run_id = played
    with server.platform.database.write() as connection:
        changed = update(training_runs).where(training_runs.c.id == run_id)
        connection.execute(changed.values(strategy_label="=1+1"))
    lines = server.client.get("/dashboard/runs.csv").text.splitlines()
    assert ",'=1+1," in lines[1]


def test_a_failure_is_a_page_for_people(played: tuple[Served, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = played
    monkeypatch.setattr("tradeready_gym.platform.dashboard.candles.stored", lambda home: 1 / 0)
    page = server.client.get("/data", headers={"Accept": "text/html", "Connection": "close"})
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "It failed" in page.text
    assert "ZeroDivisionError" not in page.text
    assert server.client.get("/data").json()["error"]["code"] == "INTERNAL_ERROR"
