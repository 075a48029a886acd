"""Whatever the schema allows, and what it does not: no answer is a 5xx but the documented 503, and each is in its schema."""

import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from paper_serving import START, attach, recording
from published import published
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance
from serving import Served, listening, serving

from stepped import SteppedFeed
from tradeready_gym.platform import Settings
from tradeready_gym.platform.app import create_app

EXAMPLES, SEQUENCES, STEPS = 25, 10, 15
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of this file's own."""
    with serving(tmp_path_factory.mktemp("fuzzed"), ingest_journals=False) as server:
        attach(server.platform, SteppedFeed(recording(), START))
        yield server


@pytest.fixture(scope="module")
def api(target: Served) -> schemathesis.BaseSchema:
    """Its schema; what is called goes over the wire."""
    return schemathesis.openapi.from_url(f"{target.url}/openapi.json")


def operations() -> list[tuple[str, str]]:
    """Every documented route."""
    paths = create_app(Settings(home=Path(tempfile.mkdtemp()))).openapi()["paths"]
    return sorted((path, method.upper()) for path, item in paths.items() for method in item)


@pytest.mark.parametrize(("path", "method"), operations())
def test_no_request_brings_the_server_down(path: str, method: str, api: Any, target: Served) -> None:
    @hypothesis.given(case=api[path][method].as_strategy())
    @SETTINGS
    def ask(case: Any) -> None:
        answer = case.call(headers={"X-API-Key": target.key})
        media = answer.headers.get("content-type", [""])[0]
        body = answer.json() if "json" in media else None
        # strictly: no key, no status and no code that is not published
        called = urlsplit(answer.request.url).path
        assert published().problem(method, called, answer.status_code, media, body) is None
        if answer.status_code == 503 and answer.json()["error"]["code"] == "PRICE_NOT_AVAILABLE":
            return  # there is no live feed, and the answer says so
        case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])

    ask()


def test_no_sequence_of_requests_brings_the_server_down(api: schemathesis.BaseSchema, target: Served) -> None:
    class Client(api.as_state_machine()):  # type: ignore[misc]
        """What an answer tells is used in the next request."""

        def get_call_kwargs(self, case: Any) -> dict[str, object]:
            return {"headers": {"X-API-Key": target.key}}

        def validate_response(self, response: Any, case: Any, **_: object) -> None:
            if response.status_code != 503:
                case.validate_response(response, checks=[not_a_server_error])

    Client.run(
        settings=hypothesis.settings(
            SETTINGS, max_examples=SEQUENCES, stateful_step_count=STEPS, suppress_health_check=list(HealthCheck)
        )
    )
    assert target.anonymous.get("/health").json()["status"] == "ok"


def test_a_route_that_fails_is_found(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, ingest_journals=False))

    @app.get("/broken")
    def broken(number: int) -> int:
        if number < 0:
            raise RuntimeError("planted")
        return number

    with listening(app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")

        @hypothesis.given(case=schema["/broken"]["GET"].as_strategy())
        @SETTINGS
        def ask(case: Any) -> None:
            case.validate_response(case.call(), checks=[not_a_server_error])

        with pytest.raises((AssertionError, BaseExceptionGroup)) as found:
            ask()
        assert "Server error" in "".join(traceback.format_exception(found.value))
