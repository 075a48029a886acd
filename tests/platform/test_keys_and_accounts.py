"""Accounts, keys and logins over the wire."""

import re
from pathlib import Path

import httpx2
import pytest
from serving import Served, another_key, client_of, listening
from sqlalchemy import select, text, update

from tradeready_gym.platform import Settings
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.database.tables import accounts, api_keys, logins

API = "/api/v1"


def error_of(answer: httpx2.Response) -> dict[str, object]:
    """The envelope of an error, which has these keys and no others."""
    body = answer.json()
    assert set(body) == {"error"}
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "details"}
    return dict(body["error"])


def test_registering_gives_keys_that_work(served: Served) -> None:
    answer = served.anonymous.post(f"{API}/auth/register", json={"display_name": "Ada", "starting_balance": "2500.50"})
    assert answer.status_code == 201
    body = answer.json()
    assert re.fullmatch(r"ak_live_[\w-]{64}", body["api_key"])
    assert re.fullmatch(r"sk_live_[\w-]{64}", body["api_secret"])
    assert (body["display_name"], body["starting_balance"]) == ("Ada", "2500.50")
    for key in (body["api_key"], body["agent_api_key"]):
        with client_of(served.url, key) as client:
            agents = client.get(f"{API}/agents").json()
        assert [agent["id"] for agent in agents["agents"]] == [body["agent_id"]]
        assert agents["agents"][0]["api_key_preview"] == body["agent_api_key"][:12] + "..."


def test_an_email_address_registers_once(served: Served) -> None:
    person = {"email": "Ada@example.org", "password": "correct horse"}
    assert served.anonymous.post(f"{API}/auth/register", json=person).status_code == 201
    again = served.anonymous.post(f"{API}/auth/register", json=person | {"email": "ada@example.org"})
    assert (again.status_code, error_of(again)["code"]) == (409, "DUPLICATE_ACCOUNT")


def test_a_password_opens_and_a_wrong_one_does_not(served: Served) -> None:
    person = {"email": "bob@example.org", "password": "correct horse"}
    served.anonymous.post(f"{API}/auth/register", json=person)
    token = served.anonymous.post(f"{API}/auth/user-login", json=person).json()
    assert token["token_type"] == "Bearer"
    bearer = {"Authorization": f"Bearer {token['token']}"}
    assert served.anonymous.get(f"{API}/keys", headers=bearer).status_code == 200
    for wrong in ({"password": "wrong horse"}, {"email": "nobody@example.org"}):
        answer = served.anonymous.post(f"{API}/auth/user-login", json=person | wrong)
        assert (answer.status_code, error_of(answer)["code"]) == (401, "INVALID_API_KEY")


def may_make(served: Served, person: dict[str, str], scope: str) -> bool:
    """Whether a login by password makes a key of this scope."""
    token = served.anonymous.post(f"{API}/auth/user-login", json=person).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answer = served.anonymous.post(f"{API}/keys", headers=bearer, json={"name": "k", "scopes": [scope]})
    assert answer.status_code in (201, 403), answer.text
    return answer.status_code == 201


def test_a_password_opens_the_persons_own_account_and_is_no_administrator(served: Served) -> None:
    person = {"email": "carol@example.org", "password": "correct horse"}
    served.anonymous.post(f"{API}/auth/register", json=person)
    assert [may_make(served, person, scope) for scope in ("read", "write", "paper", "admin")] == [
        True,
        True,
        True,
        False,
    ]


def test_the_operators_password_is_an_administrators_also_when_the_first_key_was_revoked(tmp_path: Path) -> None:
    person = {"email": "operator@example.org", "password": "correct horse"}
    app = create_app(Settings(home=tmp_path, port=0, ingest_journals=False, registration="first"))
    with listening(app) as url, client_of(url, None) as client:
        made = client.post(f"{API}/auth/register", json=person)
        assert made.status_code == 201
        owner = Served(url, "", app, app.state.platform, client, client, client)
        assert may_make(owner, person, "admin")
        with app.state.platform.database.write() as connection:
            connection.execute(update(api_keys).values(revoked_at=1))
        assert may_make(owner, person, "admin")


def test_a_key_and_its_secret_give_a_token_until_the_key_is_revoked(served: Served) -> None:
    body = served.anonymous.post(f"{API}/auth/register", json={}).json()
    pair = {"api_key": body["api_key"], "api_secret": body["api_secret"]}
    bearer = {"Authorization": f"Bearer {served.anonymous.post(f'{API}/auth/login', json=pair).json()['token']}"}
    keys = served.anonymous.get(f"{API}/keys", headers=bearer).json()["keys"]
    account_key = next(key for key in keys if key["agent_id"] is None)
    assert served.anonymous.delete(f"{API}/keys/{account_key['key_id']}", headers=bearer).status_code == 204
    refused = served.anonymous.get(f"{API}/keys", headers=bearer)
    assert (refused.status_code, error_of(refused)["code"]) == (401, "INVALID_TOKEN")
    assert served.anonymous.post(f"{API}/auth/login", json=pair).status_code == 401
    wrong = served.anonymous.post(f"{API}/auth/login", json=pair | {"api_secret": "sk_live_x"})
    assert wrong.status_code == 401


def test_an_expired_token_is_refused(fresh_server: Served) -> None:
    person = {"email": "eve@example.org", "password": "correct horse"}
    fresh_server.anonymous.post(f"{API}/auth/register", json=person)
    token = fresh_server.anonymous.post(f"{API}/auth/user-login", json=person).json()["token"]
    with fresh_server.platform.database.write() as connection:
        connection.execute(update(logins).values(expires_at=1))
    refused = fresh_server.anonymous.get(f"{API}/keys", headers={"Authorization": f"Bearer {token}"})
    assert (refused.status_code, error_of(refused)["code"]) == (401, "INVALID_TOKEN")


def test_a_suspended_account_is_told_so(fresh_server: Served) -> None:
    with fresh_server.platform.database.write() as connection:
        connection.execute(update(accounts).values(status="suspended"))
    refused = fresh_server.client.get(f"{API}/keys")
    assert (refused.status_code, error_of(refused)["code"]) == (403, "ACCOUNT_SUSPENDED")


def test_no_key_is_kept_in_the_database(fresh_server: Served) -> None:
    made = fresh_server.client.post(f"{API}/keys", json={"name": "k"}).json()["api_key"]
    registered = fresh_server.anonymous.post(
        f"{API}/auth/register", json={"email": "a@b.c", "password": "correct horse"}
    ).json()
    secrets = [fresh_server.key, made, registered["api_key"], registered["api_secret"], "correct horse"]
    with fresh_server.platform.database.read() as connection:
        tables = [row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))]
        kept = "\n".join(str(row) for table in tables for row in connection.execute(text(f"SELECT * FROM {table}")))
        digests = connection.scalars(select(api_keys.c.digest)).all()
    assert len(digests) >= 4
    assert not [secret for secret in secrets if secret in kept]
    files = b"".join(path.read_bytes() for path in _files(fresh_server.platform.settings.home))
    assert not [secret for secret in secrets if secret.encode() in files]


def test_a_key_cannot_make_a_stronger_one(served: Served) -> None:
    with client_of(served.url, another_key(served.platform, ("read", "write"))) as client:
        refused = client.post(f"{API}/keys", json={"name": "k", "scopes": ["read", "paper"]})
        assert (refused.status_code, error_of(refused)["code"]) == (403, "PERMISSION_DENIED")
        assert client.post(f"{API}/keys", json={"name": "k", "scopes": ["read"]}).status_code == 201


def test_a_reading_key_changes_nothing(served: Served) -> None:
    with client_of(served.url, another_key(served.platform, ("read",))) as client:
        assert client.get(f"{API}/keys").status_code == 200
        refused = client.post(f"{API}/agents", json={"display_name": "x"})
        assert (refused.status_code, error_of(refused)["code"]) == (403, "PERMISSION_DENIED")


def test_an_agent_lives_and_dies(served: Served) -> None:
    made = served.client.post(
        f"{API}/agents", json={"display_name": "alpha", "strategy_tags": ["trend"], "starting_balance": 5000}
    )
    assert made.status_code == 201
    agent = made.json()
    path = f"{API}/agents/{agent['agent_id']}"
    view = served.client.get(path).json()
    assert set(view) == {
        "id", "account_id", "display_name", "api_key_preview", "starting_balance", "llm_model", "framework",
        "strategy_tags", "risk_profile", "avatar_url", "color", "status", "created_at", "updated_at",
    }  # fmt: skip
    assert (view["starting_balance"], view["strategy_tags"]) == ("5000", ["trend"])
    assert served.client.put(path, json={"color": "#123456"}).json()["color"] == "#123456"
    risk = {"max_position_size_pct": 10.0, "daily_loss_limit_pct": 5.0, "max_open_orders": 7}
    assert served.client.put(f"{path}/risk-profile", json=risk).json() == risk
    assert served.client.get(f"{path}/risk-profile").json() == risk
    clone = served.client.post(f"{path}/clone", params={"new_name": "beta"}).json()
    assert served.client.get(f"{API}/agents/{clone['agent_id']}").json()["risk_profile"] == risk
    shown = served.client.get(f"{path}/api-key")
    assert (shown.status_code, error_of(shown)["code"]) == (409, "KEY_SHOWN_ONCE")
    renewed = served.client.post(f"{path}/regenerate-key").json()["api_key"]
    for key, status in ((agent["api_key"], 401), (renewed, 200)):
        with client_of(served.url, key) as client:
            assert client.get(f"{API}/agents").status_code == status
    assert served.client.post(f"{path}/archive").json()["status"] == "archived"
    with client_of(served.url, renewed) as client:
        assert client.get(f"{API}/agents").status_code == 401
    assert served.client.delete(path).status_code == 204
    assert served.client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_a_strangers_agent_does_not_exist(served: Served, method: str) -> None:
    agent_id = served.client.post(f"{API}/agents", json={"display_name": "mine"}).json()["agent_id"]
    body = {"display_name": "theirs"} if method == "put" else None
    theirs = served.stranger.request(method, f"{API}/agents/{agent_id}", json=body)
    unknown = served.stranger.request(method, f"{API}/agents/00000000-0000-4000-8000-000000000000", json=body)
    assert theirs.status_code == unknown.status_code == 404
    assert error_of(theirs)["code"] == error_of(unknown)["code"] == "AGENT_NOT_FOUND"
    assert served.client.get(f"{API}/agents/{agent_id}").json()["display_name"] == "mine"


def test_another_accounts_agent_cannot_be_chosen(served: Served) -> None:
    agent_id = served.client.post(f"{API}/agents", json={"display_name": "mine"}).json()["agent_id"]
    refused = served.stranger.get(f"{API}/keys", headers={"X-Agent-Id": agent_id})
    assert (refused.status_code, error_of(refused)["code"]) == (403, "PERMISSION_DENIED")


def _files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def test_a_key_revokes_none_that_can_do_more(served: Served) -> None:
    strong = served.client.post(f"{API}/keys", json={"name": "k", "scopes": ["admin"]}).json()["key_id"]
    weak = served.client.post(f"{API}/keys", json={"name": "k", "scopes": ["read"]}).json()["key_id"]
    with client_of(served.url, another_key(served.platform, ("read", "write"))) as client:
        refused = client.delete(f"{API}/keys/{strong}")
        assert (refused.status_code, error_of(refused)["code"]) == (403, "PERMISSION_DENIED")
        assert client.delete(f"{API}/keys/{weak}").status_code == 204


def test_an_agents_key_stays_an_agents_also_as_a_login(served: Served) -> None:
    agent = served.client.post(f"{API}/agents", json={"display_name": "alpha"}).json()
    with client_of(served.url, None) as browser:
        assert browser.post("/login", data={"api_key": agent["api_key"]}).status_code == 303
        assert {key["agent_id"] for key in browser.get(f"{API}/keys").json()["keys"]} == {agent["agent_id"]}
        all_of_them = served.client.get(f"{API}/keys").json()["keys"]
        others = next(key["key_id"] for key in all_of_them if key["agent_id"] is None and key["scopes"] != ["admin"])
        refused = browser.delete(f"{API}/keys/{others}")
        assert (refused.status_code, error_of(refused)["code"]) == (404, "KEY_NOT_FOUND")


@pytest.mark.parametrize("text", ["7", "not-an-agent", "../agents", "0" * 500])
def test_an_agent_that_is_no_uuid_is_refused_by_name(served: Served, text: str) -> None:
    refused = served.client.get(f"{API}/keys", headers={"X-Agent-Id": text})
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "VALIDATION_ERROR"
    assert refused.json()["error"]["details"] == {"field": "X-Agent-Id"}


def test_an_agent_that_does_not_exist_is_answered_like_a_strangers(served: Served) -> None:
    mine = served.client.post(f"{API}/agents", json={"display_name": "mine"}).json()["agent_id"]
    for chosen in (mine, "00000000-0000-0000-0000-000000000000"):
        refused = served.stranger.get(f"{API}/keys", headers={"X-Agent-Id": chosen})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "PERMISSION_DENIED")


def test_a_forgotten_password_is_answered_as_documented_and_no_mail_is_promised(served: Served) -> None:
    known = served.anonymous.post(f"{API}/auth/forgot-password", json={"username": "somebody@example.com"})
    assert known.status_code == 200
    assert "no mail" in known.json()["message"]
    body = {"token": "t", "new_password": "long enough"}
    for path in ("reset-password", "verify-email"):
        refused = served.anonymous.post(f"{API}/auth/{path}", json=body)
        assert (refused.status_code, error_of(refused)["code"]) == (422, "VALIDATION_ERROR")
        assert error_of(refused)["details"] == {"field": "token"}


def test_an_agent_has_a_text_that_says_how_to_work_for_it(served: Served) -> None:
    made = served.client.post(f"{API}/agents", json={"display_name": "night\nowl {0}"}).json()
    answer = served.client.get(f"{API}/agents/{made['agent_id']}/skill.md")
    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.text.startswith("# night owl {0}\n")
    assert f"X-Agent-Id: {made['agent_id']}" in answer.text
    assert made["api_key"] not in answer.text
    # what it names is there
    known = set(served.anonymous.get("/openapi.json").json()["paths"])
    named = re.findall(r"(?:GET|POST|DELETE) (/api/v1[^`?]*)", answer.text.replace(made["agent_id"], "{agent_id}"))
    assert len(named) >= 7
    assert set(named) <= known
    assert served.stranger.get(f"{API}/agents/{made['agent_id']}/skill.md").status_code == 404


def test_the_second_address_of_the_page_about_the_api_leads_to_it(served: Served) -> None:
    answer = served.anonymous.get("/redoc")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
