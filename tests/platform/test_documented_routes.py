"""Every route of the documented API is here, or the page about the platform says that it is not, and why."""

import re
from pathlib import Path

import pytest
from published import published
from serving import Served

API = "/api/v1"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "platform.md"
DOCUMENTED = """
    GET /health  GET /metrics  POST /metrics/deflated-sharpe
    POST /auth/register  POST /auth/login  POST /auth/user-login
    POST /auth/forgot-password  POST /auth/reset-password  POST /auth/verify-email
    POST /agents  GET /agents  GET /agents/overview  GET /agents/{}  PUT /agents/{}  DELETE /agents/{}
    POST /agents/{}/clone  POST /agents/{}/reset  POST /agents/{}/archive
    GET /agents/{}/api-key  POST /agents/{}/regenerate-key  GET /agents/{}/skill.md
    GET /agents/{}/risk-profile  PUT /agents/{}/risk-profile
    GET /market/pairs  GET /market/price/{}  GET /market/prices  GET /market/ticker/{}  GET /market/tickers
    GET /market/candles/{}  GET /market/trades/{}  GET /market/orderbook/{}
    GET /market/indicators/available  GET /market/indicators/{}  GET /market/data-range
    POST /trade/order  GET /trade/order/{}  DELETE /trade/order/{}  GET /trade/orders
    GET /trade/orders/open  DELETE /trade/orders/open  GET /trade/history
    GET /account/info  GET /account/balance  GET /account/positions  GET /account/portfolio  GET /account/pnl
    PUT /account/risk-profile  POST /account/reset  GET /account/mode  POST /account/mode
    POST /backtest/create  POST /backtest/{}/start  POST /backtest/{}/step  POST /backtest/{}/step/batch
    POST /backtest/{}/step/batch/fast  POST /backtest/{}/cancel  POST /backtest/{}/trade/order
    GET /backtest/{}/trade/orders  GET /backtest/{}/trade/orders/open  DELETE /backtest/{}/trade/order/{}
    GET /backtest/{}/trade/history  GET /backtest/{}/market/price/{}  GET /backtest/{}/market/prices
    GET /backtest/{}/market/ticker/{}  GET /backtest/{}/market/candles/{}  GET /backtest/{}/account/balance
    GET /backtest/{}/account/positions  GET /backtest/{}/account/portfolio  GET /backtest/{}/status
    GET /backtest/{}/results  GET /backtest/{}/results/equity-curve  GET /backtest/{}/results/trades
    GET /backtest/list  GET /backtest/compare  GET /backtest/best
    POST /training/runs  POST /training/runs/{}/episodes  POST /training/runs/{}/complete  GET /training/runs
    GET /training/runs/{}  GET /training/runs/{}/learning-curve  GET /training/compare
"""
ABSENT = (
    "/strategies", "/battles", "/analytics/leaderboard", "/webhooks", "/waitlist/subscribe", "/agents/7/decisions/analyze",
    "/agents/7/feedback/7",
)  # fmt: skip


def missing(paths: dict[str, dict[str, object]]) -> list[str]:
    """The documented routes that are not among these."""
    there = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path.removeprefix(API))}"
        for path in paths
        for method in paths[path]
    }
    wanted = [f"{method} {path}" for method, path in re.findall(r"([A-Z]+) (\S+)", DOCUMENTED)]
    return [route for route in wanted if route not in there]


def test_every_documented_route_is_there() -> None:
    assert missing(published().schema["paths"]) == []
    assert len(DOCUMENTED.split()) == 2 * 82


def test_a_route_that_is_gone_is_found() -> None:
    less = {path: item for path, item in published().schema["paths"].items() if path != f"{API}/backtest/best"}
    assert missing(less) == ["GET /backtest/best"]


@pytest.mark.parametrize("path", ABSENT)
def test_what_is_not_there_is_named_with_a_reason_and_answers_404(served: Served, path: str) -> None:
    name = next(part for part in ("/decisions", "/feedback", f"/{path.split('/')[1]}") if part in path)
    text = PAGE.read_text(encoding="utf-8").partition("Not there, and answered with 404")[2].partition("## Limits")[0]
    assert name in text
    for method in ("GET", "POST"):
        answer = served.client.request(method, f"{API}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
