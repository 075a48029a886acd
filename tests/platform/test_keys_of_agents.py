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


def test_a_risk_profile_outside_its_limits_is_refused(served: Served) -> None:
    wrong = {"display_name": "a", "risk_profile": {"max_position_size_pct": 500}}
    assert served.client.post(f"{API}/agents", json=wrong).status_code == 422
    right = {"display_name": "a", "risk_profile": {"max_position_size_pct": 10}}
    agent = served.client.post(f"{API}/agents", json=right).json()["agent_id"]
    found = served.client.get(f"{API}/agents/{agent}/risk-profile").json()
    assert found == {"max_position_size_pct": 10, "daily_loss_limit_pct": 20, "max_open_orders": 50}


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
