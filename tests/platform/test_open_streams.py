"""Streams that stay open end when the key, the login or the account that they were opened with does."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paper_serving import START, trading, until
from serving import Served, another_key, client_of, listening, serving
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tradeready_gym.platform import ending
from tradeready_gym.platform.app import PREFIX, create_app
from tradeready_gym.platform.database.tables import accounts
from tradeready_gym.platform.errors import Unauthorised

WITHIN = 3.0  # seconds, on a machine that has other work


@contextmanager
def socket_of(url: str, key: str) -> Iterator[ClientConnection]:
    """An open WebSocket."""
    with connect(f"{url.replace('http', 'ws')}/ws/v1?api_key={key}", proxy=None) as socket:
        socket.send('{"action": "subscribe", "channel": "training"}')
        assert "subscribed" in str(socket.recv(timeout=WITHIN))
        yield socket


def closed_after(socket: ClientConnection) -> tuple[float, int]:
    """In how many seconds the server closed it, and with which code."""
    begin = time.monotonic()
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=WITHIN)
    assert closed.value.rcvd is not None
    return time.monotonic() - begin, closed.value.rcvd.code


def ended_after(lines: Iterator[str]) -> float:
    """In how many seconds a stream of events ended."""
    begin = time.monotonic()
    for _ in lines:
        assert time.monotonic() - begin < WITHIN
    return time.monotonic() - begin


def new_key(served: Served) -> tuple[str, str]:
    """A key of the owner and its id."""
    made = served.client.post(f"{PREFIX}/keys", json={"name": "for a stream"}).json()
    return made["api_key"], made["key_id"]


def test_a_second_is_enough() -> None:
    # the rest of the second is for one query
    assert ending.LOOK_EVERY <= 0.5


def test_revoking_a_key_closes_its_websocket_and_no_other(served: Served) -> None:
    key, key_id = new_key(served)
    with socket_of(served.url, key) as socket, socket_of(served.url, served.key) as other:
        assert served.client.delete(f"{PREFIX}/keys/{key_id}").status_code == 204
        seconds, code = closed_after(socket)
        assert (seconds < WITHIN, code) == (True, 4401)
        other.send('{"action": "ping"}')
        assert "pong" in str(other.recv(timeout=WITHIN))


def test_archiving_an_agent_closes_its_websocket(served: Served) -> None:
    agent = served.client.post(f"{PREFIX}/agents", json={"display_name": "a"}).json()
    with socket_of(served.url, agent["api_key"]) as socket:
        served.client.post(f"{PREFIX}/agents/{agent['agent_id']}/archive")
        assert closed_after(socket)[1] == 4401


def test_a_login_ends_with_the_key_that_it_came_from(served: Served) -> None:
    person = served.anonymous.post(f"{PREFIX}/auth/register", json={}).json()
    pair = {"api_key": person["api_key"], "api_secret": person["api_secret"]}
    token = served.anonymous.post(f"{PREFIX}/auth/login", json=pair).json()["token"]
    with client_of(served.url, person["api_key"]) as client, socket_of(served.url, token) as socket:
        key_id = next(k["key_id"] for k in client.get(f"{PREFIX}/keys").json()["keys"] if k["agent_id"] is None)
        client.delete(f"{PREFIX}/keys/{key_id}")
        assert closed_after(socket)[1] == 4401


def test_closing_an_account_closes_its_streams(served: Served) -> None:
    person = served.anonymous.post(f"{PREFIX}/auth/register", json={}).json()
    with socket_of(served.url, person["api_key"]) as socket, client_of(served.url, person["api_key"]) as client:
        with client.stream("GET", "/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            with served.platform.database.write() as connection:
                mine = accounts.c.id == person["account_id"]
                connection.execute(update(accounts).where(mine).values(status="suspended"))
            assert closed_after(socket)[1] == 4401
            assert ended_after(lines) < WITHIN
        assert client.get("/events").status_code == 403


def test_logging_out_ends_the_events_of_the_browser(served: Served) -> None:
    with client_of(served.url, None) as browser:
        assert browser.post("/login", data={"api_key": served.key}).status_code == 303
        with browser.stream("GET", "/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            cookie = dict(browser.cookies)
            with client_of(served.url, None) as other_tab:
                other_tab.post("/logout", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookie.items())})
            assert ended_after(lines) < WITHIN
        assert browser.get("/events").status_code in {303, 401}


def test_events_end_when_their_key_is_revoked_and_go_on_until_then(served: Served) -> None:
    key, key_id = new_key(served)
    with client_of(served.url, key) as client, client.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        begin = time.monotonic()
        while time.monotonic() - begin < 2.5 * ending.LOOK_EVERY:
            next(lines)
        served.client.delete(f"{PREFIX}/keys/{key_id}")
        assert ended_after(lines) < WITHIN


def test_a_server_that_does_not_look_again_is_seen(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "require_good", lambda *_: None)
    key, key_id = new_key(served)
    with socket_of(served.url, key) as socket:
        served.client.delete(f"{PREFIX}/keys/{key_id}")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=3.0 * ending.LOOK_EVERY)


def test_a_database_that_is_away_for_a_moment_ends_no_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Callable[[], Any]] = [away, away, gone]
    monkeypatch.setattr(ending, "require_good", lambda *_: answers.pop(0)())
    with socket_of(served.url, served.key) as socket:
        seconds, code = closed_after(socket)
    assert (code, answers) == (4401, [])
    assert seconds > 2.0 * ending.LOOK_EVERY


def away() -> None:
    """What a driver says of a server that does not answer."""
    raise OperationalError("SELECT 1", {}, Exception("away"))


def gone() -> None:
    """What the platform says of a key that was revoked."""
    raise Unauthorised("revoked")


def test_who_waited_for_a_candle_with_a_key_that_was_revoked_is_not_told_it(tmp_path: Path) -> None:
    with trading(tmp_path / "home") as paper:
        key, key_id = new_key(paper.served)
        query: dict[str, Any] = {"start_time": START, "wait_seconds": 9}
        with client_of(paper.served.url, key) as client, ThreadPoolExecutor(1) as pool:
            begin = paper.served.platform.events.watchers
            waiting = pool.submit(client.get, f"{PREFIX}/feed/candles", params=query)
            until(lambda: paper.served.platform.events.watchers > begin)
            paper.served.client.delete(f"{PREFIX}/keys/{key_id}")
            paper.release()
            assert waiting.result(WITHIN).status_code == 401


@pytest.mark.postgresql
def test_a_key_that_another_server_revokes_closes_streams_here(postgresql_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url=postgresql_url, ingest_journals=False) as served:
        key = another_key(served.platform)
        with listening(create_app(served.platform.settings)) as url, client_of(url, key) as other:
            keys = other.get(f"{PREFIX}/keys").json()["keys"]
            key_id = next(k["key_id"] for k in keys if k["name"] == "another")
            with (
                socket_of(served.url, key) as socket,
                client_of(served.url, key) as client,
                client.stream("GET", "/events") as answer,
            ):
                lines = answer.iter_lines()
                next(lines)
                assert other.delete(f"{PREFIX}/keys/{key_id}").status_code == 204
                assert closed_after(socket)[1] == 4401
                assert ended_after(lines) < WITHIN
