"""Addresses of the dashboard with values that no link of it has: refused, never a failure."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from populated import fill_backtests, fill_runs
from serving import Served, serving

BIG, OVER = str(10**30), str(2**31)
VALUES = ("%00", "a%00b", "-1", "0", BIG, "-" + BIG, OVER, str(2**63), "x", "nan", "%ED%A0%80", "%C3%28")
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgresql)


@pytest.fixture(scope="module", params=["sqlite", POSTGRESQL])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Any]]:
    """A server with a run and a backtest, and values that lead somewhere, by the names of parameters."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_server")
    with serving(tmp_path_factory.mktemp("fuzz"), database_url=url, ingest_journals=False) as server:
        run = fill_runs(server.platform.database, 1, 20)[0]
        backtest = fill_backtests(server.platform.database, 1)[0]
        yield server, {"run_id": run, "session_id": backtest, "episode_number": "1", "suffix": "json"}


def pages_of(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """The routes of the dashboard that can be asked for; its stream of events never ends."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from pages_of(inner.routes)
        elif isinstance(route, APIRoute) and not route.include_in_schema and route.path != "/events":
            yield from (route,) if "GET" in (route.methods or ()) else ()


def addresses(route: APIRoute, good: dict[str, str], value: str) -> Iterator[str]:
    """The route with this value in each of its parameters, one at a time."""
    names = [field.name for field in route.dependant.path_params]
    path = {name: good.get(name, "x") for name in names}
    for name in names:
        yield filled_in(route.path, {**path, name: value})
    for field in route.dependant.query_params:
        yield f"{filled_in(route.path, path)}?{field.alias}={value}"


def filled_in(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


@pytest.mark.parametrize("value", VALUES)
def test_no_value_makes_a_page_fail(value: str, filled: tuple[Served, dict[str, str]]) -> None:
    server, good = filled
    asked = [address for route in pages_of(server.app.router.routes) for address in addresses(route, good, value)]
    assert len(asked) > 30
    failed = [address for address in asked if server.client.get(address).status_code >= 500]
    assert not failed


@pytest.mark.parametrize(
    "address",
    [
        "/training?label=a%00b",
        "/backtest?label=%00",
        "/training/%00",
        "/backtest/%00",
        "/dashboard/runs?ids=%00",
        "/dashboard/backtests/x%00/equity",
        f"/dashboard/runs/x/episodes/{BIG}/equity",
        f"/dashboard/runs/x/episodes/{OVER}/equity",
        f"/training/x/episodes/{OVER}",
        f"/dashboard/runs/x/curve?after={OVER}",
        f"/events?since={BIG}",
        "/events?since=-1",
        "/login?next=%00",
    ],
)
def test_what_no_database_takes_is_refused_before_it(address: str, filled: tuple[Served, dict[str, str]]) -> None:
    with filled[0].client.stream("GET", address) as answer:
        assert answer.status_code == 422


def test_a_file_with_a_nul_is_not_there(filled: tuple[Served, dict[str, str]]) -> None:
    page = filled[0].client.get("/training").text
    assets = page.partition('href="/assets/')[2].partition("/")[0]
    assert filled[0].client.get(f"/assets/{assets}/a%00b").status_code in (404, 422)
