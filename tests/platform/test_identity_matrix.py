"""Every route, asked by everybody: anonymous, a stranger, the owner, a key that only reads, a revoked key, an admin, and the
keys of two agents of one account, neither of which sees what is the other's or the account's."""

import json
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from paper_serving import START, attach, recording
from published import published
from serving import Served, another_key, client_of

from stepped import SteppedFeed
from tradeready_gym.live.expectation import Expectation, Watch
from tradeready_gym.platform.app import PREFIX, create_app
from tradeready_gym.platform.settings import Settings

PUBLIC = {
    f"{PREFIX}/auth/register",
    f"{PREFIX}/auth/login",
    f"{PREFIX}/auth/user-login",
    f"{PREFIX}/auth/forgot-password",
    f"{PREFIX}/auth/reset-password",
    f"{PREFIX}/auth/verify-email",
    "/health",
    "/metrics",
}
PUBLIC_PREFIX = f"{PREFIX}/market/"
SPAN = {"start_time": "2023-01-10T00:00:00Z", "end_time": "2023-01-12T00:00:00Z", "candle_interval": 3600}
# a legal body for each route that needs one, so that nothing but the identity decides
BODIES: dict[str, dict[str, Any]] = {
    f"{PREFIX}/agents": {"display_name": "a"},
    f"{PREFIX}/agents/{{agent_id}}": {"display_name": "b"},
    f"{PREFIX}/agents/{{agent_id}}/risk-profile": {},
    f"{PREFIX}/account/mode": {"mode": "backtest"},
    f"{PREFIX}/account/reset": {"confirm": True},
    f"{PREFIX}/account/risk-profile": {},
    f"{PREFIX}/trade/order": {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.001"},
    f"{PREFIX}/keys": {"name": "k", "scopes": ["read"]},
    f"{PREFIX}/backtest/create": {**SPAN, "starting_balance": "1000", "pairs": ["BTCUSDT"]},
    f"{PREFIX}/backtest/{{session_id}}/step/batch": {"steps": 1},
    f"{PREFIX}/backtest/{{session_id}}/step/batch/fast": {"steps": 1},
    f"{PREFIX}/backtest/{{session_id}}/trade/order": {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.001"},
    f"{PREFIX}/metrics/deflated-sharpe": {"returns": [0.01, -0.01] * 10, "num_trials": 3},
    f"{PREFIX}/training/runs/{{run_id}}/episodes": {"episode_number": 2, "roi_pct": 1.0},
    f"{PREFIX}/training/runs/{{run_id}}/episodes/batch": {"columns": {"episode_number": [3], "roi_pct": [1.0]}},
}
# reading by POST
CALCULATES = {f"{PREFIX}/metrics/deflated-sharpe"}
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass
class World:
    """What the owner owns, by the name of the path's parameter, and the clients of everybody else."""

    served: Served
    owned: dict[str, str]
    revoked: httpx2.Client
    reading: httpx2.Client
    person: httpx2.Client
    also: list[str] = field(default_factory=list)
    agents: "Agents | None" = None

    def call(self, client: httpx2.Client, method: str, path: str) -> httpx2.Response:
        values = {"symbol": "BTCUSDT", **self.owned}
        if path.startswith(f"{PREFIX}/trade/"):
            values["order_id"] = self.owned["paper_order_id"]
        body: dict[str, Any] | None = None
        query: dict[str, Any] = {}
        if method in ("post", "put", "patch"):
            body = dict(BODIES.get(path, {}))
            if path.endswith("/deployments"):
                body = {"run_id": self.owned["run_id"], "feed": "binance"}
            if path.endswith("/training/runs"):
                body = {"run_id": str(uuid.uuid4()), "config": {"strategy_label": "x"}}
        if path.endswith("/compare"):
            ids = (
                (self.owned["run_id"], self.also[1]) if "training" in path else (self.owned["session_id"], self.also[0])
            )
            query = {"run_ids" if "training" in path else "sessions": ",".join(ids)}
        if path.endswith("/columns"):
            query = {name: SPAN[name] for name in ("start_time", "end_time")} | {"interval": "1h"}
        return client.request(method, path.format(**values), json=body, params=query)


@dataclass
class Agents:
    """Two agents of the owner: what is the first one's, and the clients of both."""

    owned: dict[str, str]
    first: httpx2.Client
    second: httpx2.Client


@pytest.fixture(scope="module")
def world(served: Served) -> Iterator[World]:
    """One of everything, of the account and of an agent of it."""
    client = served.client
    attach(served.platform, SteppedFeed(recording(), START))
    # nothing is started here: what a process does is proved in tests/live
    served.platform.deployments.starter = lambda _: None
    owned = one_of_each(client) | {"agent_id": made_agent(client)["agent_id"], "deployment_id": "of-the-owner"}
    deploy(served, owned["run_id"], owned["deployment_id"])
    first, second = made_agent(client), made_agent(client)
    with (
        client_of(served.url, first["api_key"]) as first_client,
        client_of(served.url, second["api_key"]) as second_client,
        client_of(served.url, another_key(served.platform)) as revoked,
        client_of(served.url, another_key(served.platform, ("read",))) as reading,
        client_of(served.url, None) as person,
    ):
        login = {"email": "person@example.org", "password": "correct horse"}
        assert person.post(f"{PREFIX}/auth/register", json=login).status_code == 201
        token = person.post(f"{PREFIX}/auth/user-login", json=login).json()["token"]
        person.headers["Authorization"] = f"Bearer {token}"
        keys = client.get(f"{PREFIX}/keys").json()["keys"]
        mine = next(entry for entry in keys if entry["scopes"] != ["read"] and entry["name"] == "another")
        client.delete(f"{PREFIX}/keys/{mine['key_id']}")
        assert revoked.get(f"{PREFIX}/keys").status_code == 401
        agents_own = one_of_each(first_client) | {"agent_id": first["agent_id"], "deployment_id": "of-the-agent"}
        deploy(served, agents_own["run_id"], agents_own["deployment_id"])
        agents = Agents(agents_own, first_client, second_client)
        yield World(served, owned, revoked, reading, person, [made_session(client), made_run(client)], agents)


def one_of_each(client: httpx2.Client) -> dict[str, str]:
    """What a client makes for itself, by the name of the path's parameter."""
    session_id = made_session(client)
    rests = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "price": "1", "quantity": "0.001"}
    order = client.post(f"{PREFIX}/backtest/{session_id}/trade/order", json=rests).json()
    return {
        "key_id": client.post(f"{PREFIX}/keys", json={"name": "mine", "scopes": ["read"]}).json()["key_id"],
        "run_id": made_run(client),
        "session_id": session_id,
        "order_id": order["order_id"],
        "paper_order_id": client.post(f"{PREFIX}/trade/order", json=rests | {"quantity": "10"}).json()["order_id"],
    }


def made_session(client: httpx2.Client) -> str:
    created = client.post(f"{PREFIX}/backtest/create", json=BODIES[f"{PREFIX}/backtest/create"]).json()
    client.post(f"{PREFIX}/backtest/{created['session_id']}/start")
    return str(created["session_id"])


def made_run(client: httpx2.Client) -> str:
    run_id = str(uuid.uuid4())
    client.post(f"{PREFIX}/training/runs", json={"run_id": run_id, "config": {"strategy_label": "mine"}})
    client.post(f"{PREFIX}/training/runs/{run_id}/episodes", json={"episode_number": 1, "roi_pct": 2.0})
    return run_id


def made_agent(client: httpx2.Client) -> dict[str, str]:
    made: dict[str, str] = client.post(f"{PREFIX}/agents", json={"display_name": "mine"}).json()
    return made


def deploy(served: Served, run_id: str, name: str) -> None:
    """Let the agent of a run be at work that has seen one candle."""
    keep_agent(served.platform.settings.home / "models" / name, run_id)
    created = served.client.post(f"{PREFIX}/deployments", json={"run_id": run_id, "name": name})
    assert created.status_code == 201, created.text
    folder = served.platform.deployments.directory / name
    Expectation(("", ""), False, 0.0, None, "nothing was played").save(folder)
    watch = Watch(folder, 3_600_000_000)
    watch.begin(0, 1000.0)
    watch.see(3_600_000_000, 1000.0)


def keep_agent(folder: Path, run_id: str) -> None:
    """Keep the cards of an agent as `tradeready train` does."""
    experiment = {
        "label": "mine",
        "end": "2023-01-01T00:00:00Z",
        "arguments": {"data": "sample"},
        "runs": {"0": run_id},
    }
    interface = {"symbols": ["BTCUSDT"], "timeframe": "1h"}
    (folder / "seed-0").mkdir(parents=True)
    (folder / "experiment.json").write_text(json.dumps(experiment))
    (folder / "seed-0" / "strategy.json").write_text(json.dumps({"interface": interface}))


def routes() -> list[tuple[str, str]]:
    """Every documented route, readers first and what deletes last."""
    app = create_app(Settings(home=Path(tempfile.mkdtemp())))
    found = [(method, path) for path, item in app.openapi()["paths"].items() for method in METHODS if method in item]
    last = ("cancel", "archive", "regenerate-key", "complete")
    return sorted(
        found, key=lambda route: (route[0] == "delete", route[1].endswith(last), METHODS.index(route[0]), route[1])
    )


ROUTES = routes()


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_PREFIX)


def test_there_are_routes_of_every_kind() -> None:
    groups = {path.split("/")[3] for _, path in ROUTES if path.startswith(PREFIX)}
    expected = {
        "account",
        "agents",
        "auth",
        "backtest",
        "deployments",
        "keys",
        "market",
        "metrics",
        "trade",
        "training",
    }
    assert expected <= groups
    assert len(ROUTES) > 60


def test_the_documents_count_the_routes_as_they_are() -> None:
    root = Path(__file__).parents[2]
    for document in (root / "docs" / "platform.md", root / "README.md"):
        assert f"{len(ROUTES)} routes" in document.read_text(encoding="utf-8"), document.name


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_the_schema_says_which_routes_need_a_key(method: str, path: str) -> None:
    operation = published().schema["paths"][path][method]
    assert ("security" in operation) == (not is_public(path))


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_good_key_nothing_but_the_public_routes_answer(world: World, method: str, path: str) -> None:
    for client in (world.served.anonymous, world.revoked):
        answer = world.call(client, method, path)
        assert (answer.status_code in (401, 403)) == (not is_public(path)), answer.text
        assert answer.status_code < 500 or answer.status_code == 503


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "_id}" in route[1]])
def test_a_stranger_is_told_that_it_does_not_exist(world: World, method: str, path: str) -> None:
    assert world.call(world.person, method, path).status_code == 404
    theirs = world.call(world.served.stranger, method, path)
    assert theirs.status_code == 404, theirs.text
    # the answer does not tell somebody else's from nobody's
    nobodys = of_nobody(world).call(world.served.stranger, method, path)
    assert nobodys.status_code == 404
    assert nobodys.json()["error"]["code"] == theirs.json()["error"]["code"]


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if "_id}" not in route[1] and route[0] == "get"]
)
def test_a_stranger_sees_nothing_of_the_owners_in_a_list(world: World, method: str, path: str) -> None:
    answer = world.call(world.served.stranger, method, path)
    assert answer.status_code < 500 or answer.status_code == 503
    if answer.status_code == 404:
        return  # which repeats the id that was asked for
    for identity in world.owned.values():
        assert len(identity) < 8 or f'"{identity}"' not in answer.text


def of_nobody(world: World) -> World:
    """The same clients, and ids that nobody has."""
    return replace(world, owned={name: str(uuid.uuid4()) for name in world.owned})


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "_id}" in route[1]])
def test_another_agent_of_the_account_is_told_that_it_does_not_exist(world: World, method: str, path: str) -> None:
    assert world.agents is not None
    nobodys = of_nobody(world)
    told = nobodys.call(world.agents.second, method, path)
    for owned in (world.agents.owned, world.owned):
        answer = replace(world, owned=owned).call(world.agents.second, method, path)
        assert answer.status_code == told.status_code == 404, answer.text
        # not by a word does it differ from the answer about nobody's
        assert without(answer.text, owned) == without(told.text, nobodys.owned)


def without(text: str, owned: dict[str, str]) -> str:
    for name, identity in sorted(owned.items(), key=lambda item: -len(item[1])):
        text = text.replace(f" {identity}", f" {name}").replace(f'"{identity}"', f'"{name}"')
    return text


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if "_id}" not in route[1] and route[0] == "get"]
)
def test_another_agent_of_the_account_sees_nothing_of_it_in_a_list(world: World, method: str, path: str) -> None:
    assert world.agents is not None
    for owned in (world.agents.owned, world.owned):
        answer = replace(world, owned=owned).call(world.agents.second, method, path)
        assert answer.status_code < 500 or answer.status_code == 503
        if answer.status_code == 404:
            continue  # which repeats the id that was asked for
        for identity in owned.values():
            assert len(identity) < 8 or f'"{identity}"' not in answer.text


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if "_id}" in route[1] and route[0] in {"get", "put"}]
)
def test_an_agents_own_key_and_the_accounts_see_what_is_the_agents(world: World, method: str, path: str) -> None:
    assert world.agents is not None
    theirs = replace(world, owned=world.agents.owned)
    # of paper accounts an account's key sees its own, unless it says for which agent it acts
    clients = [world.agents.first] + ([] if path.startswith(f"{PREFIX}/trade/") else [world.served.client])
    for client in clients:
        answer = theirs.call(client, method, path)
        assert answer.status_code == (409 if path.endswith("api-key") else 200), answer.text


@pytest.mark.parametrize("path", ["backtest/list", "training/runs", "keys", "agents", "deployments"])
def test_the_lists_of_the_account_have_what_is_an_agents(world: World, path: str) -> None:
    assert world.agents is not None
    seen, own = (client.get(f"{PREFIX}/{path}").text for client in (world.served.client, world.agents.first))
    kind = {"backtest/list": "session_id", "training/runs": "run_id"}.get(path, f"{path[:-1]}_id")
    assert world.agents.owned[kind] in seen and world.owned[kind] in seen
    assert world.agents.owned[kind] in own and world.owned[kind] not in own


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if not is_public(route[1])])
def test_a_reading_key_reads_and_changes_nothing(world: World, method: str, path: str) -> None:
    answer = world.call(world.reading, method, path)
    if method == "get" or path in CALCULATES:
        # nothing has been completed that could be the best
        assert answer.status_code not in (401, 403, *(() if path.endswith("/best") else (404,))), answer.text
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if "_id}" not in route[1] and "/auth/" not in route[1]]
)
def test_who_is_logged_in_by_password_has_an_account_and_no_more(world: World, method: str, path: str) -> None:
    answer = world.call(world.person, method, path)
    assert answer.status_code not in (401, 403), answer.text
    assert answer.status_code < 500 or answer.status_code == 503
    administrators = world.person.post(f"{PREFIX}/keys", json={"name": "k", "scopes": ["admin"]})
    assert (administrators.status_code, administrators.json()["error"]["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "/auth/" not in route[1]])
def test_the_owner_is_served(world: World, method: str, path: str) -> None:
    answer = world.call(world.served.client, method, path)
    allowed = {200, 201, 204} if not path.endswith("api-key") else {409}
    if path.endswith("/{order_id}"):
        allowed = {200, 409}  # its session was cancelled before
    if path == f"{PREFIX}/trade/order/{{order_id}}":
        allowed = {200, 404}  # its account was reset before
    if path.endswith("/start"):
        allowed = {409}  # it was started already
    if path.endswith("/market/trades/{symbol}"):
        allowed = {404}  # no feed brings any
    if "/deployments/" in path and path.endswith(("/stop", "/flatten")):
        allowed = {409}  # it has no process
    if path.endswith("/regenerate-key"):
        allowed = {200, 403}  # an archived agent gets no key
    if path.endswith("/best"):
        allowed = {200, 404}  # nothing has been completed yet
    assert answer.status_code in allowed, answer.text
