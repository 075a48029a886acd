"""`tradeready keys`: an owner who has lost the key gets in again by way of the database, and nobody else does."""

import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Served, client_of, serving
from sqlalchemy import update

from tradeready_gym.cli import main
from tradeready_gym.platform.accounts import create_account, log_in
from tradeready_gym.platform.accounts import find_by_key as find
from tradeready_gym.platform.database.tables import accounts

COMMAND = [sys.executable, "-m", "tradeready_gym.cli"]


def made(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The key that the command prints, which is the last word of its only line."""
    capsys.readouterr()
    assert main(["keys", "new", *options]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert re.search(r" ak_live_[\w-]{64}$", line)
    return line.rpartition(" ")[2]


def status_with(server: Served, key: str) -> int:
    with client_of(server.url, key) as client:
        return client.get("/api/v1/keys").status_code


def at(server: Served) -> tuple[str, str]:
    return "--home", str(server.platform.settings.home)


def test_what_a_server_says_at_its_start_lets_its_owner_in_again(tmp_path: Path) -> None:
    serve = [*COMMAND, "serve", "--port", "0", "--home", str(tmp_path / "my home")]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = "".join(server.stdout.readline() for _ in range(4))
            [url] = re.findall(r"http://\S+", said)
            [hint] = re.findall(r"`tradeready (.+)`", said)
            new = subprocess.run([*COMMAND, *shlex.split(hint)], capture_output=True, text=True, check=True).stdout
            assert new.count("\n") == 1
            first, another = re.findall(r"ak_live_\S+", said + new)
            assert first != another
            for key in (first, another):
                with client_of(url, key) as client:
                    assert client.post("/api/v1/keys", json={"name": "n", "scopes": ["admin"]}).status_code == 201
        finally:
            server.terminate()


def test_a_key_is_listed_without_itself_and_opens_nothing_once_it_is_revoked(
    fresh_server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    key = made(capsys, "laptop", *at(fresh_server))
    assert status_with(fresh_server, key) == 200
    token, _ = log_in(fresh_server.platform.database, find(fresh_server.platform.database, key), 1.0)
    bearer = {"Authorization": f"Bearer {token}"}
    assert fresh_server.anonymous.get("/api/v1/keys", headers=bearer).status_code == 200
    assert main(["keys", "list", *at(fresh_server)]) == 0
    shown = capsys.readouterr().out
    [line] = [line for line in shown.splitlines() if "laptop" in line]
    assert key[:12] in line
    assert key not in shown
    key_id = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", line)[0]
    assert main(["keys", "revoke", key_id, *at(fresh_server)]) == 0
    assert (status_with(fresh_server, key), status_with(fresh_server, fresh_server.key)) == (401, 200)
    assert fresh_server.anonymous.get("/api/v1/keys", headers=bearer).status_code == 401


def test_the_owners_key_does_everything_another_accounts_is_no_administrator(
    fresh_server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    database = fresh_server.platform.database
    with database.write() as connection:
        ada = create_account(connection, "Ada", email="ada@example.org")
    owners = find(database, made(capsys, *at(fresh_server)))
    adas = find(database, made(capsys, *at(fresh_server), "--account", "Ada@example.org"))
    narrow = find(database, made(capsys, *at(fresh_server), "--scope", "read", "--account", ada))
    assert owners.account_id == find(database, fresh_server.key).account_id
    assert owners.scopes == {"read", "write", "paper", "admin"}
    assert (adas.account_id, adas.scopes) == (ada, frozenset({"read", "write", "paper"}))
    assert (narrow.account_id, narrow.scopes) == (ada, frozenset({"read"}))


def test_what_cannot_be_done_is_said_in_one_message(fresh_server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    def refusal(*tokens: str) -> str:
        assert main(["keys", *tokens, *at(fresh_server)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    assert "there is no key 'nothing'; `tradeready keys list`" in refusal("revoke", "nothing")
    assert "no account has the e-mail address or the id 'x@y.z'" in refusal("new", "--account", "x@y.z")
    assert "1 to 100 characters" in refusal("new", "n" * 101)
    with fresh_server.platform.database.write() as connection:
        connection.execute(update(accounts).values(status="suspended"))
    assert "the account local is suspended" in refusal("new")


def test_a_wrong_home_is_named_and_nothing_is_made_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "--home", str(tmp_path / "other")]) == 1
    assert "no server has kept anything in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "platform.db").touch()
    assert main(["keys", "list", "--home", str(tmp_path)]) == 1
    assert "no server has kept anything in" in capsys.readouterr().err
    (tmp_path / "platform.db").write_bytes(b"no database" * 1000)
    assert main(["keys", "list", "--home", str(tmp_path)]) == 1
    assert re.search(r"platform\.db cannot be used: .*not a database", capsys.readouterr().err)


def test_a_database_of_another_version_is_left_alone(fresh_server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    path = fresh_server.platform.settings.home / "platform.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert main(["keys", "new", *at(fresh_server)]) == 1
    assert "is at version 0001" in capsys.readouterr().err
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM api_keys").fetchone() == (2,)


@pytest.mark.postgresql
def test_a_server_on_postgresql_takes_the_key_that_the_command_made(
    postgresql_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, database_url=postgresql_url, ingest_journals=False) as server:
        key = made(capsys, "--database-url", postgresql_url)
        assert status_with(server, key) == 200
        with client_of(server.url, key) as client:
            [key_id] = [one["key_id"] for one in client.get("/api/v1/keys").json()["keys"] if one["last_used_at"]]
        assert main(["keys", "revoke", key_id, "--database-url", postgresql_url]) == 0
        assert status_with(server, key) == 401
    unreachable = re.sub(r":\d+/", ":1/", postgresql_url).replace("tester@", "tester:secret@")
    assert main(["keys", "list", "--database-url", unreachable]) == 1
    said = capsys.readouterr().err
    assert "cannot be used" in said
    assert "secret" not in said
