"""Who may make an account."""

from pathlib import Path

import pytest
from serving import Served, client_of, listening, serving

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.platform import Settings
from tradeready_gym.platform.app import create_app

REGISTER = "/api/v1/auth/register"


def test_anybody_who_reaches_the_server_registers_by_default(served: Served) -> None:
    assert served.anonymous.post(REGISTER, json={"display_name": "ada"}).status_code == 201


@pytest.mark.parametrize("registration", ["closed", "first"])
def test_nobody_registers_on_a_server_that_has_its_owner(tmp_path: Path, registration: str) -> None:
    with serving(tmp_path, registration=registration, ingest_journals=False) as server:
        answer = server.anonymous.post(REGISTER, json={"display_name": "eve"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["details"]) == (
            403, "PERMISSION_DENIED", {"registration": registration},
        )  # fmt: skip


def test_whoever_comes_first_owns_the_server(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, port=0, registration="first", ingest_journals=False))
    with listening(app) as url, client_of(url, None) as client:
        first, second = (client.post(REGISTER, json={"display_name": name}) for name in ("ada", "eve"))
        assert (first.status_code, second.status_code) == (201, 403)
        with client_of(url, first.json()["api_key"]) as owner:
            made = owner.post("/api/v1/keys", json={"name": "more", "scopes": ["admin"]})
            assert made.status_code == 201


def test_of_many_who_come_at_once_one_is_first(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    app = create_app(Settings(home=tmp_path, port=0, registration="first", ingest_journals=False))
    with listening(app) as url, client_of(url, None) as client, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client.post(REGISTER, json={}).status_code, range(16)))
    assert sorted(statuses) == [201] + [403] * 15


def test_any_other_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="registration must be one of open, closed, first; got 'ope'"):
        Settings(home=tmp_path, registration="ope")
