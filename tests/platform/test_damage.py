"""Files of paper accounts and deployments that a disk has damaged: a documented answer that says what to do, never a 500."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from paper_serving import START, Paper, attach, recording, trading
from serving import Served, serving
from test_identity_matrix import deploy, made_run

from stepped import SteppedFeed
from tradeready_gym.platform.app import PREFIX

ORDER = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01"}
ROUTES = (
    "account/info",
    "account/balance",
    "account/positions",
    "account/portfolio",
    "account/pnl",
    "trade/orders",
    "trade/orders/open",
    "trade/order/x",
    "trade/history",
)
# what is no JSON, no object, and an object of something else
WRONG = (
    b"\xff\xfe",
    b"[]",
    b'{"state": 5}',
    b'{"begin": 1, "base": 1, "points": []}',
    b'{"begin": 1, "points": [[1]]}',
)


def named(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    """A server whose owner has bought something."""
    with trading(tmp_path) as trader:
        assert trader.served.client.post(f"{PREFIX}/trade/order", json=ORDER).status_code == 201
        yield trader


def damaged(paper: Paper) -> Path:
    """Damage the journal of the owner's paper account, which is opened again."""
    accounts = paper.served.platform.paper
    [path] = (paper.served.platform.settings.home / "paper").glob("*.journal")
    path.write_bytes(path.read_bytes().replace(b"order", b"0rder", 1))
    accounts.forget(path.stem)
    return path


@pytest.mark.parametrize("route", ROUTES)
def test_a_damaged_paper_journal_is_said_with_what_to_do(paper: Paper, route: str) -> None:
    path = damaged(paper)
    answer = paper.served.client.get(f"{PREFIX}/{route}")
    assert named(answer) == (503, "DATA_DAMAGED")
    message = answer.json()["error"]["message"]
    assert f"paper/{path.name}" in message and "move it away" in message
    # where the server keeps its files is nobody's business
    assert str(path.parent) not in answer.text


def test_with_a_damaged_journal_nothing_is_traded_and_no_other_account_suffers(paper: Paper) -> None:
    path = damaged(paper)
    before = path.read_bytes()
    client = paper.served.client
    for method, route, body in (
        ("POST", "trade/order", ORDER),
        ("DELETE", "trade/orders/open", None),
        ("PUT", "account/risk-profile", {}),
        ("POST", "account/reset", {"confirm": True}),
    ):
        assert named(client.request(method, f"{PREFIX}/{route}", json=body)) == (503, "DATA_DAMAGED")
    assert path.read_bytes() == before
    assert paper.served.stranger.get(f"{PREFIX}/account/portfolio").json()["total_equity"] == "10000.0"


def test_a_journal_that_was_moved_away_lets_the_account_begin_anew(paper: Paper) -> None:
    path = damaged(paper)
    assert paper.served.client.get(f"{PREFIX}/account/positions").status_code == 503
    path.rename(path.with_suffix(".damaged"))
    assert paper.served.client.get(f"{PREFIX}/account/positions").json()["positions"] == []


@pytest.fixture
def deployed(served: Served) -> Iterator[Path]:
    """The folder of one of two deployments."""
    served.platform.deployments.starter = lambda _: None
    run_id = made_run(served.client)
    names = [f"{run_id}-{which}" for which in ("damaged", "whole")]
    for name in names:
        deploy(served, run_id, name)
    yield served.platform.deployments.directory / names[0]
    for name in names:
        for file in (served.platform.deployments.directory / name).iterdir():
            file.unlink()
        (served.platform.deployments.directory / name).rmdir()


def lists(served: Served) -> tuple[list[str], list[str]]:
    answer = served.client.get(f"{PREFIX}/deployments").json()
    return [one["deployment_id"] for one in answer["deployments"]], answer["damaged"]


@pytest.mark.parametrize("file", ["card.json", "status.json"])
@pytest.mark.parametrize("text", WRONG)
def test_a_damaged_deployment_is_named_and_holds_no_other_up(
    served: Served, deployed: Path, file: str, text: bytes
) -> None:
    (deployed / file).write_bytes(text)
    name, other = deployed.name, deployed.name.replace("damaged", "whole")
    assert lists(served) == ([other], [name])
    for method, path in (
        ("GET", ""),
        ("GET", "/decisions"),
        ("GET", "/expectation"),
        ("POST", "/stop"),
        ("POST", "/resume"),
        ("DELETE", ""),
    ):
        answer = served.client.request(method, f"{PREFIX}/deployments/{name}{path}")
        assert named(answer) == (503, "DATA_DAMAGED")
        assert f"live/{name}/{file}" in answer.json()["error"]["message"]
        assert str(deployed.parent) not in answer.text
        # whose it is cannot be told: nobody but the first account is told that it is there
        assert named(served.stranger.request(method, f"{PREFIX}/deployments/{name}{path}"))[0] == 404
    assert served.client.get(f"{PREFIX}/deployments/{other}").status_code == 200
    assert served.stranger.get(f"{PREFIX}/deployments").json()["damaged"] == []
    page = served.client.get("/live").text
    assert name in page and other in page
    assert served.client.get(f"/live/{name}").status_code == 503


def test_a_damaged_deployment_of_another_account_is_told_to_that_account_alone(served: Served, deployed: Path) -> None:
    card = json.loads((deployed / "card.json").read_text(encoding="utf-8"))
    agent_id = served.stranger.post(f"{PREFIX}/agents", json={"display_name": "a"}).json()["agent_id"]
    account_id = served.stranger.get(f"{PREFIX}/agents/{agent_id}").json()["account_id"]
    (deployed / "card.json").write_text(json.dumps(card | {"owner": account_id}), encoding="utf-8")
    (deployed / "status.json").write_bytes(b"[]")
    assert served.stranger.get(f"{PREFIX}/deployments").json()["damaged"] == [deployed.name]
    assert lists(served)[1] == []


@pytest.mark.parametrize("text", WRONG[2:])
def test_a_damaged_curve_is_said_beside_what_is_known(served: Served, deployed: Path, text: bytes) -> None:
    assert served.client.get(f"{PREFIX}/deployments/{deployed.name}/expectation").status_code == 200
    (deployed / "equity.json").write_bytes(text)
    answer = served.client.get(f"{PREFIX}/deployments/{deployed.name}/expectation")
    assert named(answer) == (503, "DATA_DAMAGED")
    assert served.client.get(f"{PREFIX}/deployments/{deployed.name}").status_code == 200
    page = served.client.get(f"/live/{deployed.name}")
    assert page.status_code == 200 and re.search("equity.json below TRADEREADY_HOME is damaged", page.text)


def test_a_status_that_a_process_writes_is_whole(served: Served, deployed: Path) -> None:
    said: dict[str, Any] = {
        "state": "stopped",
        "problem": None,
        "virtual_time": "2023-01-01T00:00:00Z",
        "step": 3,
        "equity": 1.0,
    }
    said |= {"roi_pct": 0.0, "cash": 1.0, "positions": {"BTCUSDT": 0.5}, "open_orders": 0, "feed": {"state": "live"}}
    (deployed / "status.json").write_text(json.dumps(said), encoding="utf-8")
    assert served.client.get(f"{PREFIX}/deployments/{deployed.name}").json()["positions"] == {"BTCUSDT": "0.5"}
    (deployed / "status.json").write_text(json.dumps(said | {"positions": [1]}), encoding="utf-8")
    assert lists(served)[1] == [deployed.name]


def test_two_servers_on_one_journal_are_told_apart(tmp_path: Path, paper: Paper) -> None:
    # the second server finds the journal taken by the first
    with serving(tmp_path, ingest_journals=False) as second:
        attach(second.platform, SteppedFeed(recording(), START))
        answer = second.client.get(f"{PREFIX}/account/portfolio")
        assert named(answer) == (503, "DATA_DAMAGED")
        assert "another server" in answer.json()["error"]["message"]
    assert paper.served.client.get(f"{PREFIX}/account/portfolio").status_code == 200
