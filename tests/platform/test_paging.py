"""No list is without an end: every list route takes `limit`, and refuses one above the server's `Limits`."""

import copy
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from backtest_calls import begin, hours, look, order, step, stored
from published import published
from serving import Served, serving

from tradeready_gym.platform.api.paging import LIMIT_KEY, document
from tradeready_gym.platform.settings import Limits

API = "/api/v1"
PAGES = tuple(field.name for field in fields(Limits) if field.name == "page" or field.name.endswith("_page"))
SMALL = Limits(**dict.fromkeys(PAGES, 2))
ANY_ID = "00000000-0000-0000-0000-000000000000"
SPAN = {"start_time": "2023-01-10T00:00:00Z", "end_time": "2023-01-12T00:00:00Z"}
# what else keeps these lists short
BOUNDED = {
    f"{API}/account/balance": "the symbols of the feed",
    f"{API}/account/portfolio": "the symbols of the feed",
    f"{API}/account/positions": "the symbols of the feed",
    f"{API}/backtest/compare": "Limits.compared_runs",
    f"{API}/backtest/{{session_id}}/account/balance": "the pairs of the backtest, 100",
    f"{API}/backtest/{{session_id}}/account/portfolio": "the pairs of the backtest, 100",
    f"{API}/backtest/{{session_id}}/account/positions": "the pairs of the backtest, 100",
    f"{API}/backtest/{{session_id}}/results": "the pairs of the backtest, 100",
    f"{API}/market/data-range": "the first 1,000 gaps",
    f"{API}/market/orderbook/{{symbol}}": "depth",
    f"{API}/training/compare": "Limits.compared_runs",
    f"{API}/training/runs/export": "a download, row by row",
    f"{API}/training/runs/{{run_id}}": "the first 1,000 episodes",
    f"{API}/training/runs/{{run_id}}/episodes/export": "a download, row by row",
}


def unbounded(schema: dict[str, Any]) -> list[str]:
    """The routes that answer a list of things and take no limit."""
    found = []
    for path, item in schema["paths"].items():
        operation = item.get("get")
        if operation is not None and path not in BOUNDED and _has_list(operation, schema):
            limit = [parameter for parameter in operation.get("parameters", ()) if parameter["name"] == "limit"]
            if not limit or "maximum" not in limit[0]["schema"]:
                found.append(path)
    return found


def _has_list(operation: dict[str, Any], schema: dict[str, Any]) -> bool:
    answer = operation["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})
    if answer.get("type") == "array":
        return True
    model = schema["components"]["schemas"].get(answer.get("$ref", "").rsplit("/", 1)[-1], {})
    return any("$ref" in field.get("items", {}) for field in model.get("properties", {}).values())


def paged() -> list[str]:
    """The list routes."""
    paths = published().schema["paths"].items()
    return [
        path
        for path, item in paths
        if any(parameter["name"] == "limit" for parameter in item.get("get", {}).get("parameters", ()))
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that answers two of anything."""
    with serving(tmp_path_factory.mktemp("small"), ingest_journals=False, limits=SMALL) as server:
        yield server


def test_every_list_route_takes_a_limit() -> None:
    assert unbounded(published().schema) == []
    assert set(BOUNDED) <= set(published().schema["paths"])


def test_a_list_without_a_limit_is_found() -> None:
    for path in (f"{API}/keys", f"{API}/training/runs", f"{API}/backtest/list"):
        schema = copy.deepcopy(published().schema)
        schema["paths"][path]["get"]["parameters"].clear()
        assert unbounded(schema) == [path]


@pytest.mark.parametrize("path", paged())
def test_a_limit_above_the_servers_is_refused(small: Served, path: str) -> None:
    named = {"session_id": ANY_ID, "run_id": ANY_ID, "deployment_id": ANY_ID, "symbol": "BTCUSDT"}
    answer = small.client.get(path.format(**named), params={"limit": 3, **SPAN})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["details"] == {"field": "limit", "limit": 2}
    asked = small.client.get(path.format(**named), params={"limit": 2, **SPAN})
    assert "field" not in asked.text or asked.json()["error"]["details"].get("field") != "limit"


@pytest.mark.parametrize("path", paged())
def test_the_schema_says_the_servers_own_limit(small: Served, path: str) -> None:
    own = small.anonymous.get("/openapi.json").json()["paths"][path]["get"]["parameters"]
    assert next(p["schema"] for p in own if p["name"] == "limit")["maximum"] == 2
    usual = published().schema["paths"][path]["get"]["parameters"]
    known = {getattr(Limits(), name) for name in PAGES}
    assert next(p["schema"] for p in usual if p["name"] == "limit")["maximum"] in known


def test_what_is_not_asked_for_is_no_more_than_the_limit(small: Served) -> None:
    for number in range(3):
        small.client.post(f"{API}/keys", json={"name": f"key {number}", "scopes": ["read"]})
        small.client.post(f"{API}/agents", json={"display_name": f"agent {number}"})
    for path, name in ((f"{API}/keys", "keys"), (f"{API}/agents", "agents"), (f"{API}/agents/overview", "agents")):
        total = small.client.get(path).json()["total"]
        pages = [small.client.get(path, params={"offset": offset}).json()[name] for offset in range(0, total + 2, 2)]
        assert total >= 3
        assert max(map(len, pages)) == 2
        assert len({repr(entry) for page in pages for entry in page}) == total


def test_the_lists_of_a_backtest_come_in_pages(small: Served) -> None:
    session = begin(small.client, **stored(small.platform, hours([100.0] * 24)))
    for _ in range(3):
        order(small.client, session, "buy", 1)
        order(small.client, session, "buy", 1, type="limit", price=1)
    step(small.client, session, 10)
    for path, name, total in (
        ("trade/orders", "orders", 6),
        ("trade/orders/open", "orders", 3),
        ("trade/history", "trades", 3),
        ("results/trades", "trades", 3),
        ("results/equity-curve", "snapshots", 11),
    ):
        pages = [look(small.client, session, f"{path}?offset={offset}") for offset in range(0, total, 2)]
        assert [page["total"] for page in pages] == [total] * len(pages)
        assert [len(page[name]) for page in pages] == [2] * (total // 2) + [1] * (total % 2)
        shown = [repr(entry) for page in pages for entry in page[name]]
        assert len(set(shown)) == total


def test_a_limit_is_documented_as_the_record_has_it() -> None:
    parameter: dict[str, Any] = {"schema": {LIMIT_KEY: "runs_page", "x-default": 50}}
    document(parameter, Limits(runs_page=10))
    assert (parameter["schema"]["maximum"], parameter["schema"]["default"]) == (10, 10)
