"""Sessions that sleep, are restarted, or are traded by two servers at once."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from backtest_calls import API, begin, create, hours, look, order, step, stored, wild
from serving import Served, client_of, listening, serving
from sqlalchemy import func, select, update

from tradeready_gym.market import CandleStore
from tradeready_gym.platform import Limits
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.database.tables import backtest_journal, backtests
from tradeready_gym.platform.sessions.manager import SessionManager
from tradeready_gym.platform.sessions.slots import Slots
from tradeready_gym.platform.state import Platform

PATHS = (
    "account/portfolio", "account/balance", "account/positions", "trade/orders", "trade/orders/open", "trade/history",
    "market/prices", "results/equity-curve", "results/trades", "status",
)  # fmt: skip


def everything(client: Any, session: str) -> dict[str, Any]:
    found = {path: look(client, session, path) for path in PATHS}
    found["status"].pop("duration_real_sec")
    return found


def trade_a_while(client: Any, session: str) -> None:
    numbers = np.random.default_rng(5)
    for _ in range(25):
        kind = ("market", "limit", "stop_loss", "take_profit")[numbers.integers(4)]
        body = {"symbol": "BTCUSDT", "side": ("buy", "sell")[numbers.integers(2)], "type": kind}
        body["quantity"] = repr(float(numbers.uniform(1.0, 20.0)))
        if kind != "market":
            body["price"] = repr(float(look(client, session, "market/prices")["prices"]["BTCUSDT"]) * 0.99)
        answer = client.post(f"{API}/{session}/trade/order", json=body)
        assert answer.status_code in {200, 400}, answer.text
        if answer.status_code == 200 and answer.json()["status"] == "pending" and numbers.integers(3) == 0:
            client.delete(f"{API}/{session}/trade/order/{answer.json()['order_id']}")
        step(client, session, int(numbers.integers(1, 5)))


@contextmanager
def another_server(server: Served) -> Iterator[Any]:
    """A second server process's worth of server over the same database and home, with the owner's client."""
    with listening(create_app(server.platform.settings)) as url:
        client = client_of(url, server.key)
        yield client
        client.close()


def test_a_restart_changes_nothing(fresh_server: Served) -> None:
    session = begin(fresh_server.client, **stored(fresh_server.platform, wild()))
    trade_a_while(fresh_server.client, session)
    before = everything(fresh_server.client, session)
    with another_server(fresh_server) as client:
        assert everything(client, session) == before
        # and it goes on as if nothing had been
        assert step(client, session)["step"] == before["status"]["current_step"] + 1


def test_a_session_goes_on_the_same_with_and_without_sleep(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, wild())
    ended = []
    for sleeps in (False, True):
        session = begin(fresh_server.client, **plan)
        for _ in range(2):
            trade_a_while(fresh_server.client, session)
            if sleeps:
                fresh_server.platform.sessions.close()
                assert fresh_server.platform.sessions.awake == 0
        view = everything(fresh_server.client, session)
        # the ids and times of two sessions differ
        view["status"] = {k: v for k, v in view["status"].items() if k in {"current_step", "final_equity"}}
        ended.append(json.dumps(view).replace(session, "id"))
    assert ended[0] == ended[1]


def test_only_so_many_sessions_are_awake_and_the_others_wake_when_asked(tmp_path: Any) -> None:
    with serving(tmp_path, limits=Limits(open_sessions=3)) as server:
        sessions = [begin(server.client) for _ in range(8)]
        for session in sessions:
            order(server.client, session, "buy", "0.01")
            step(server.client, session)
        assert server.platform.sessions.awake <= 3
        values = {look(server.client, session, "account/portfolio")["total_equity"] for session in sessions}
        assert len(values) == 1 and values != {"10000.0"}


def ask_as_a_stranger(server: Served) -> None:
    """A stranger asks for sessions that there are and for others; those of the owner are awake as before."""
    sessions = [begin(server.client) for _ in range(3)]
    slots = server.platform.sessions._slots
    before = {name: slot.used for name, slot in slots._slots.items()}
    assert list(before) == sessions
    for session in (*sessions, *(str(uuid.uuid4()) for _ in range(8)), sessions[0]):
        for method, path in (("get", "account/portfolio"), ("post", "step"), ("post", "start"), ("post", "cancel")):
            told = server.stranger.request(method, f"{API}/{session}/{path}", json={} if method == "post" else None)
            assert told.status_code == 404, told.text
    assert {name: slot.used for name, slot in slots._slots.items()} == before
    assert list(slots._slots) == sessions


def test_a_stranger_wakes_nothing_and_puts_nothing_to_sleep(tmp_path: Any) -> None:
    with serving(tmp_path, limits=Limits(open_sessions=3)) as server:
        ask_as_a_stranger(server)


def test_a_place_that_is_given_to_a_stranger_is_seen(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slots, "has", lambda *_: True)
    with serving(tmp_path, limits=Limits(open_sessions=3)) as server, pytest.raises(AssertionError):
        ask_as_a_stranger(server)


def test_an_idle_session_is_put_to_sleep(tmp_path: Any) -> None:
    with serving(tmp_path, idle_seconds=0.0) as server:
        first, second = begin(server.client), begin(server.client)
        assert server.platform.sessions.awake == 1
        assert step(server.client, first)["step"] == step(server.client, second)["step"] == 1


def test_two_servers_over_one_database_see_each_other(fresh_server: Served) -> None:
    session = begin(fresh_server.client)
    with another_server(fresh_server) as client:
        for turn in range(6):
            one, two = (fresh_server.client, client) if turn % 2 else (client, fresh_server.client)
            assert order(one, session, "buy", "0.01")["order_id"] == str(turn + 1)
            assert step(two, session, 2)["step"] == 2 * (turn + 1)
        assert everything(client, session) == everything(fresh_server.client, session)
        assert look(client, session, "trade/orders")["count"] == 6


def test_a_refusal_of_one_server_knows_what_the_other_has_done(fresh_server: Served) -> None:
    session = begin(fresh_server.client)
    with another_server(fresh_server) as client:
        step(fresh_server.client, session)
        step(client, session)
        step(fresh_server.client, session)
        # the second server's copy is now behind, and holds neither the coin nor the order
        order(fresh_server.client, session, "buy", "0.02")
        resting = order(fresh_server.client, session, "buy", "0.01", type="limit", price="10000")
        assert order(client, session, "sell", "0.02")["status"] == "filled"
        order(fresh_server.client, session, "buy", "0.02")
        path = f"{API}/{session}/trade/order/{resting['order_id']}"
        assert client.delete(path).json()["cancelled"] is True
        body = {"symbol": "BTCUSDT", "side": "sell", "quantity": "0.03"}
        details = client.post(f"{API}/{session}/trade/order", json=body).json()["error"]["details"]
        assert details["available"] == "0.02"


def test_steps_of_many_clients_at_once_all_count_and_none_twice(fresh_server: Served) -> None:
    session = begin(fresh_server.client)
    seen: list[int] = []
    with another_server(fresh_server) as other:

        def walk(client: Any) -> None:
            seen.extend(step(client, session)["step"] for _ in range(6))

        threads = [threading.Thread(target=walk, args=(client,)) for client in (fresh_server.client, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen) == list(range(1, 25))


def test_steps_in_a_row_are_one_line_of_the_journal(fresh_server: Served) -> None:
    session = begin(fresh_server.client)
    for _ in range(5):
        step(fresh_server.client, session)
    order(fresh_server.client, session, "buy", "0.01")
    step(fresh_server.client, session, 3)
    with fresh_server.platform.database.read() as connection:
        lines = connection.execute(
            select(backtest_journal.c.kind, backtest_journal.c.body)
            .where(backtest_journal.c.session_id == session)
            .order_by(backtest_journal.c.seq)
        ).all()
    assert [kind for kind, _ in lines] == ["start", "step", "order", "step"]
    assert [json.loads(lines[k][1]) for k in (1, 3)] == [{"steps": 5}, {"steps": 3}]


def test_what_could_not_be_written_has_not_happened(fresh_server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from tradeready_gym.platform.sessions import store

    session = begin(fresh_server.client)
    order(fresh_server.client, session, "buy", "0.01")
    before = everything(fresh_server.client, session)

    def fails(*_: Any) -> None:
        raise OSError("the disk is full")

    # no route documents that it fails
    fresh_server.client.event_hooks = {"response": []}
    with monkeypatch.context() as patch:
        patch.setattr(store, "append", fails)
        # the server hangs up after an answer of 500; the next request shall not meet that connection
        answer = fresh_server.client.post(f"{API}/{session}/step", headers={"Connection": "close"})
        assert answer.status_code == 500
    after = everything(fresh_server.client, session)
    for view in (before, after):
        view["status"].pop("updated_at", None)
    assert after == before


def test_a_journal_without_its_last_line_is_noticed_as_another_session(fresh_server: Served) -> None:
    # the defect that optimistic locking is there for: a second server that did not look before it wrote
    session = begin(fresh_server.client)
    step(fresh_server.client, session, 3)
    with fresh_server.platform.database.write() as connection:
        connection.execute(update(backtests).where(backtests.c.id == session).values(status="cancelled"))
    answer = fresh_server.client.post(f"{API}/{session}/step")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "BACKTEST_INVALID_STATE")
    assert look(fresh_server.client, session, "status")["current_step"] == 3


def test_candles_that_changed_since_are_not_taken_for_the_same(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, hours([100.0] * 10))
    session = begin(fresh_server.client, **plan)
    step(fresh_server.client, session)
    CandleStore(fresh_server.platform.settings.home / "candles").write(hours([100.0] * 9 + [101.0]))
    with another_server(fresh_server) as client:
        answer = client.post(f"{API}/{session}/step")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "BACKTEST_DATA_CHANGED")


def test_a_finished_session_needs_no_memory_and_its_results_no_candles(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, wild(100))
    session = begin(fresh_server.client, **plan)
    order(fresh_server.client, session, "buy", 5)
    step(fresh_server.client, session, 1000)
    before = {path: look(fresh_server.client, session, path) for path in ("results", "results/equity-curve", "status")}
    for file in (fresh_server.platform.settings.home / "candles").rglob("*.parquet"):
        file.unlink()
    with another_server(fresh_server) as client:
        assert {path: look(client, session, path) for path in before} == before
        assert look(client, session, "results/trades")["total"] == 1
        assert client.get(f"{API}/{session}/account/portfolio").json()["error"]["code"] == "BACKTEST_NO_DATA"


def test_candles_of_one_range_are_kept_once(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, wild(100))
    sessions: SessionManager = fresh_server.platform.sessions
    one, two = (begin(fresh_server.client, **plan) for _ in range(2))

    def rows(platform: Platform, session: str) -> int:
        with platform.database.read() as connection:
            owner = str(connection.scalar(select(backtests.c.account_id).where(backtests.c.id == session)))
        return sessions.look(owner, session, lambda woken: id(woken.account.replayer.rows))

    assert rows(fresh_server.platform, one) == rows(fresh_server.platform, two)


def test_a_session_that_is_never_started_has_no_journal(fresh_server: Served) -> None:
    session = create(fresh_server.client)
    assert look(fresh_server.client, session, "account/portfolio")["total_equity"] == "10000.0"
    with fresh_server.platform.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(backtest_journal)) == 0


def test_an_episode_that_was_stepped_over_rest_wakes_again(fresh_server: Served) -> None:
    session, run_id = begin(fresh_server.client), str(uuid.uuid4())
    step(fresh_server.client, session, 3)
    training = "/api/v1/training/runs"
    fresh_server.client.post(training, json={"run_id": run_id}).raise_for_status()
    report = {"episode_number": 1, "session_id": session}
    fresh_server.client.post(f"{training}/{run_id}/episodes", json=report).raise_for_status()
    before = everything(fresh_server.client, session)
    fresh_server.platform.sessions.close()
    assert everything(fresh_server.client, session) == before
    assert step(fresh_server.client, session)["step"] == 4
