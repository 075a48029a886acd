"""What `/openapi.json` says of every route: its answers, its errors, who may ask. And that answers are as it says."""

import copy
import itertools
from typing import Any

import pytest
from published import Published, published
from serving import Served

from tradeready_gym.platform.api.documentation import CODES_FIELD, STATUSES

ERROR = "#/components/schemas/ErrorAnswer"
# nothing can be wrong with a request to these
ALWAYS = {"/health", "/metrics"}
PUBLIC = ("/api/v1/auth/", "/api/v1/market/", *ALWAYS)
SCHEMES: list[dict[str, list[str]]] = [{"key": []}, {"token": []}, {"login": []}]


def gaps(schema: dict[str, Any]) -> list[str]:
    """What the schema does not say of a route, one line each."""
    found = []
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            found += [f"{method} {path}: {gap}" for gap in _of_operation(path, operation, schema)]
    return found


def _of_operation(path: str, operation: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    responses, found = operation["responses"], []
    good = [answer for status, answer in responses.items() if status.startswith("2")]
    contents = [content for answer in good for content in answer.get("content", {}).items()]
    if "204" not in responses and not contents:
        found.append("no answer")
    found += [f"{media} says nothing" for media, content in contents if not _tells(media, content["schema"], schema)]
    refusals = {status: answer for status, answer in responses.items() if status.startswith("4")}
    if path not in ALWAYS and not refusals:
        found.append("no refusal")
    for status, answer in refusals.items():
        if answer.get("content", {}).get("application/json", {}).get("schema") != {"$ref": ERROR}:
            found.append(f"{status} has no envelope")
    if not path.startswith(PUBLIC) and (operation.get("security") != SCHEMES or not {"401", "403"} <= set(refusals)):
        found.append("it does not say that it needs a key")
    if not operation.get("summary") or not operation.get("description"):
        found.append("no summary")
    return found


def _tells(media: str, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    if media != "application/json":
        return bool(schema)
    part = schema.get("items", schema)
    if "$ref" in part:
        part = whole["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]]
    # a download is rows of whatever the run has
    return bool(part.get("properties")) or schema.get("type") == "array"


def test_every_route_says_what_it_answers_and_who_may_ask() -> None:
    assert gaps(published().schema) == []


def test_every_code_is_at_its_status_and_used() -> None:
    used = set()
    for item in published().schema["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                used |= set(answer.get(CODES_FIELD, ()))
                assert all(STATUSES[code] == int(status) for code in answer.get(CODES_FIELD, ()))
    assert used == set(STATUSES)


@pytest.mark.parametrize(
    ("path", "method", "spoil", "gap"),
    [
        ("/api/v1/backtest/{session_id}/results", "get", lambda o: o["responses"].pop("200"), "no answer"),
        ("/api/v1/account/info", "get", lambda o: o.pop("security"), "needs a key"),
        ("/api/v1/keys", "post", lambda o: o["responses"]["422"].pop("content"), "no envelope"),
        ("/api/v1/market/pairs", "get", lambda o: o["responses"]["200"]["content"]["application/json"].update(
            schema={"type": "object", "additionalProperties": True}), "says nothing"),
        ("/health", "get", lambda o: o.pop("description"), "no summary"),
    ],
)  # fmt: skip
def test_what_a_route_does_not_say_is_found(path: str, method: str, spoil: Any, gap: str) -> None:
    schema = copy.deepcopy(published().schema)
    spoil(schema["paths"][path][method])
    assert len(gaps(schema)) == 1
    assert gap in gaps(schema)[0]


HEALTHY = {
    "status": "ok", "redis_connected": False, "db_connected": True, "ingestion_active": False, "stale_pairs": [],
    "total_pairs": 3, "checks": {"redis_latency_ms": -1.0, "db_latency_ms": 0.1}, "feed_state": None,
    "last_candle_at": None, "last_candle_age_seconds": None,
}  # fmt: skip


def problem(body: Any, *, path: str = "/health", status: int = 200, media: str = "application/json") -> str | None:
    return Published(published().schema).problem("GET", path, status, media, body)


def test_an_answer_as_published_passes_and_others_do_not() -> None:
    assert problem(HEALTHY) is None
    for name in HEALTHY:
        less = {key: value for key, value in HEALTHY.items() if key != name}
        assert "required" in str(problem(less))
        assert "unexpected" in str(problem(HEALTHY | {f"{name}s": 1}))
    assert "type" in str(problem(HEALTHY | {"total_pairs": 3.5}))
    assert "required" in str(problem(HEALTHY | {"checks": {"db_latency_ms": 1.0}}))
    assert "not documented" in str(problem(HEALTHY, status=202))
    assert "as text/plain" in str(problem(None, media="text/plain"))
    assert problem(HEALTHY, path="/nowhere") is None


def test_a_refusal_names_a_code_that_its_route_documents() -> None:
    path = "/api/v1/backtest/0/status"
    for code, known in (("BACKTEST_NOT_FOUND", True), ("KEY_NOT_FOUND", False)):
        found = problem({"error": {"code": code, "message": "m"}}, path=path, status=404)
        assert (found is None) == known
    assert "required" in str(problem({"error": {"code": "BACKTEST_NOT_FOUND"}}, path=path, status=404))


def test_the_clients_of_these_tests_are_watched(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = published().schema["components"]["schemas"]["Health"]["properties"]
    spoiled: dict[str, Any] = {}
    monkeypatch.setattr("published.published", lambda: Published(spoiled))
    for name, change in itertools.product(("total_pairs", "checks"), ("renamed", "retyped")):
        spoiled = copy.deepcopy(published().schema)
        properties = spoiled["components"]["schemas"]["Health"]["properties"]
        assert properties == answer
        if change == "renamed":
            properties["other"] = properties.pop(name)
        else:
            properties[name] = {"type": "string"}
        with pytest.raises(AssertionError, match="GET /health answered 200"):
            served.anonymous.get("/health")


def test_the_page_about_the_api_says_what_a_route_may_refuse_and_its_limit(served: Served) -> None:
    page = served.anonymous.get("/docs").text
    route = page.partition('id="get-api-v1-backtest-session_id-status"')[2].partition("</details>")[0]
    assert "It needs a key." in route
    assert "404 <code>BACKTEST_NOT_FOUND</code>" in route
    listed = page.partition('id="get-api-v1-training-runs"')[2].partition("</details>")[0]
    assert "integer, at most 100" in listed
    public = page.partition('id="get-api-v1-market-pairs"')[2].partition("</details>")[0]
    assert "It needs a key." not in public
    assert "429 <code>RATE_LIMIT_EXCEEDED</code>" in public
