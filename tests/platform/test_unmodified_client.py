"""The requests of the published client, as they were recorded, and what it reads from the answers."""

from typing import Any

import pytest
from serving import Served

API = "/api/v1"
CREATE = {
    "start_time": "2022-01-01T00:00:00Z",
    "end_time": "2022-01-02T00:00:00Z",
    "starting_balance": "10000.0",
    "candle_interval": 3600,
    "pairs": ["BTCUSDT"],
    "strategy_label": "gym_training",
}


class PublishedClient:
    """What the client does: it raises for anything but 2xx, save for orders, whose refusals it ignores."""

    def __init__(self, server: Served) -> None:
        self.http = server.client

    def call(self, method: str, path: str, body: Any = None) -> Any:
        # a POST without a body has no Content-Type
        answer = self.http.request(method, f"{API}{path}", **({} if body is None else {"json": body}))
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def reset(self) -> None:
        self.session = self.call("POST", "/backtest/create", CREATE)["session_id"]
        self.call("POST", f"/backtest/{self.session}/start")
        self.last = self.call("POST", f"/backtest/{self.session}/step")
        self.candles = self.call("GET", f"/backtest/{self.session}/market/candles/BTCUSDT?interval=1h&limit=30")
        self.equity = 10_000.0

    def step(self, action: int) -> tuple[float, bool]:
        if action:
            price, portfolio = float(self.last["prices"]["BTCUSDT"]), self.last["portfolio"]
            held = {position["symbol"]: position["quantity"] for position in portfolio["positions"]}
            quantity = str(float(portfolio["total_equity"]) * 0.1 / price) if action == 1 else held.get("BTCUSDT")
            if quantity is not None:
                body = {"symbol": "BTCUSDT", "side": ("buy", "sell")[action - 1], "type": "market"}
                self.http.post(f"{API}/backtest/{self.session}/trade/order", json={**body, "quantity": quantity})
        self.last = self.call("POST", f"/backtest/{self.session}/step")
        self.candles = self.call("GET", f"/backtest/{self.session}/market/candles/BTCUSDT?interval=1h&limit=30")
        before, self.equity = self.equity, float(self.last["portfolio"]["total_equity"])
        return self.equity - before, self.last["is_complete"]


def test_an_episode_ends_with_candles_and_metrics(served: Served) -> None:
    client = PublishedClient(served)
    client.reset()
    assert len(client.candles["candles"]) == 30
    rewards, done, steps = 0.0, False, 0
    while not done:
        reward, done = client.step((1, 0, 0, 1, 2, 0)[steps % 6])
        rewards += reward
        steps += 1
        # what an observation is made of
        newest = client.candles["candles"][-1]
        assert newest["close"] == client.last["prices"]["BTCUSDT"]
        assert float(client.last["portfolio"]["available_cash"]) / float(
            client.last["portfolio"]["starting_balance"]
        ) == pytest.approx(1.0, abs=0.25)
        position = float(client.last["portfolio"]["total_position_value"]) / client.equity
        assert 0.0 <= position <= 0.25

    # the reset takes the first of 24 steps; candles are served after the last one too
    assert steps == 23
    results = client.call("GET", f"/backtest/{client.session}/results")
    assert float(results["reward_sum"]) == pytest.approx(rewards)
    metrics = {
        name: results[name] for name in ("roi_pct", "sharpe_ratio", "max_drawdown_pct", "total_trades", "reward_sum")
    }
    assert None not in metrics.values() and metrics["total_trades"] == 12
    first = client.session
    client.reset()
    assert client.session != first


def test_the_composite_reward_sees_market_fills(served: Served) -> None:
    client = PublishedClient(served)
    client.reset()
    client.step(1)
    assert [fill["type"] for fill in client.last["filled_orders"]] == ["market"]
    client.step(0)
    assert client.last["filled_orders"] == []


def test_always_selling_makes_no_money(served: Served) -> None:
    client = PublishedClient(served)
    client.reset()
    for _ in range(5):
        body = {"symbol": "BTCUSDT", "side": "sell", "type": "market", "quantity": "0.02"}
        answer = client.http.post(f"{API}/backtest/{client.session}/trade/order", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INSUFFICIENT_BALANCE")
        assert client.step(0)[0] == 0.0


def test_the_episode_is_reported_with_its_metrics(served: Served) -> None:
    client = PublishedClient(served)
    client.reset()
    run = "8d6f0c3e-4d0e-4a5e-9d52-0d0f0b6a7c11"
    client.call("POST", "/training/runs", {"run_id": run, "config": {"strategy_label": "gym_training"}})
    while not client.step(1)[1]:
        pass
    results = client.call("GET", f"/backtest/{client.session}/results")
    names = ("roi_pct", "sharpe_ratio", "max_drawdown_pct", "total_trades", "reward_sum")
    report = {"episode_number": 1, "session_id": client.session, **{name: results[name] for name in names}}
    client.call("POST", f"/training/runs/{run}/episodes", report)
    client.call("POST", f"/training/runs/{run}/complete")
    shown = client.call("GET", f"/training/runs/{run}")
    assert (shown["status"], shown["episodes_completed"]) == ("completed", 1)
    assert shown["episodes"][0]["metrics"]["roi_pct"] == pytest.approx(float(results["roi_pct"]))
