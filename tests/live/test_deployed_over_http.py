"""An agent that the dashboard deploys: a process of its own, which outlives the server and is found again."""

import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import Served, another_key, client_of, serving
from test_deployment import _home, run

from tradeready_gym.errors import UnknownName
from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.lock import held
from tradeready_gym.live.processes import _environment
from tradeready_gym.market import Span, parse_time
from tradeready_gym.platform.app import PREFIX
from tradeready_gym.platform.settings import Limits
from tradeready_gym.strategies.experiment import Experiment

__all__ = ["_home", "run"]
RUN = str(uuid.uuid4())
PATH = f"{PREFIX}/deployments"


@pytest.fixture
def home(run: Path, tmp_path: Path) -> Path:
    """A home with the agent of a run, and nothing at work."""
    home = tmp_path / "home"
    kept = shutil.copytree(run, home / "models" / "tiny")
    experiment = Experiment.load(kept)
    span = Span(parse_time(str(experiment.start)), parse_time(str(experiment.end)))
    replace(experiment, runs={"0": RUN}).save(kept, trained_on=span)
    return home


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    """A server whose first account has the run; it starts no process."""
    with serving(home, ingest_journals=False) as served:
        register(served)
        served.platform.deployments.starter = lambda made: None
        yield served


def register(served: Served) -> None:
    answer = served.client.post(f"{PREFIX}/training/runs", json={"run_id": RUN, "config": {"strategy_label": "tiny"}})
    assert answer.status_code == 201


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < seconds, "it has not happened in time"
        time.sleep(0.05)


def status(served: Served, name: str = "gym-training") -> Any:
    answer = served.client.get(f"{PATH}/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_deployed_agent_outlives_the_server_its_death_is_shown_and_it_goes_on(home: Path) -> None:
    with serving(home, ingest_journals=False) as first:
        register(first)
        page = first.client.get(f"/training/{RUN}").text
        assert f'action="/training/{RUN}/deploy"' in page
        body = {"name": "one", "feed": "replay", "speed": "36000", "daily_loss_pct": "50"}
        answer = first.client.post(f"/training/{RUN}/deploy", data=body)
        assert (answer.status_code, answer.headers["location"]) == (303, "/live/one")
        assert status(first, "one")["state"] == "starting"
        until(lambda: (status(first, "one")["step"] or 0) > 3)
        pid = Deployment.load("one", home / "live").status["pid"]
        assert pid != os.getpid()
    with serving(home, ingest_journals=False) as second:
        found = status(second, "one")
        assert (found["state"], found["alive"], found["run_id"]) == ("running", True, RUN)
        step = found["step"]
        until(lambda: status(second, "one")["step"] > step)
        beside = second.client.get(f"{PATH}/one/expectation").json()
        assert (beside["in_sample"], len(beside["expected"]), beside["begin"][:4]) == (False, 5, "2022")
        assert beside["equity"][0] == 10_000.0
        assert all(low <= high for low, high in zip(*beside["expected"][::4], strict=True))
        page = second.client.get("/live/one").text
        assert "Beside its backtest" in page
        assert beside["basis"] in page.replace("&#43;", "+").replace("\N{MINUS SIGN}", "-")
        os.kill(pid, signal.SIGKILL)
        until(lambda: status(second, "one")["state"] == "dead")
        dead = status(second, "one")
        assert "one trades BTCUSDT 1h" in dead["log"]
        assert "Its process is gone" in second.client.get("/live/one").text
        assert second.client.post(f"{PATH}/one/stop").status_code == 409
        assert second.client.post(f"{PATH}/one/resume").json()["state"] == "starting"
        assert second.client.post(f"{PATH}/one/resume").status_code == 409
        until(lambda: status(second, "one")["state"] == "running")
        assert status(second, "one")["step"] >= dead["step"]
        assert second.client.post(f"{PATH}/one/flatten").status_code == 200
        until(lambda: not status(second, "one")["alive"])
        assert (status(second, "one")["state"], status(second, "one")["positions"]) == ("flat", {})
        decided = [line["slot"] for line in second.client.get(f"{PATH}/one/decisions?limit=500").json()["decisions"]]
        assert decided == sorted(set(decided))


def test_a_process_that_cannot_begin_is_failed_with_its_reason(home: Path) -> None:
    card = home / "models" / "tiny" / "seed-0" / "model.zip"
    card.write_bytes(card.read_bytes()[:-1])
    with serving(home, ingest_journals=False) as served:
        register(served)
        served.client.post(PATH, json={"run_id": RUN, "feed": "replay", "name": "one"})
        until(lambda: status(served, "one")["state"] == "failed")
        assert "is damaged" in status(served, "one")["log"]
        assert "before it traded" in status(served, "one")["problem"]


def test_only_agents_that_are_kept_here_and_belong_to_the_account_are_deployed(server: Served, home: Path) -> None:
    def told(client: Any, **body: Any) -> tuple[int, str]:
        answer = client.post(PATH, json={"run_id": RUN, "feed": "replay"} | body)
        error = answer.json().get("error")
        return answer.status_code, error["code"] if error else answer.json()["deployment_id"]

    assert told(server.client) == (201, "gym-training")
    assert told(server.client) == (201, "gym-training-2")
    assert told(server.client, name="gym-training") == (409, "DEPLOYMENT_EXISTS")
    assert told(server.client, name="../up") == (422, "VALIDATION_ERROR")
    assert told(server.client, run_id=str(uuid.uuid4())) == (404, "TRAINING_RUN_NOT_FOUND")
    assert told(server.stranger) == (404, "TRAINING_RUN_NOT_FOUND")
    with client_of(server.url, another_key(server.platform, ("read", "write"))) as reading:
        assert told(reading) == (403, "PERMISSION_DENIED")
    agent = server.client.post(f"{PREFIX}/agents", json={"display_name": "a"}).json()
    with client_of(server.url, agent["api_key"]) as one:
        assert told(one) == (403, "PERMISSION_DENIED")
    assert [one["deployment_id"] for one in server.stranger.get(PATH).json()["deployments"]] == []
    # an agent that lies elsewhere is none of the server's, whatever points to it
    elsewhere = shutil.move(home / "models" / "tiny", home.parent / "elsewhere")
    (home / "models" / "tiny").symlink_to(elsewhere)
    assert told(server.client) == (404, "AGENT_BUNDLE_NOT_FOUND")
    assert "Let it trade" not in server.client.get(f"/training/{RUN}").text


def test_an_administrator_switches_it_off(home: Path) -> None:
    with serving(home, ingest_journals=False, deployments=False) as served:
        register(served)
        answer = served.client.post(PATH, json={"run_id": RUN, "feed": "replay"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "DEPLOYMENTS_OFF")
        assert "Deploy this agent" not in served.client.get(f"/training/{RUN}").text
        assert not (home / "live").exists()


def test_as_many_agents_work_as_the_limit_allows(server: Served) -> None:
    object.__setattr__(server.platform.settings, "limits", Limits(running_agents=1))
    first = server.client.post(PATH, json={"run_id": RUN, "feed": "replay"}).json()["deployment_id"]
    folder = server.platform.deployments.directory / first
    (folder / "status.json").write_text('{"state": "running"}')
    with held(folder):
        answer = server.client.post(PATH, json={"run_id": RUN, "feed": "replay"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "TOO_MANY_DEPLOYMENTS")
    assert server.client.post(PATH, json={"run_id": RUN, "feed": "replay"}).status_code == 201


def test_limits_are_taken_shown_and_held_to_their_domain(server: Served) -> None:
    limits = {"max_position_size_pct": 25.0, "orders_per_minute": 2, "stale_after_seconds": 90.0}
    body = {"run_id": RUN, "feed": "replay", "name": "one"}
    made = server.client.post(PATH, json=body | limits).json()
    assert (made["limits"], made["refused_by_limits"], made["stale"], made["stale_candles"]) == (limits, 0, False, 0)
    card = Deployment.load("one", server.platform.deployments.directory)
    assert card.limits == limits
    answer = server.client.post(PATH, json=body | {"name": "two", "max_order_size_pct": 0})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    status = {"state": "running", "refused_by_limits": 3, "stale": True, "stale_candles": 7, "equity": 1.0, "cash": 1.0}
    status |= {"roi_pct": 0.0, "step": 1, "positions": {}, "open_orders": 0, "virtual_time": "2022-01-01T00:00:00Z"}
    health = {"state": "live", "reconnects": 0, "declared_gaps": 0}
    (card.folder / "status.json").write_text(json.dumps(status | {"feed": health, "problem": None}))
    with held(card.folder):
        page = server.client.get("/live/one").text
    for said in ("Refused by its limits", "max position size % 25", "7 candles without a decision", "<dd>stale</dd>"):
        assert said in page


def test_what_is_not_at_work_is_removed_and_its_name_is_free(server: Served) -> None:
    body = {"run_id": RUN, "feed": "replay", "name": "one"}
    for page in (False, True):
        assert server.client.post(PATH, json=body).status_code == 201
        folder = server.platform.deployments.directory / "one"
        assert server.stranger.delete(f"{PATH}/one").status_code == 404
        (folder / "status.json").write_text('{"state": "running"}')
        with held(folder):
            assert server.client.delete(f"{PATH}/one").json()["error"]["code"] == "DEPLOYMENT_RUNNING"
        if page:
            answer = server.client.post("/live/one/ask", data={"order": "remove"})
        else:
            answer = server.client.delete(f"{PATH}/one")
        assert answer.status_code == (303 if page else 204)
        assert not folder.exists()
    assert server.client.delete(f"{PATH}/one").status_code == 404


def test_a_venue_that_lacks_what_the_agent_trades_is_a_named_refusal(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise UnknownName("symbol of Binance", "BTCUSDT", ())

    monkeypatch.setattr("tradeready_gym.live.binance_rest.BinanceRest.instruments", lacks)
    answer = server.client.post(PATH, json={"run_id": RUN, "feed": "binance", "name": "one"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_DEPLOYMENT")
    assert "BTCUSDT" in answer.json()["error"]["message"]
    assert not (server.platform.deployments.directory / "one").exists()


def test_the_process_gets_no_secret_of_the_servers_environment(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRADEREADY_API_KEY", "DATABASE_URL", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "planted")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    made = Deployment("a", "r", 0, ("BTCUSDT",), "1h", "binance", directory=server.platform.deployments.directory)
    environment = _environment(made)
    assert "planted" not in environment.values()
    assert environment["HTTPS_PROXY"] == "http://proxy:1"
    assert environment["TRADEREADY_HOME"] == str(server.platform.settings.home)
