"""Paper accounts over HTTP, on a feed whose candles close when a test says so."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from paper_serving import START, SYMBOLS, Paper, attach, recording, trading, until
from serving import Served, another_key, client_of, serving
from sqlalchemy import update

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.live import BinanceFeed
from tradeready_gym.live.feeds import make_feed
from tradeready_gym.live.orders import PaperOrder
from tradeready_gym.live.replica import Replica
from tradeready_gym.orders import Order
from tradeready_gym.platform import Settings
from tradeready_gym.platform.app import PREFIX
from tradeready_gym.platform.database.tables import agents


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    """A server of this test's own."""
    with trading(tmp_path / "home") as server:
        yield server


def call(client: httpx2.Client, method: str, path: str, **arguments: Any) -> Any:
    """What a route answers, which must be a success."""
    answer = client.request(method, f"{PREFIX}{path}", **arguments)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def order(client: httpx2.Client, **fields: Any) -> Any:
    """The answer to an order."""
    return call(client, "POST", "/trade/order", json={"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01"} | fields)


def refusal(client: httpx2.Client, **fields: Any) -> tuple[int, str, str | None]:
    """Status, code and reason of an order that is refused."""
    body = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01"} | fields
    answer = client.post(f"{PREFIX}/trade/order", json=body)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("details", {}).get("reason")


def test_the_documented_live_conversation_is_answered(paper: Paper) -> None:
    client = paper.served.client
    for step in range(3):
        portfolio = call(client, "GET", "/account/portfolio")
        price = call(client, "GET", "/market/price/BTCUSDT")
        candles = call(client, "GET", "/market/candles/BTCUSDT", params={"interval": "1m", "limit": 30})["candles"]
        assert {"total_equity", "available_cash", "unrealized_pnl", "positions", "starting_balance"} <= set(portfolio)
        assert len(candles) == 30
        assert price["price"] == candles[-1]["close"]
        quantity = float(portfolio["total_equity"]) * 0.1 / float(price["price"])
        client.post(
            f"{PREFIX}/trade/order",
            json={"symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": str(quantity)},
        )
        held = call(client, "GET", "/account/portfolio")["positions"]
        # the third would make it 30 % of the equity: the documented limit is 25 %
        assert float(held[0]["market_value"]) == pytest.approx(min(step + 1, 2) * 1000.0, rel=0.01)
        paper.release()


def test_a_filled_order_has_the_documented_shape(paper: Paper) -> None:
    told = order(paper.served.client)
    assert told["status"] == "filled"
    value = Decimal(told["executed_price"]) * Decimal("0.01")
    assert Decimal(told["fee"]) == pytest.approx(value / 1000)
    assert Decimal(told["total_cost"]) == pytest.approx(value + Decimal(told["fee"]))
    assert told["quantity"] is told["price"] is told["locked_amount"] is None
    # the documented API has null there; when an order came is known all the same
    assert told["created_at"] == told["filled_at"] == "2024-01-03T00:00:00Z"
    again = call(paper.served.client, "GET", f"/trade/order/{told['order_id']}")
    assert (again["executed_qty"], again["executed_price"]) == ("0.01", told["executed_price"])
    trades = call(paper.served.client, "GET", "/trade/history")
    assert (trades["total"], trades["trades"][0]["order_id"]) == (1, told["order_id"])


def test_an_order_that_comes_late_says_so_wherever_it_is_told(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    client, open = paper.served.client, float(recording().open[0, recording().row_of(START)])
    monkeypatch.setattr(type(paper.feed), "prices", lambda self: {"BTCUSDT": 0.99 * open})
    paper.feed.clock.advance_to(paper.feed.now() + 40_000_000)
    told = order(client)
    assert float(told["executed_price"]) == pytest.approx(
        open, rel=1e-3
    )  # and slippage: nothing of the minute that passed
    about = {"created_at": "2024-01-03T00:00:40Z", "decision_delay_ms": 40_000.0, "quote_moved_pct": "-1.0"}
    listed = call(client, "GET", "/trade/orders")["orders"][0]
    trade = call(client, "GET", "/trade/history")["trades"][0]
    for view in (told, listed, call(client, "GET", f"/trade/order/{told['order_id']}"), trade):
        assert view | about == view
    assert told["filled_at"] == listed["filled_at"] == trade["executed_at"] == "2024-01-03T00:00:00Z"


def other_body_for_the_same_id(client: httpx2.Client) -> httpx2.Response:
    """The answer to an order that has the id of another one; the same one again is answered as before."""
    first = order(client, client_order_id="mine")
    assert order(client, client_order_id="mine") == first
    body = {"symbol": "BTCUSDT", "side": "sell", "quantity": "0.005", "client_order_id": "mine"}
    answer = client.post(f"{PREFIX}/trade/order", json=body)
    assert (answer.status_code, answer.json().get("error", {}).get("code")) == (409, "CLIENT_ORDER_ID_TAKEN")
    assert answer.json()["error"]["details"]["first"]["order_id"] == first["order_id"]
    return answer


def test_an_id_that_names_another_order_is_a_conflict_that_shows_both(paper: Paper) -> None:
    client = paper.served.client
    details = other_body_for_the_same_id(client).json()["error"]["details"]
    assert (details["client_order_id"], details["first"]["quantity"], details["first"]["side"]) == (
        "mine",
        "0.01",
        "buy",
    )
    assert (details["second"]["quantity"], details["second"]["side"]) == ("0.005", "sell")
    assert call(client, "GET", "/trade/history")["total"] == 1
    call(client, "POST", "/account/reset", json={"confirm": True})
    anew = order(client, client_order_id="mine", quantity="0.02")
    assert anew["order_id"] != details["first"]["order_id"]


def test_a_server_that_hands_out_the_first_fill_is_seen(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaperOrder, "is_that_of", lambda self, order: True)
    with pytest.raises(AssertionError):
        other_body_for_the_same_id(paper.served.client)


def test_a_pending_order_locks_fills_and_is_cancelled(paper: Paper) -> None:
    client = paper.served.client
    rests = order(client, type="limit", price="100", quantity="1")
    assert rests["status"] == "pending"
    assert Decimal(rests["locked_amount"]) == pytest.approx(Decimal("100.1"))
    assert call(client, "GET", "/account/portfolio")["locked_cash"] == rests["locked_amount"]
    assert [o["order_id"] for o in call(client, "GET", "/trade/orders/open")["orders"]] == [rests["order_id"]]
    cancelled = call(client, "DELETE", f"/trade/order/{rests['order_id']}")
    assert (cancelled["status"], cancelled["unlocked_amount"]) == ("cancelled", rests["locked_amount"])
    again = client.delete(f"{PREFIX}/trade/order/{rests['order_id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "ORDER_NOT_CANCELLABLE")
    stop = order(client, type="stop_loss", stop_price="1000000", quantity="0.00001")
    assert call(client, "DELETE", "/trade/orders/open")["cancelled_count"] == 1
    assert call(client, "GET", f"/trade/order/{stop['order_id']}")["status"] == "cancelled"


def test_orders_over_http_equal_the_backtest(paper: Paper) -> None:
    client, candles = paper.served.client, recording()
    backtest = SimulatedExchange(candles, starting_balance=10_000.0)
    backtest.reset(START)
    price = float(candles.close[0, candles.row_of(START) - 1])
    plan = {
        0: Order("BTCUSDT", "buy", 0.01),
        1: Order("ETHUSDT", "buy", 0.1, "limit", price=0.999 * float(candles.close[1, candles.row_of(START)])),
        4: Order("BTCUSDT", "sell", 0.004, "take_profit", price=1.0001 * price),
        9: Order("BTCUSDT", "sell", 0.006),
    }
    for k in range(30):
        if k in plan:
            one = plan[k]
            body = {"symbol": one.symbol, "side": one.side, "type": one.type, "quantity": repr(one.quantity)}
            order(client, **body, **({} if one.price is None else {"price": repr(one.price)}))
            backtest.submit([one])
        paper.release()
        backtest.match()
        backtest.mark()
        portfolio = call(client, "GET", "/account/portfolio")
        assert portfolio["exact"]["total_equity"] == backtest.net_worth
        assert portfolio["exact"]["available_cash"] == backtest.balance
    assert call(client, "GET", "/trade/history")["total"] == len(backtest.trades) >= 3


def test_each_refusal_has_its_name(paper: Paper) -> None:
    client = paper.served.client
    assert refusal(client, symbol="XRPUSDT")[:2] == (400, "INVALID_SYMBOL")
    assert refusal(client, side="sell") == (400, "INSUFFICIENT_BALANCE", "insufficient_position")
    assert refusal(client, quantity="0.00000001") == (400, "ORDER_REJECTED", "order_too_small")
    assert refusal(client, quantity="1000") == (400, "ORDER_REJECTED", "order_too_large")
    assert refusal(client, type="limit")[:2] == (422, "VALIDATION_ERROR")
    assert refusal(client, price="1")[:2] == (422, "VALIDATION_ERROR")
    call(client, "PUT", "/account/risk-profile", json={"max_open_orders": 1})
    order(client, type="limit", price="10", quantity="1")
    reason = refusal(client, type="limit", price="10", quantity="1")[2]
    assert reason == "max_open_orders_exceeded"


def test_several_agents_have_an_account_each_and_a_stranger_none(paper: Paper) -> None:
    client = paper.served.client
    made = [call(client, "POST", "/agents", json={"display_name": n, "starting_balance": "500"}) for n in ("a", "b")]
    with client_of(paper.served.url, made[0]["api_key"]) as agent:
        told = order(agent, quantity="0.001")
        assert call(agent, "GET", "/account/portfolio")["starting_balance"] == "500.0"
        chosen = {"X-Agent-Id": made[0]["agent_id"]}
        assert call(client, "GET", "/trade/history", headers=chosen)["total"] == 1
        assert call(client, "GET", "/trade/history", headers={"X-Agent-Id": made[1]["agent_id"]})["total"] == 0
        assert call(client, "GET", "/trade/history")["total"] == 0
        stranger = paper.served.stranger
        assert call(stranger, "GET", "/trade/orders")["orders"] == []
        assert stranger.get(f"{PREFIX}/trade/order/{told['order_id']}").status_code == 404
        assert stranger.delete(f"{PREFIX}/trade/order/{told['order_id']}").status_code == 404
        assert stranger.get(f"{PREFIX}/trade/orders", headers=chosen).status_code == 403
        assert paper.served.anonymous.get(f"{PREFIX}/trade/orders").status_code == 401
    with client_of(paper.served.url, another_key(paper.served.platform, ("read",))) as reading:
        body = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01"}
        assert reading.post(f"{PREFIX}/trade/order", json=body).status_code == 403


def test_the_account_as_a_whole(paper: Paper) -> None:
    client = paper.served.client
    order(client, client_order_id="once")
    order(client, client_order_id="once")
    balances = {line["asset"]: line for line in call(client, "GET", "/account/balance")["balances"]}
    assert balances["BTC"]["total"] == "0.01"
    paper.release()
    position = call(client, "GET", "/account/positions")["positions"][0]
    assert (position["asset"], position["opened_at"]) == ("BTC", "2024-01-03T00:00:00Z")
    assert call(client, "GET", "/account/info")["risk_profile"]["max_position_size_pct"] == 25
    assert float(call(client, "GET", "/account/pnl", params={"period": "all"})["fees_paid"]) > 0
    assert call(client, "GET", "/account/mode")["mode"] == "live"
    assert client.post(f"{PREFIX}/account/reset", json={"confirm": False}).status_code == 422
    told = call(client, "POST", "/account/reset", json={"confirm": True, "new_starting_balance": "777"})
    assert told["new_session"]["starting_balance"] == "777.0"
    assert told["previous_session"]["session_id"] != told["new_session"]["session_id"]
    after = call(client, "GET", "/account/portfolio")
    assert (after["total_equity"], after["positions"]) == ("777.0", [])


def test_another_server_goes_on_with_the_account(tmp_path: Path) -> None:
    with trading(tmp_path / "home") as first:
        agent = call(first.served.client, "POST", "/agents", json={"display_name": "a"})
        headers = {"X-Agent-Id": agent["agent_id"]}
        order(first.served.client)
        order(first.served.client, headers={}, type="limit", price="100", quantity="1")
        first.release(5)
        call(first.served.client, "GET", "/account/portfolio", headers=headers)
        before = call(first.served.client, "GET", "/account/portfolio")
        orders = call(first.served.client, "GET", "/trade/orders")
    with trading(tmp_path / "home") as second:
        # nobody has asked yet: the accounts that have a journal go on by themselves
        assert len(second.served.platform.paper._open) == 2
        assert call(second.served.client, "GET", "/account/portfolio") == before
        assert call(second.served.client, "GET", "/trade/orders") == orders


def test_an_account_whose_journal_is_damaged_holds_no_other_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with trading(tmp_path) as paper:
        made = [paper.served.client.post(f"{PREFIX}/agents", json={"display_name": name}).json() for name in "abc"]
        for agent in made:
            body = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01"}
            headers = {"X-Agent-Id": agent["agent_id"]}
            assert paper.served.client.post(f"{PREFIX}/trade/order", json=body, headers=headers).status_code == 201
        accounts = paper.served.platform.paper
        first = sorted((tmp_path / "paper").glob("*.journal"))[0]
        whole = first.read_bytes()
        first.write_bytes(whole.replace(b"order", b"0rder", 1))
        for name in list(accounts._open):
            accounts.forget(name)
        caplog.clear()
        for _ in range(2):
            accounts.keep()
        assert sorted(accounts._open) == sorted({agent["agent_id"] for agent in made} - {first.stem})
        assert [record.getMessage() for record in caplog.records if "cannot go on" in record.getMessage()] == [
            f"the paper account {first.stem} cannot go on"
        ]
        first.write_bytes(whole)
        accounts.keep()
        assert len(accounts._open) == 3


def test_live_prices_come_from_the_feed(paper: Paper) -> None:
    anonymous, candles = paper.served.anonymous, recording()
    paper.release(3)
    row = candles.row_of(START) + 2
    assert float(call(anonymous, "GET", "/market/price/solusdt")["price"]) == candles.close[2, row]
    prices = call(anonymous, "GET", "/market/prices")["prices"]
    assert float(prices["ETHUSDT"]) == candles.close[1, row]
    ticker = call(anonymous, "GET", "/market/ticker/BTCUSDT")
    assert float(ticker["high"]) == candles.high[0, row - 1439 : row + 1].max()
    hours = call(anonymous, "GET", "/market/candles/BTCUSDT", params={"interval": "1h", "limit": 5})["candles"]
    assert [hour["time"] for hour in hours][-1] == "2024-01-02T23:00:00Z"
    assert float(hours[-1]["high"]) == candles.high[0, row - 2 - 60 : row - 2].max()


def test_without_a_feed_there_are_no_paper_accounts(served: Served) -> None:
    for path in ("/account/portfolio", "/trade/orders"):
        answer = served.client.get(f"{PREFIX}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "PRICE_NOT_AVAILABLE")
    # what is stored is served as before
    assert served.client.get(f"{PREFIX}/market/price/BTCUSDT").status_code == 200


def test_a_server_with_a_replay_feed_begins_by_itself(tmp_path: Path) -> None:
    feed = "replay:sample:2023-01-01T00:00:00Z:36000"
    with serving(tmp_path, ingest_journals=False, feed=feed, feed_symbols=("BTCUSDT",), feed_timeframe="1h") as served:
        until(lambda: served.client.get(f"{PREFIX}/account/portfolio").status_code == 200, 30.0)
        first = call(served.client, "GET", "/account/portfolio")["timestamp"]
        until(lambda: bool(call(served.client, "GET", "/account/portfolio")["timestamp"] > first))


def test_a_server_may_fill_at_the_venues_best_bid_and_ask(tmp_path: Path) -> None:
    replica = Replica(recording(), START, speed=0.001, spread=0.002)
    with replica.serving(), serving(tmp_path, ingest_journals=False, paper_fill_at="book") as served:
        urls = {"rest_url": replica.rest_url, "stream_url": replica.stream_url}
        attach(served.platform, BinanceFeed(SYMBOLS, "1m", clock=replica.clock, patience=5.0, seed=0, **urls))
        replica.clock.advance_to(replica.clock.now() + 30_000_000)
        for side, place in (("buy", 1), ("sell", 0)):
            quote = replica.quote("BTCUSDT")
            told = order(served.client, side=side)
            assert float(told["executed_price"]) == pytest.approx(quote[place], rel=2e-8)
            assert told["decision_delay_ms"] == pytest.approx(30_000.0, abs=9_500.0)


@pytest.mark.parametrize(("fill_at", "feed"), [("close", "binance"), ("book", "replay:sample:2023-01-01T00:00:00Z")])
def test_fills_that_there_are_not_are_refused(fill_at: Any, feed: str) -> None:
    with pytest.raises(ConfigurationError, match="book"):
        Settings(paper_fill_at=fill_at, feed=feed)


@pytest.mark.parametrize("name", ["kraken", "replay:", "replay:sample", "replay:sample:2023-01-01T00:00:00Z:fast"])
def test_a_feed_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        make_feed(name, ("BTCUSDT",), "1h")


def test_an_agents_risk_profile_reaches_its_account(paper: Paper) -> None:
    client, manager = paper.served.client, paper.served.platform.paper
    agent = call(client, "POST", "/agents", json={"display_name": "a"})["agent_id"]
    chosen = {"X-Agent-Id": agent}
    call(client, "GET", "/account/portfolio", headers=chosen)
    call(client, "PUT", f"/agents/{agent}/risk-profile", json={"max_position_size_pct": 7})
    manager.keep()
    profile = call(client, "GET", "/account/info", headers=chosen)["risk_profile"]
    assert profile["max_position_size_pct"] == 7
    # one's own account is as it was
    assert call(client, "GET", "/account/info")["risk_profile"]["max_position_size_pct"] == 25


def test_a_profile_that_means_nothing_is_said(paper: Paper) -> None:
    client = paper.served.client
    agent = call(client, "POST", "/agents", json={"display_name": "a"})["agent_id"]
    with paper.served.platform.database.write() as connection:
        connection.execute(update(agents).where(agents.c.id == agent).values(risk_profile='{"max_open_orders": 0}'))
    answer = client.get(f"{PREFIX}/account/portfolio", headers={"X-Agent-Id": agent})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_RISK_PROFILE")


def test_resetting_an_agent_begins_its_paper_account_anew_and_no_other(paper: Paper) -> None:
    agent = call(paper.served.client, "POST", "/agents", json={"display_name": "alpha"})
    with client_of(paper.served.url, agent["api_key"]) as client:
        order(client)
        order(paper.served.client)
        assert call(client, "GET", "/account/positions")["positions"]
        assert call(paper.served.client, "POST", f"/agents/{agent['agent_id']}/reset")["id"] == agent["agent_id"]
        assert call(client, "GET", "/account/positions")["positions"] == []
    assert call(paper.served.client, "GET", "/account/positions")["positions"]


def test_the_mode_is_what_the_account_last_said(paper: Paper) -> None:
    client, stranger = paper.served.client, paper.served.stranger
    said = {"mode": "backtest", "strategy_label": "ppo_v1"}
    expected = {
        "mode": "backtest", "active_strategy_label": "ppo_v1", "active_backtests": 0, "total_backtests_completed": 0,
    }  # fmt: skip
    assert call(client, "POST", "/account/mode", json=said) == expected == call(client, "GET", "/account/mode")
    assert call(stranger, "GET", "/account/mode")["mode"] == "live"
    back = call(client, "POST", "/account/mode", json={"mode": "live"})
    assert (back["mode"], back["active_strategy_label"]) == ("live", None)
    assert client.post(f"{PREFIX}/account/mode", json={"mode": "demo"}).status_code == 422


def test_the_order_book_is_made_up_around_the_live_price_and_says_so(paper: Paper) -> None:
    client = paper.served.anonymous
    price = float(call(client, "GET", "/market/price/BTCUSDT")["price"])
    book = call(client, "GET", "/market/orderbook/btcusdt", params={"depth": 5})
    assert (book["symbol"], book["synthetic"], len(book["bids"]), len(book["asks"])) == ("BTCUSDT", True, 5, 5)
    for side, sign in (("bids", -1), ("asks", 1)):
        levels = [float(level) for level, _ in book[side]]
        assert levels == pytest.approx([price * (1 + sign * 0.0001 * n) for n in range(1, 6)])
        assert all(float(size) > 0 for _, size in book[side])
    # no two looks differ before the price does
    assert call(client, "GET", "/market/orderbook/BTCUSDT", params={"depth": 5}) == book
    paper.release()
    assert call(client, "GET", "/market/orderbook/BTCUSDT", params={"depth": 5})["bids"] != book["bids"]
