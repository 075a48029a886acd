"""The WebSocket of a real server: each channel pushes."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paper_serving import START, Paper, recording, trading
from serving import Served
from test_paper_accounts import call, order
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tradeready_gym.platform.api import stream

WITHIN = 10.0
SPAN = {"start_time": "2023-01-10T00:00:00Z", "end_time": "2023-01-12T00:00:00Z", "candle_interval": 3600}


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    """A server of this test's own, on a feed that stands still."""
    with trading(tmp_path / "home") as server:
        yield server


@contextmanager
def listening(served: Served, query: str | None = None, **headers: str) -> Iterator[ClientConnection]:
    """A connection with the owner's key, or with these headers."""
    query = f"?api_key={served.key}" if query is None else query
    url = served.url.replace("http", "ws") + "/ws/v1" + query
    with connect(url, additional_headers=headers, proxy=None) as socket:
        yield socket


def say(socket: ClientConnection, **message: Any) -> Any:
    """Send a message; what comes back."""
    socket.send(json.dumps(message))
    return hear(socket)


def hear(socket: ClientConnection) -> Any:
    """The next message."""
    return json.loads(socket.recv(timeout=WITHIN))


def subscribe(socket: ClientConnection, channel: str, **fields: str) -> str:
    """The key of a new subscription."""
    told = say(socket, action="subscribe", channel=channel, **fields)
    assert told["type"] == "subscribed", told
    return str(told["channel"])


def test_candles_and_tickers_are_pushed_when_a_candle_closes(paper: Paper) -> None:
    candles = recording()
    row = candles.row_of(START)
    with listening(paper.served) as socket:
        assert subscribe(socket, "ticker", symbol="btcusdt") == "ticker:BTCUSDT"
        assert subscribe(socket, "candles:ETHUSDT:5m") == "candles:ETHUSDT:5m"
        paper.release()
        tick, candle = hear(socket), hear(socket)
        assert (tick["channel"], tick["symbol"]) == ("ticker", "BTCUSDT")
        assert float(tick["data"]["price"]) == candles.close[0, row]
        assert tick["data"]["timestamp"] == "2024-01-03T00:01:00.000Z"
        assert candle["data"]["time"] == "2024-01-03T00:00:00Z"
        assert (candle["interval"], candle["data"]["is_closed"]) == ("5m", False)
        paper.release(4)
        heard = [hear(socket) for _ in range(8)]
        last = [message for message in heard if message["channel"] == "candles"][-1]["data"]
        assert last["is_closed"]
        assert float(last["high"]) == candles.high[1, row : row + 5].max()
        assert float(last["open"]) == candles.open[1, row]


def test_all_tickers_are_pushed(paper: Paper) -> None:
    with listening(paper.served) as socket:
        assert subscribe(socket, "ticker_all") == "ticker:all"
        paper.release()
        assert {hear(socket)["symbol"] for _ in range(3)} == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}


def test_orders_and_the_portfolio_are_pushed_to_their_owner_alone(paper: Paper) -> None:
    stranger = paper.served.stranger.headers["x-api-key"]
    with listening(paper.served) as socket, listening(paper.served, f"?api_key={stranger}") as other:
        for one in (socket, other):
            subscribe(one, "orders")
        told = order(paper.served.client)
        heard = hear(socket)
        assert heard["channel"] == "orders"
        assert heard["data"]["executed_price"] == told["executed_price"]
        assert (heard["data"]["order_id"], heard["data"]["status"]) == (told["order_id"], "filled")
        paper.served.client.post(
            "/api/v1/trade/order", json={"symbol": "BTCUSDT", "side": "buy", "quantity": "0.00000001"}
        )
        assert hear(socket)["data"]["rejected_reason"] == "order_too_small"
        subscribe(socket, "portfolio")
        paper.release()
        portfolio = hear(socket)
        assert portfolio["channel"] == "portfolio"
        whole = call(paper.served.client, "GET", "/account/portfolio")
        assert portfolio["data"].items() <= whole.items()
        # the stranger heard nothing of all this
        assert say(other, action="ping") == {"type": "pong"}


def test_training_and_backtests_are_pushed(paper: Paper) -> None:
    client, run_id = paper.served.client, str(uuid.uuid4())
    with listening(paper.served) as socket:
        assert subscribe(socket, "training") == "training"
        assert subscribe(socket, "backtest") == "backtest"
        call(client, "POST", "/training/runs", json={"run_id": run_id, "config": {"strategy_label": "x"}})
        call(client, "POST", f"/training/runs/{run_id}/episodes", json={"episode_number": 1, "roi_pct": 2.0})
        heard = hear(socket)
        while heard["data"]["episodes_completed"] < 1:
            heard = hear(socket)
        assert (heard["channel"], heard["data"]["run_id"]) == ("training", run_id)
        created = call(
            client, "POST", "/backtest/create", json={**SPAN, "starting_balance": "1000", "pairs": ["BTCUSDT"]}
        )
        call(client, "POST", f"/backtest/{created['session_id']}/start")
        call(client, "POST", f"/backtest/{created['session_id']}/step")
        heard = hear(socket)
        while heard["channel"] != "backtest" or heard["data"]["current_step"] < 1:
            heard = hear(socket)
        assert heard["data"]["session_id"] == created["session_id"]


def test_what_nobody_subscribed_to_is_not_pushed(paper: Paper) -> None:
    with listening(paper.served) as socket:
        subscribe(socket, "ticker:BTCUSDT")
        assert say(socket, action="unsubscribe", channel="ticker", symbol="BTCUSDT") == {
            "type": "unsubscribed",
            "channel": "ticker:BTCUSDT",
        }
        subscribe(socket, "candles", symbol="SOLUSDT", interval="1m")
        paper.release()
        assert hear(socket)["channel"] == "candles"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"action": "dance"}, "UNKNOWN_ACTION"),
        ({"nothing": 1}, "UNKNOWN_ACTION"),
        ({"action": "subscribe"}, "INVALID_CHANNEL"),
        ({"action": "subscribe", "channel": "battle"}, "INVALID_CHANNEL"),
        ({"action": "subscribe", "channel": "ticker"}, "INVALID_CHANNEL"),
        ({"action": "subscribe", "channel": "ticker:XRPUSDT"}, "INVALID_CHANNEL"),
        ({"action": "subscribe", "channel": "candles:BTCUSDT:7m"}, "INVALID_CHANNEL"),
        ({"action": "unsubscribe", "channel": ["ticker"]}, "INVALID_CHANNEL"),
    ],
)
def test_what_is_not_understood_is_said(shared: Paper, message: dict[str, Any], code: str) -> None:
    with listening(shared.served) as socket:
        told = say(socket, **message)
        assert (told["type"], told["code"]) == ("error", code)
        socket.send("{not json")
        assert hear(socket)["code"] == "UNKNOWN_ACTION"
        assert subscribe(socket, "orders") == "orders"


def test_the_eleventh_subscription_is_refused(shared: Paper) -> None:
    with listening(shared.served) as socket:
        for k in range(stream.MOST_SUBSCRIPTIONS):
            subscribe(socket, f"training:{k}")
        told = say(socket, action="subscribe", channel="orders")
        assert told["code"] == "SUBSCRIPTION_LIMIT"
        assert subscribe(socket, "training:0") == "training:0"


@pytest.mark.parametrize("query", ["", "?api_key=", "?api_key=tk_wrong"])
def test_without_a_good_key_the_connection_is_closed_with_4401(shared: Paper, query: str) -> None:
    with listening(shared.served, query) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=WITHIN)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_the_key_may_be_in_a_header(shared: Paper, header: str) -> None:
    key = shared.served.key
    value = f"Bearer {key}" if header == "Authorization" else key
    with listening(shared.served, "", **{header: value}) as socket:
        assert say(socket, action="ping") == {"type": "pong"}


@pytest.mark.parametrize("pong", [{"action": "pong"}, {"type": "pong"}, None], ids=["action", "type", "none"])
def test_who_does_not_answer_a_ping_is_let_go(
    shared: Paper, pong: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PING_EVERY", 0.1)
    monkeypatch.setattr(stream, "PONG_WITHIN", 0.5)
    with listening(shared.served) as socket:
        for _ in range(2 if pong else 1):
            assert hear(socket) == {"type": "ping"}
            if pong:
                socket.send(json.dumps(pong))
        if pong is None:
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=WITHIN)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4408


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    """A server that tests share which change nothing in it."""
    with trading(tmp_path_factory.mktemp("stream") / "home") as server:
        yield server
