"""Requests a minute: by group, by who asks, together for all processes on one database."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served, client_of, serving
from sqlalchemy import func, select

from tradeready_gym.cli.serve import serve
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.platform import Limits, Settings, clock
from tradeready_gym.platform.database import Database, upgrade
from tradeready_gym.platform.database.tables import request_counts
from tradeready_gym.platform.rates import MINUTE, Rates, forget_counts, group_of

API = "/api/v1"
BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture
def minute(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A clock that stands still in the first second of a minute; its only element may be moved."""
    at = [clock.now() // MINUTE * MINUTE + 1_000_000]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    return at


@pytest.fixture(params=BACKENDS)
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Database]]:
    """The same database as three processes have it."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    settings = Settings(home=tmp_path, database_url=url)
    found = [Database(settings.database_url) for _ in range(3)]
    upgrade(found[0])
    yield found
    for database in found:
        database.close()


def allowed(rates: Rates, times: int, group: str = "orders", who: str = "ada") -> int:
    """How many of so many requests are let through."""
    counts = [rates.count(group, who) for _ in range(times)]
    return sum(count is None or count.remaining >= 0 for count in counts)


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/api/v1/trade/orders/open", "orders"),
        ("/api/v1/backtest/x/step", "backtest"),
        ("/api/v1/backtest/x/trade/order", "backtest"),
        ("/api/v1/market/prices", "market_data"),
        ("/api/v1/training/runs", "training"),
        ("/api/v1/account/info", "general"),
        ("/training", "general"),
    ],
)
def test_the_first_part_of_a_path_says_the_group(path: str, group: str) -> None:
    assert group_of(path) == group


def test_the_documented_limits_are_those_of_the_documentation() -> None:
    assert Limits.documented().rates() == {
        "orders": 100, "backtest": 6000, "market_data": 1200, "training": 3000, "general": 600, "login": 5, "register": 3,
    }  # fmt: skip


def test_a_group_of_which_nothing_is_said_has_the_general_limit_and_by_default_none() -> None:
    assert {name for name, rate in Limits().rates().items() if rate is not None} == {"login", "register"}
    rates = Limits(requests_per_minute=7, backtest_per_minute=9).rates()
    assert (rates["orders"], rates["general"], rates["backtest"]) == (7, 7, 9)


@pytest.mark.parametrize("name", ["orders_per_minute", "registrations_per_minute"])
def test_a_limit_of_nothing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be at least 1"):
        Settings(home=tmp_path, limits=Limits(**{name: 0}))


def test_one_process_lets_exactly_the_limit_through(databases: list[Database], minute: list[int]) -> None:
    rates = Rates(databases[0], {"orders": 100, "login": 5})
    assert allowed(rates, 150) == 100
    assert allowed(rates, 9, "login") == 5
    # everybody has an own limit, and every minute a new one
    assert allowed(rates, 150, who="bob") == 100
    minute[0] += MINUTE
    assert allowed(rates, 150) == 100
    assert allowed(rates, 1000, "unlimited") == 1000


def test_the_headers_count_down_to_nothing(databases: list[Database], minute: list[int]) -> None:
    rates = Rates(databases[0], {"orders": 60})
    counts = [rates.count("orders", "ada") for _ in range(61)]
    assert [count.remaining for count in counts if count] == [*range(59, -1, -1), -1]
    assert {count.reset for count in counts if count} == {(minute[0] // MINUTE + 1) * 60}
    assert counts[-1] and counts[-1].headers()["X-RateLimit-Remaining"] == "0"


def test_three_processes_together_never_exceed_the_limit(databases: list[Database], minute: list[int]) -> None:
    limit, portion = 100, 5
    each: list[int] = []
    processes = [Rates(database, {"orders": limit}) for database in databases]
    threads = [threading.Thread(target=lambda r=rates: each.append(allowed(r, 120))) for rates in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # nobody stopped before the database had nothing left, so what is not handed out is less than a portion each
    assert limit - 2 * portion <= sum(each) <= limit


def test_a_small_limit_is_exact_over_processes(databases: list[Database], minute: list[int]) -> None:
    processes = [Rates(database, {"login": 5}) for database in databases]
    assert sum(allowed(rates, 1, "login") for _ in range(4) for rates in processes) == 5


def test_counts_of_minutes_that_are_over_are_forgotten(databases: list[Database], minute: list[int]) -> None:
    rates = Rates(databases[0], {"orders": 10})
    for _ in range(4):
        allowed(rates, 3)
        minute[0] += MINUTE
    forget_counts(databases[0])
    with databases[0].read() as connection:
        assert connection.scalar(select(func.count()).select_from(request_counts)) == 1


def test_a_limited_request_says_how_many_are_left_and_one_too_many_when_to_come_back(
    tmp_path: Path, minute: list[int]
) -> None:
    with serving(tmp_path, limits=Limits(backtest_per_minute=2), ingest_journals=False) as server:
        answers = [server.client.get(f"{API}/backtest/list") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"2"}
        error = answers[2].json()["error"]
        assert error["code"] == "RATE_LIMIT_EXCEEDED"
        assert error["details"] == {"limit": 2, "window_seconds": 60, "retry_after_seconds": 59}
        assert answers[2].headers["retry-after"] == "59"
        # another group and another account are not meant
        free = server.client.get(f"{API}/training/runs")
        assert free.status_code == 200 and "x-ratelimit-limit" not in free.headers
        assert server.stranger.get(f"{API}/backtest/list").status_code == 200


def test_market_data_is_limited_by_address_for_it_needs_no_key(tmp_path: Path, minute: list[int]) -> None:
    with serving(tmp_path, limits=Limits(market_per_minute=2), ingest_journals=False) as server:
        clients = (server.client, server.stranger, server.anonymous)
        assert [client.get(f"{API}/market/pairs").status_code for client in clients] == [200, 200, 429]


def test_two_servers_on_one_database_count_together(fresh_server: Served, tmp_path: Path, minute: list[int]) -> None:
    url = fresh_server.platform.settings.database_url
    limits = Limits(registrations_per_minute=3)
    options = {"database_url": url, "limits": limits, "ingest_journals": False}
    with serving(tmp_path / "one", **options) as one, serving(tmp_path / "two", **options) as two:
        clients = [client_of(one.url, None), client_of(two.url, None)]
        posts = [clients[k % 2].post(f"{API}/auth/register", json={}).status_code for k in range(5)]
        assert posts == [201, 201, 201, 429, 429]
        for client in clients:
            client.close()


def test_two_ways_to_set_the_limits_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        serve(home=tmp_path, documented_rates=True, requests_per_minute=5)
