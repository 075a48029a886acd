"""`/live` and `/docs`: what is at work, and what the API offers."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from serving import Served, another_key, client_of

from tradeready_gym.live import Deployment
from tradeready_gym.live.lock import held
from tradeready_gym.platform.app import PREFIX

# an earlier version, a feed that knows nothing, one symbol, several
MOVED: list[dict[str, Any]] = [
    {},
    {"quote_moved_pct": {"BTCUSDT": None}},
    {"quote_moved_pct": {"BTCUSDT": 0.01234}},
    {"quote_moved_pct": {"BTCUSDT": 0.01, "ETHUSDT": -0.25, "SOLUSDT": None}},
    {"quote_moved_pct": {"BTCUSDT": 0.0}},
]


@pytest.fixture
def deployed(served: Served) -> Iterator[Deployment]:
    """A deployment whose process is this one, with a name in a label that would be a script."""
    directory = served.platform.deployments.directory
    made = Deployment("alpha", "runs/<script>alert(1)</script>", 0, ("BTCUSDT",), "1h", "binance", directory=directory)
    made.save()
    health = {"state": "live", "reconnects": 2, "backfilled": 3, "declared_gaps": 1}
    status = {
        "state": "running", "pid": os.getpid(), "updated_at": 1_700_000_000_000_000, "problem": None,
        "virtual_time": "2024-01-01T05:00:00Z", "step": 5, "equity": 10_123.45, "roi_pct": 1.2345, "cash": 500.0,
        "positions": {"BTCUSDT": 0.25}, "open_orders": 1, "feed": health,
    }  # fmt: skip
    (made.folder / "status.json").write_text(json.dumps(status))
    fill = {"side": "buy", "quantity": 0.25, "price": 40_000.0}
    lines = [
        {
            "slot": f"2024-01-01T0{k}:00:00Z", "action": 1, "meaning": "buy a tenth", "reward": 1.0, "equity": 10_000.0 + k,
            "decision_delay_ms": 12.0, "missed_candles": 0, "gap": k == 3, "filled_orders": [fill] if k == 1 else [], **moved,
        }
        for k, moved in enumerate(MOVED)
    ]  # fmt: skip
    (made.folder / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with held(made.folder):
        yield made
    shutil.rmtree(made.folder)


def test_nobody_at_work_is_said_with_the_way_to_change_it(served: Served) -> None:
    assert "tradeready deploy RUN" in served.client.get("/live").text


def test_what_is_at_work_is_shown(served: Served, deployed: Deployment) -> None:
    text = served.client.get("/live").text
    assert "10,123.45" in text
    assert "0.250000 BTCUSDT" in text
    page = served.client.get("/live/alpha").text
    assert "buy a tenth" in page
    assert "buy 0.250000 at 40,000.00" in page
    assert "2 reconnects, 1 gap<" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert len(re.findall(r"<polyline", page)) == 1


def test_how_far_the_price_had_moved_is_beside_each_decision(served: Served, deployed: Deployment) -> None:
    page = served.client.get("/live/alpha").text
    shown = re.findall(r'data-name="Moved">(.*?)</td>', page)
    assert shown == ["0.000 %", "−0.250 % ETHUSDT", "+0.012 %", "–", "–"]  # the newest first
    assert "flatters it" in page


def test_a_process_that_is_gone_is_said_with_the_last_lines_of_its_log(served: Served, deployed: Deployment) -> None:
    other = Deployment("beta", "r", 0, ("BTCUSDT",), "1h", "binance", directory=deployed.directory)
    other.save()
    # its number is that of a process that lives; nobody holds its lock
    (other.folder / "status.json").write_text((deployed.folder / "status.json").read_text())
    (other.folder / "log.txt").write_text("begun\n<b>killed</b> by the kernel\n")
    page = served.client.get("/live/beta").text
    assert "tradeready live resume beta" in page
    assert "&lt;b&gt;killed&lt;/b&gt; by the kernel" in page
    assert 'value="resume"' in page
    assert "tradeready live resume alpha" not in served.client.get("/live/alpha").text
    shutil.rmtree(other.folder)


def test_it_is_asked_to_flatten_and_the_page_asks_whether_that_is_meant(served: Served, deployed: Deployment) -> None:
    page = served.client.get("/live/alpha").text
    assert re.search(r"<details class=\"sure\"><summary>Flatten</summary>.*?value=\"flatten\"", page, re.DOTALL)
    answer = served.client.post("/live/alpha/ask", data={"order": "flatten"})
    assert answer.status_code == 303
    assert (deployed.folder / "control").read_text() == "flatten"
    assert served.client.post("/live/alpha/ask", data={"order": "explode"}).status_code == 409
    assert served.client.post("/live/alpha/ask", data={"order": "resume"}).status_code == 409
    assert served.client.get("/live/beta").status_code == 404


def test_another_account_sees_nothing_of_it_and_a_reading_key_moves_nothing(
    served: Served, deployed: Deployment
) -> None:
    assert "alpha" not in served.stranger.get("/live").text
    assert served.stranger.get("/live/alpha").status_code == 404
    assert served.stranger.post("/live/alpha/ask", data={"order": "stop"}).status_code == 404
    with client_of(served.url, another_key(served.platform, ("read", "write"))) as client:
        assert 'value="stop"' not in client.get("/live/alpha").text
        assert client.post("/live/alpha/ask", data={"order": "stop"}).status_code == 403
    assert not (deployed.folder / "control").exists()


def test_every_route_is_on_the_page_of_the_api_and_nothing_is_loaded_from_elsewhere(served: Served) -> None:
    page = served.anonymous.get("/docs").text
    for path in served.anonymous.get("/openapi.json").json()["paths"]:
        assert f'<code class="path">{path}</code>' in page
    assert f"{PREFIX}/backtest/create" in page
    assert "starting_balance" in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
