"""What a client may not do, and how it is told."""

import socket
from pathlib import Path

import pytest
from serving import Served, client_of, serving
from test_kill import process

from tradeready_gym.platform import Limits

API = "/api/v1"
HUNDRED_MB = 100 * 1024 * 1024


def test_a_declared_body_of_100_mb_is_refused_before_it_is_sent(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST {API}/auth/register HTTP/1.1\r\nHost: x\r\nContent-Length: {HUNDRED_MB}\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_of_100_mb_is_refused_while_it_arrives(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST {API}/auth/register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode())
        try:
            while sent < HUNDRED_MB:
                connection.sendall(chunk)
                sent += 0x10000
        except OSError:
            pass  # the server hung up, as it should
        assert sent < HUNDRED_MB
    assert served.anonymous.get("/health").status_code == 200


def test_a_body_just_within_the_limit_is_read(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(body_bytes=1000)) as server:
        body = b'{"display_name": "a"' + b" " * 979 + b"}"
        assert len(body) == 1000
        headers = {"Content-Type": "application/json"}
        assert server.anonymous.post(f"{API}/auth/register", content=body, headers=headers).status_code == 201
        refused = server.anonymous.post(f"{API}/auth/register", content=body + b" ", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"starting_balance": "NaN"}', b"\xff\xfe"])
def test_a_body_that_is_no_registration_is_refused_in_the_envelope(served: Served, body: bytes) -> None:
    answer = served.anonymous.post(f"{API}/auth/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"]["problems"]


def test_requests_above_the_rate_wait(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(requests_per_minute=3)) as server:
        answers = [server.client.get(f"{API}/keys") for _ in range(7)]
        # a minute may end in between, which allows three more
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        error = refused[0].json()["error"]
        assert error["code"] == "RATE_LIMIT_EXCEEDED"
        assert 0 < error["details"]["retry_after_seconds"] <= 60
        assert refused[0].headers["retry-after"] == str(error["details"]["retry_after_seconds"])
        assert server.stranger.get(f"{API}/keys").status_code == 200


def test_guessing_passwords_is_slowed_down(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(logins_per_minute=2)) as server:
        guess = {"email": "a@b.c", "password": "guess"}
        statuses = [server.anonymous.post(f"{API}/auth/user-login", json=guess).status_code for _ in range(6)]
        assert set(statuses) == {401, 429}


def test_a_client_that_says_it_is_somebody_else_is_slowed_down_too(tmp_path: Path) -> None:
    guess = {"api_key": "ak_live_guess", "api_secret": "guess"}
    with process(tmp_path) as (_, url, _), client_of(url, None) as client:
        # 30 a minute are let through, and a minute may end in between
        statuses = [
            client.post(f"{API}/auth/login", json=guess, headers={"X-Forwarded-For": f"10.0.0.{number}"}).status_code
            for number in range(70)
        ]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 60


def test_every_answer_carries_the_security_headers(served: Served) -> None:
    for path in ("/health", "/nothing", f"{API}/keys"):
        headers = served.anonymous.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "script-src 'self'" in headers["content-security-policy"]


def test_an_unknown_route_and_a_wrong_method_answer_in_the_envelope(served: Served) -> None:
    assert served.client.get(f"{API}/nothing").json()["error"]["code"] == "NOT_FOUND"
    answer = served.client.delete("/health")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/health", "GET"),
        ("GET", f"{API}/auth/register", "POST"),
        ("DELETE", f"{API}/keys", "GET, POST"),
        ("PATCH", f"{API}/agents/x", "GET, PUT, DELETE"),
        ("PUT", f"{API}/trade/orders/open", "GET, DELETE"),
        ("PUT", "/login", "GET, POST"),
    ],
)
def test_a_wrong_method_is_told_all_that_the_path_takes(served: Served, method: str, path: str, allowed: str) -> None:
    # RFC 9110, 15.5.6
    answer = served.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["error"]["message"] == f"{method} is not for this path, which takes {allowed}"


@pytest.mark.parametrize(
    ("text", "media", "said"),
    [
        (b'{"name": "a",,}', "application/json", "the body: it is no valid JSON: Expecting property name"),
        (b'{"name": ', "application/json", "the body: it is no valid JSON: Expecting value, at character 9"),
        (b"", "application/json", "the body: it must be a JSON object"),
        (b"[1]", "application/json", "the body: it must be a JSON object"),
        (b'{"name": "a"}', "text/plain", "sent with the header Content-Type: application/json"),
        (b'{"name": 5}', "application/json", "name: Input should be a valid string"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_words(served: Served, text: bytes, media: str, said: str) -> None:
    answer = served.client.post(f"{API}/keys", content=text, headers={"Content-Type": media})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "VALIDATION_ERROR")
    assert said in error["message"]
    assert error["details"]["field"] == ("name" if said.startswith("name") else "")
