"""The captured conversation of the documentation, said again to another server: the answers are the same."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from serving import Served

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conversation.md"
EXCHANGE = re.compile(r"```http\n(GET|POST) (\S+)\n(.*?)```\n\n```http\nHTTP/1\.1 (\d+) [^\n]*\n\n(.*?)```", re.DOTALL)
# the time of day, and how long something took
VOLATILE = {"created_at", "started_at", "completed_at", "updated_at", "duration_real_sec"}


class Exchange(NamedTuple):
    """A request and the answer that the page shows."""

    method: str
    path: str
    body: Any
    status: int
    answer: Any


def exchanges(text: str) -> list[Exchange]:
    """Everything that is said on a page, in order."""
    found = []
    for method, path, rest, status, answer in EXCHANGE.findall(text):
        _, _, body = rest.partition("\n\n")
        found.append(Exchange(method, path, json.loads(body) if body else None, int(status), json.loads(answer)))
    return found


def steady(value: Any) -> Any:
    """The same without what is different at every time of day."""
    if isinstance(value, dict):
        return {key: "..." if key in VOLATILE and item else steady(item) for key, item in value.items()}
    return [steady(item) for item in value] if isinstance(value, list) else value


def replay(served: Served, said: list[Exchange]) -> list[str]:
    """Say everything again; what was answered differently."""
    known, different = "", []
    new = ""

    def renamed(text: str) -> str:
        return text.replace(known, new) if known else text

    for number, exchange in enumerate(said, 1):
        body = json.loads(renamed(json.dumps(exchange.body)))
        more = {} if body is None else {"json": body}
        answer = served.client.request(exchange.method, renamed(exchange.path), **more)
        if exchange.path.endswith("/create"):
            known, new = exchange.answer["session_id"], answer.json()["session_id"]
        expected = json.loads(renamed(json.dumps(exchange.answer)))
        if (answer.status_code, steady(answer.json())) != (exchange.status, steady(expected)):
            different.append(f"{number}: {exchange.method} {exchange.path}: {answer.status_code} {answer.text}")
    return different


def test_the_server_says_again_what_the_page_says(fresh_server: Served) -> None:
    assert replay(fresh_server, exchanges(PAGE.read_text(encoding="utf-8"))) == []


def test_the_page_has_a_reset_steps_and_a_close_of_the_documented_client() -> None:
    said = exchanges(PAGE.read_text(encoding="utf-8"))
    paths = [re.sub(r"/[0-9a-f-]{36}", "/ID", f"{one.method} {one.path}") for one in said]
    api = "/api/v1"
    assert paths[:5] == [
        f"POST {api}/backtest/create", f"POST {api}/backtest/ID/start", f"POST {api}/backtest/ID/step",
        f"GET {api}/backtest/ID/market/candles/BTCUSDT?interval=1h&limit=2", f"POST {api}/training/runs",
    ]  # fmt: skip
    assert paths[-1] == f"POST {api}/training/runs/ID/complete"
    assert {one.status for one in said} >= {200, 201, 400, 409}
    assert any(one.answer.get("is_complete") for one in said)


@pytest.mark.parametrize(
    ("before", "after"), [('"total_trades": 2', '"total_trades": 3'), ("HTTP/1.1 409", "HTTP/1.1 200")]
)
def test_a_page_that_is_out_of_date_is_found(fresh_server: Served, before: str, after: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert before in text
    assert replay(fresh_server, exchanges(text.replace(before, after)))
