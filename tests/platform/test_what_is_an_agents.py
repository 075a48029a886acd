"""What an agent's key sees beside the documented routes: pages, downloads, streams, comparisons; and what becomes whose.

That every documented route refuses it what is another agent's is in the identity matrix.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from serving import Served, client_of
from test_identity_matrix import BODIES, deploy, made_agent, made_run, made_session
from websockets.sync.client import connect

from tradeready_gym.platform.accounts import find_by_key
from tradeready_gym.platform.api import dependencies
from tradeready_gym.platform.app import PREFIX
from tradeready_gym.platform.ownership import own_topics


@dataclass
class Agents:
    """The clients of two agents of the owner; a session, a run and a deployment of the first; a session and a run of none."""

    served: Served
    ids: list[str]
    first: httpx2.Client
    second: httpx2.Client
    second_key: str
    sessions: list[str]
    runs: list[str]
    deployment: str


@pytest.fixture(scope="module")
def agents(served: Served) -> Iterator[Agents]:
    """Two agents of one account."""
    served.platform.deployments.starter = lambda _: None
    made = [made_agent(served.client) for _ in range(2)]
    with client_of(served.url, made[0]["api_key"]) as first, client_of(served.url, made[1]["api_key"]) as second:
        sessions, runs = [made_session(first), made_session(served.client)], [made_run(first), made_run(served.client)]
        deploy(served, runs[0], "of-the-first")
        ids = [agent["agent_id"] for agent in made]
        yield Agents(served, ids, first, second, made[1]["api_key"], sessions, runs, "of-the-first")


@pytest.mark.parametrize(
    "path",
    [
        "/backtest/{session}",
        "/dashboard/backtests/{session}/equity",
        "/dashboard/backtests/{session}/candles?symbol=BTCUSDT",
        "/dashboard/backtests/{session}/trades.csv",
        "/backtest/compare?sessions={session}",
        "/dashboard/backtests/compare?sessions={session}",
        f"{PREFIX}/backtest/compare?sessions={{session}},{{session_of_account}}",
        "/training/{run}",
        "/training/{run}/episodes/1",
        "/dashboard/runs/{run}/curve",
        "/dashboard/runs/{run}/episodes/1/equity",
        "/live/of-the-first",
    ],
)
def test_another_agents_login_finds_nothing_where_the_accounts_finds_it(agents: Agents, path: str) -> None:
    asked = path.format(session=agents.sessions[0], run=agents.runs[0], session_of_account=agents.sessions[1])
    answers = [client.get(asked).status_code for client in (agents.second, agents.served.stranger)]
    assert answers == [404, 404]
    # episode 1 was reported by its figures, so it is there and cannot be played
    assert agents.served.client.get(asked).status_code in ({200} if "episodes/1" not in path else {200, 404})


@pytest.mark.parametrize(
    "path",
    [
        "/training",
        "/backtest?hide=0",
        "/live",
        "/settings",
        "/dashboard/runs.csv",
        "/dashboard/backtests.json?hide=0",
        "/dashboard/backtests.json?sessions={session}",
        "/dashboard/runs?ids={run}",
        "/dashboard/curves?ids={run}",
        f"{PREFIX}/training/runs/export",
        f"{PREFIX}/training/compare?run_ids={{run}}",
        f"{PREFIX}/backtest/list?agent_id={{agent}}",
    ],
)
def test_lists_pages_and_files_have_an_agents_own_alone(agents: Agents, path: str) -> None:
    asked = path.format(session=agents.sessions[0], run=agents.runs[0], agent=agents.ids[0])
    hidden = [*agents.sessions, *agents.runs, agents.deployment, agents.ids[0]]
    text = agents.second.get(asked).text
    assert not [identity for identity in hidden if identity in text]
    if path != "/settings":
        assert [identity for identity in hidden if identity in agents.served.client.get(asked).text]


def test_a_server_without_the_guard_is_found(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = (
        f"backtest/{agents.sessions[0]}/account/balance",
        f"training/runs/{agents.runs[1]}",
        f"agents/{agents.ids[0]}",
    )
    assert [agents.second.get(f"{PREFIX}/{path}").status_code for path in paths] == [404] * 3
    monkeypatch.setattr(dependencies, "require_own", lambda *_: None)
    assert [agents.second.get(f"{PREFIX}/{path}").status_code for path in paths] == [200] * 3


def test_what_is_made_for_an_agent_with_the_accounts_key_is_the_agents(agents: Agents) -> None:
    served = agents.served
    with client_of(served.url, served.key) as account:
        account.headers["X-Agent-Id"] = agents.ids[0]
        session_id, run_id = made_session(account), made_run(account)
        # the header says for whom; it hides nothing
        assert account.get(f"{PREFIX}/backtest/{agents.sessions[1]}/status").status_code == 200
    for client, status in ((agents.first, 200), (agents.second, 404), (served.client, 200)):
        assert client.get(f"{PREFIX}/backtest/{session_id}/status").status_code == status
        assert client.get(f"{PREFIX}/training/runs/{run_id}").status_code == status


def test_a_run_is_not_taken_over_by_registering_it_again(agents: Agents) -> None:
    for run_id in agents.runs:
        before = agents.served.client.get(f"{PREFIX}/training/runs/{run_id}").json()
        answer = agents.second.post(f"{PREFIX}/training/runs", json={"run_id": run_id, "config": {"a": 1}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "TRAINING_RUN_NOT_FOUND")
        # capitals name the same run
        assert agents.second.get(f"{PREFIX}/training/runs/{run_id.upper()}").status_code == 404
        assert agents.served.client.get(f"{PREFIX}/training/runs/{run_id}").json() == before


def test_an_episode_takes_no_session_of_another_agent(agents: Agents) -> None:
    run_id = made_run(agents.second)
    own = made_session(agents.second)
    for number, session_id in enumerate((*agents.sessions, own), start=2):
        episode = {"episode_number": number, "session_id": session_id, "roi_pct": 1.0}
        assert agents.second.post(f"{PREFIX}/training/runs/{run_id}/episodes", json=episode).status_code == 200
    # a session that is an episode of training is left out of the list of backtests
    shown = agents.served.client.get("/dashboard/backtests.json").text
    assert all(session_id in shown for session_id in agents.sessions)
    assert own not in shown


def test_the_mode_counts_an_agents_own_backtests(agents: Agents) -> None:
    agent = made_agent(agents.served.client)
    with client_of(agents.served.url, agent["api_key"]) as client:
        assert client.get(f"{PREFIX}/account/mode").json()["active_backtests"] == 0
        made_session(client)
        assert client.get(f"{PREFIX}/account/mode").json()["active_backtests"] == 1
    assert agents.served.client.get(f"{PREFIX}/account/mode").json()["active_backtests"] > 1


def test_an_agent_stops_no_deployment_not_even_its_own(agents: Agents) -> None:
    for client, told in ((agents.first, (403, "PERMISSION_DENIED")), (agents.second, (404, "DEPLOYMENT_NOT_FOUND"))):
        answer = client.post(f"{PREFIX}/deployments/{agents.deployment}/stop")
        assert (answer.status_code, answer.json()["error"]["code"]) == told
    assert agents.first.get(f"{PREFIX}/deployments/{agents.deployment}").status_code == 200


def test_a_websocket_tells_an_agent_of_its_own_work_alone(agents: Agents) -> None:
    address = f"{agents.served.url.replace('http', 'ws')}/ws/v1?api_key={agents.second_key}"
    with connect(address, proxy=None) as socket:
        for channel in ("training", "backtest"):
            socket.send(json.dumps({"action": "subscribe", "channel": channel}))
            assert "subscribed" in str(socket.recv(timeout=10.0))
        for client in (agents.first, agents.served.client, agents.second):
            run_id, session_id = made_run(client), made_session(client)
        heard: set[str] = set()
        while not {run_id, session_id} <= heard:
            message: dict[str, Any] = json.loads(socket.recv(timeout=10.0))
            heard.add(message["data"].get("run_id") or message["data"]["session_id"])
    assert heard == {run_id, session_id}


def test_events_tell_an_agents_login_of_its_own_work_alone(agents: Agents) -> None:
    heard: set[str] = set()
    with agents.second.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        next(lines)
        for client in (agents.first, agents.served.client, agents.second):
            run_id = str(uuid.uuid4())
            client.post(f"{PREFIX}/training/runs", json={"run_id": run_id, "config": {}}).raise_for_status()
            client.post(f"{PREFIX}/backtest/create", json=BODIES[f"{PREFIX}/backtest/create"]).raise_for_status()
        for line in lines:
            if line.startswith("data:"):
                heard.add(json.loads(line.removeprefix("data:"))["id"])
            if run_id in heard:
                break
    listed = agents.second.get(f"{PREFIX}/training/runs").json()
    tested = agents.second.get(f"{PREFIX}/backtest/list").json()["backtests"]
    assert heard <= {run["run_id"] for run in listed} | {backtest["session_id"] for backtest in tested}


def test_events_tell_no_agents_login_of_a_run_that_another_has_deleted(agents: Agents) -> None:
    database = agents.served.platform.database
    gone, own = made_run(agents.first), made_run(agents.second)
    caller = find_by_key(database, agents.second_key)
    topics = [("run", gone), ("run", own)]
    assert own_topics(database, caller, topics) == [("run", own)]
    agents.first.delete(f"{PREFIX}/training/runs/{gone}").raise_for_status()
    assert own_topics(database, caller, topics) == [("run", own)]
    assert own_topics(database, find_by_key(database, agents.served.key), topics) == topics
