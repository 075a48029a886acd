"""What an agent's key may do, and what ends with it."""

import httpx2
import pytest
from serving import Served, client_of

API = "/api/v1"


def status_of_login(served: Served, cookie: str) -> int:
    return httpx2.get(f"{served.url}{API}/keys", headers={"cookie": cookie}).status_code


@pytest.mark.parametrize("ending", ["regenerate-key", "archive"])
def test_logins_end_with_the_key_of_the_agent(served: Served, ending: str) -> None:
    made = served.client.post(f"{API}/agents", json={"display_name": "ends"}).json()
    answer = httpx2.post(f"{served.url}/login", data={"api_key": made["api_key"]})
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert status_of_login(served, cookie) == 200
    served.client.post(f"{API}/agents/{made['agent_id']}/{ending}").raise_for_status()
    assert status_of_login(served, cookie) == 401


def test_an_agents_key_can_do_no_more_than_the_key_that_asked_for_it(served: Served) -> None:
    wanted = {"name": "writer", "scopes": ["write"]}
    key = served.client.post(f"{API}/keys", json=wanted).json()["api_key"]
    with client_of(served.url, key) as writer:
        made = writer.post(f"{API}/agents", json={"display_name": "mine"}).json()
        again = writer.post(f"{API}/agents/{made['agent_id']}/regenerate-key").json()
    for agents_key in (made["api_key"], again["api_key"]):
        listed = served.client.get(f"{API}/keys").json()["keys"]
        previews = {view["api_key_preview"]: view["scopes"] for view in listed if view["agent_id"] == made["agent_id"]}
        assert previews[agents_key[:12] + "..."] == ["write"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/{}/regenerate-key"), ("POST", "/{}/archive"), ("DELETE", "/{}")]
)
def test_an_agents_key_is_not_taken_back_by_one_that_can_do_less(served: Served, method: str, path: str) -> None:
    agent = served.client.post(f"{API}/agents", json={"display_name": "strong"}).json()
    account_key = served.client.post(f"{API}/keys", json={"name": "w", "scopes": ["read", "write"]}).json()["api_key"]
    with client_of(served.url, agent["api_key"]) as own:
        agents_key = own.post(f"{API}/keys", json={"name": "w", "scopes": ["write"]}).json()["api_key"]
        for weak in (account_key, agents_key):
            with client_of(served.url, weak) as client:
                answer = client.request(method, f"{API}/agents{path.format(agent['agent_id'])}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "PERMISSION_DENIED")
            assert "'paper' is needed" in answer.json()["error"]["message"] or weak == agents_key
            # nothing has happened
            assert own.get(f"{API}/agents/{agent['agent_id']}").json()["status"] == "active"
        assert own.request(method, f"{API}/agents{path.format(agent['agent_id'])}").status_code in {200, 204}


def test_a_risk_profile_outside_its_limits_is_refused(served: Served) -> None:
    wrong = {"display_name": "a", "risk_profile": {"max_position_size_pct": 500}}
    assert served.client.post(f"{API}/agents", json=wrong).status_code == 422
    right = {"display_name": "a", "risk_profile": {"max_position_size_pct": 10}}
    agent = served.client.post(f"{API}/agents", json=right).json()["agent_id"]
    found = served.client.get(f"{API}/agents/{agent}/risk-profile").json()
    assert found == {"max_position_size_pct": 10, "daily_loss_limit_pct": 20, "max_open_orders": 50}


def two_agents(served: Served) -> list[dict[str, str]]:
    return [served.client.post(f"{API}/agents", json={"display_name": name}).json() for name in ("A", "B")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/{}", {"display_name": "taken"}),
        ("POST", "/{}/clone", None),
        ("POST", "/{}/archive", None),
        ("POST", "/{}/reset", None),
        ("POST", "/{}/regenerate-key", None),
        ("PUT", "/{}/risk-profile", {"max_position_size_pct": 100}),
        ("DELETE", "/{}", None),
        ("POST", "", {"display_name": "another"}),
    ],
)
def test_an_agents_key_changes_no_other_agent(
    served: Served, method: str, path: str, body: dict[str, object] | None
) -> None:
    mine, other = two_agents(served)
    before = served.client.get(f"{API}/agents/{other['agent_id']}").json()
    with client_of(served.url, mine["api_key"]) as client:
        answer = client.request(method, f"{API}/agents{path.format(other['agent_id'])}", json=body)
    told = (404, "AGENT_NOT_FOUND") if path else (403, "PERMISSION_DENIED")
    assert (answer.status_code, answer.json()["error"]["code"]) == told
    assert served.client.get(f"{API}/agents/{other['agent_id']}").json() == before


def test_an_agents_key_changes_its_own_agent_but_makes_none_like_it(served: Served) -> None:
    mine = two_agents(served)[0]
    agent = f"{API}/agents/{mine['agent_id']}"
    with client_of(served.url, mine["api_key"]) as client:
        assert client.put(agent, json={"display_name": "renamed"}).json()["display_name"] == "renamed"
        assert client.post(f"{agent}/clone").status_code == 403
        assert client.post(f"{agent}/regenerate-key").status_code == 200


def test_a_key_made_with_an_agents_key_is_that_agents(served: Served) -> None:
    mine, other = two_agents(served)
    with client_of(served.url, mine["api_key"]) as client:
        made = client.post(f"{API}/keys", json={"name": "more"}).json()
    listed = {key["key_id"]: key["agent_id"] for key in served.client.get(f"{API}/keys").json()["keys"]}
    assert listed[made["key_id"]] == mine["agent_id"]
    with client_of(served.url, made["api_key"]) as client:
        assert client.delete(f"{API}/agents/{other['agent_id']}").status_code == 404


def test_an_accounts_key_that_acts_for_an_agent_still_changes_any(served: Served) -> None:
    mine, other = two_agents(served)
    headers = {"X-Agent-Id": mine["agent_id"]}
    assert served.client.delete(f"{API}/agents/{other['agent_id']}", headers=headers).status_code == 204


def test_an_accounts_key_that_acts_for_an_agent_still_revokes_any(served: Served) -> None:
    mine, other = two_agents(served)
    served.client.post(f"{API}/keys", json={"name": "accounts", "scopes": ["read"]}).raise_for_status()
    listed = served.client.get(f"{API}/keys").json()["keys"]
    accounts = next(key["key_id"] for key in listed if key["name"] == "accounts")
    others = next(key["key_id"] for key in listed if key["agent_id"] == other["agent_id"])
    for key_id in (accounts, others):
        answer = served.client.delete(f"{API}/keys/{key_id}", headers={"X-Agent-Id": mine["agent_id"]})
        assert answer.status_code == 204


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("agents", {"display_name": "a\0b"}),
        ("agents", {"display_name": "a", "framework": "a\0b"}),
        ("keys", {"name": "a\0b"}),
        ("auth/register", {"display_name": "a\0b"}),
        ("auth/register", {"email": "a\0b@example.org", "password": "correct horse"}),
    ],
)
def test_a_nul_that_a_database_may_refuse_is_refused_before_it(served: Served, path: str, body: dict[str, str]) -> None:
    assert served.client.post(f"{API}/{path}", json=body).status_code == 422


def test_a_clone_has_no_name_that_a_database_may_refuse(served: Served) -> None:
    agent = f"{API}/agents/{two_agents(served)[0]['agent_id']}"
    assert served.client.post(f"{agent}/clone?new_name=a%00b").status_code == 422


def test_an_agents_key_begins_no_backtest_for_another(served: Served) -> None:
    mine, other = two_agents(served)
    wanted = {"start_time": "2025-01-01T00:00:00Z", "end_time": "2025-01-02T00:00:00Z", "agent_id": other["agent_id"]}
    with client_of(served.url, mine["api_key"]) as client:
        answer = client.post(f"{API}/backtest/create", json=wanted | {"pairs": ["BTCUSDT"], "starting_balance": 1000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "PERMISSION_DENIED")
