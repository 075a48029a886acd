"""Backtests over REST: every route, field, type and refusal."""

from decimal import Decimal
from typing import Any

import httpx2
import pytest
from backtest_calls import API, SAMPLE, begin, create, hours, look, order, step, stored
from serving import Served

from tradeready_gym.platform.api.backtest_bodies import StepResponse

PORTFOLIO = {
    "total_equity", "available_cash", "locked_cash", "position_value", "total_position_value", "unrealized_pnl",
    "realized_pnl", "fees_paid", "starting_balance", "total_pnl", "roi_pct",
}  # fmt: skip
POSITION = {"symbol", "quantity", "avg_entry_price", "current_price", "market_value", "unrealized_pnl"}
METRICS = {
    "sharpe_ratio", "sortino_ratio", "max_drawdown_pct", "max_drawdown_duration_days", "win_rate", "profit_factor",
    "avg_win", "avg_loss", "best_trade", "worst_trade", "avg_trade_duration_minutes", "trades_per_day",
}  # fmt: skip
ITEM: dict[str, type] = {
    "session_id": str, "agent_id": type(None), "strategy_label": str, "start_time": str, "end_time": str, "status": str,
    "candle_interval": int, "starting_balance": str, "pairs": list, "progress_pct": float, "current_step": int,
    "total_steps": int, "virtual_clock": str, "final_equity": str, "total_pnl": str, "roi_pct": str,
    "total_trades": int, "total_fees": str, "sharpe_ratio": str, "max_drawdown_pct": str, "created_at": str,
    "started_at": str, "completed_at": str, "duration_real_sec": float,
}  # fmt: skip


def decimals(view: dict[str, Any], names: set[str]) -> dict[str, Decimal]:
    """These fields, which have to be plain decimals in strings."""
    assert names <= view.keys()
    assert all(isinstance(view[name], str) and "e" not in view[name].lower() for name in names)
    return {name: Decimal(view[name]) for name in names}


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture(scope="module")
def finished(served: Served) -> str:
    """A session with a round trip, a resting order and an end."""
    session = begin(served.client)
    order(served.client, session, "buy", "0.1")
    step(served.client, session, 10)
    order(served.client, session, "sell", "0.05")
    order(served.client, session, "buy", "0.01", type="limit", price="10000")
    assert step(served.client, session, 1000)["is_complete"] is True
    return session


# ---- creating and starting ----


def test_creating_answers_200_with_the_number_of_steps(served: Served) -> None:
    answer = served.client.post(f"{API}/create", json={**SAMPLE, "starting_balance": 10000, "candle_interval": 3600})
    assert answer.status_code == 200
    body = answer.json()
    assert (body.pop("session_id"), body) != ("", {})
    assert body == {"status": "created", "total_steps": 48, "estimated_pairs": 1, "agent_id": None}


@pytest.mark.parametrize(
    ("interval", "steps"), [("1h", 48), ("3600", 48), (3600, 48), ("4h", 12), (14400, 12), ("1d", 2), (86400, 2)]
)
def test_intervals_are_seconds_or_labels(served: Served, interval: Any, steps: int) -> None:
    session = create(served.client, candle_interval=interval)
    assert look(served.client, session, "status")["total_steps"] == steps


def test_a_time_without_an_offset_is_utc_and_unknown_fields_are_ignored(served: Served) -> None:
    session = create(served.client, start_time="2022-01-01T00:00:00", exchange="binance", nonsense=[1])
    assert look(served.client, session, "status")["start_time"] == "2022-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"starting_balance": "0.5"}, (422, "VALIDATION_ERROR")),
        ({"starting_balance": "NaN"}, (422, "VALIDATION_ERROR")),
        ({"candle_interval": 61}, (422, "VALIDATION_ERROR")),
        ({"candle_interval": "2h"}, (422, "VALIDATION_ERROR")),
        ({"pairs": ["BTC/USDT"]}, (422, "VALIDATION_ERROR")),
        ({"pairs": []}, (422, "VALIDATION_ERROR")),
        ({"fee_rate": "0.2"}, (422, "VALIDATION_ERROR")),
        ({"end_time": "2022-01-01T00:00:00Z"}, (422, "VALIDATION_ERROR")),
        ({"start_time": "2022-01-01T00:30:00Z"}, (422, "VALIDATION_ERROR")),
        ({"start_time": "0001-01-01T00:00:00Z"}, (422, "VALIDATION_ERROR")),
        ({"end_time": "2024-02-01T00:00:00Z"}, (400, "BACKTEST_NO_DATA")),
        ({"start_time": "2021-01-01T00:00:00Z"}, (400, "BACKTEST_NO_DATA")),
        ({"pairs": ["ETHUSDT"]}, (400, "BACKTEST_NO_DATA")),
        ({"candle_interval": 60}, (400, "BACKTEST_NO_DATA")),
        ({"agent_id": "nobody"}, (400, "BACKTEST_NO_DATA")),
    ],
)
def test_what_cannot_be_tested_is_refused(served: Served, changes: dict[str, Any], expected: tuple[int, str]) -> None:
    body = {**SAMPLE, "starting_balance": "10000", "candle_interval": 3600} | changes
    assert refused(served.client.post(f"{API}/create", json=body)) == expected


def test_missing_candles_are_refused_with_the_span_that_there_is(served: Served) -> None:
    body = {**SAMPLE, "starting_balance": 1000, "candle_interval": "1h", "start_time": "2021-01-01T00:00:00Z"}
    error = served.client.post(f"{API}/create", json=body).json()["error"]
    # slippage needs the day before the first step
    assert error["details"]["earliest"] == "2021-01-02T00:00:00Z"
    assert error["details"]["latest"] == "2024-01-01T00:00:00Z"
    assert create(served.client, start_time=error["details"]["earliest"], end_time="2021-01-03T00:00:00Z")


def test_an_unaligned_time_is_refused_with_the_nearest_ones(served: Served) -> None:
    body = {**SAMPLE, "starting_balance": 1000, "candle_interval": "1h", "end_time": "2022-01-02T23:59:59Z"}
    error = served.client.post(f"{API}/create", json=body).json()["error"]
    assert error["details"]["nearest"] == ["2022-01-02T23:00:00Z", "2022-01-03T00:00:00Z"]


def test_no_pairs_means_every_symbol_with_candles_for_the_range(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, hours([100.0] * 30, symbols="ABCUSDT"))
    session = create(fresh_server.client, **{**plan, "pairs": None})
    assert look(fresh_server.client, session, "status")["pairs"] == ["ABCUSDT"]
    session = create(fresh_server.client, pairs=None)
    assert look(fresh_server.client, session, "status")["pairs"] == ["BTCUSDT"]


def test_a_session_starts_once(served: Served) -> None:
    session = create(served.client)
    assert refused(served.client.post(f"{API}/{session}/step")) == (409, "BACKTEST_INVALID_STATE")
    assert served.client.post(f"{API}/{session}/start").status_code == 200
    answer = served.client.post(f"{API}/{session}/start")
    assert refused(answer) == (409, "BACKTEST_INVALID_STATE")
    details = answer.json()["error"]["details"]
    assert (details["current_status"], details["required_status"]) == ("running", "created")


# ---- stepping ----


def test_a_step_answers_with_clock_prices_and_portfolio(served: Served) -> None:
    session = begin(served.client)
    order(served.client, session, "buy", "0.01")

    answer = step(served.client, session)

    assert StepResponse.model_validate(answer, strict=True, extra="forbid").model_dump() == answer
    assert (answer["virtual_time"], answer["is_complete"]) == ("2022-01-01T01:00:00Z", False)
    assert [answer[name] for name in ("step", "total_steps", "remaining_steps")] == [1, 48, 47]
    assert answer["progress_pct"] == "2.08"
    # the close of the candle 00:00 .. 01:00 of the published data
    assert answer["prices"] == {"BTCUSDT": "46656.13"}
    money = decimals(answer["portfolio"], PORTFOLIO)
    assert money["starting_balance"] == 10_000
    assert money["total_position_value"] == money["position_value"]
    assert float(money["position_value"]) == pytest.approx(466.5613, rel=1e-15)
    position = decimals(answer["portfolio"]["positions"][0], POSITION - {"symbol"})
    assert position["quantity"] == Decimal("0.01")
    # buys fill at the open of the candle that begins at the clock, plus 0.01 % of slippage
    assert float(position["avg_entry_price"]) == pytest.approx(46216.93 * 1.0001, rel=1e-12)


def test_market_fills_are_in_filled_orders_and_triggered_ones_in_both(served: Served) -> None:
    session = begin(served.client)
    bought = order(served.client, session, "buy", "0.01")
    stop = order(served.client, session, "sell", "0.01", type="stop_loss", trigger_price="46216.93")

    answer = step(served.client, session)

    assert [fill["order_id"] for fill in answer["filled_orders"]] == [bought["order_id"], stop["order_id"]]
    assert [fill["order_id"] for fill in answer["orders_filled"]] == [stop["order_id"]]
    fill = answer["filled_orders"][0]
    decimals(fill, {"quantity", "price", "fee", "slippage_pct", "realized_pnl", "executed_price", "executed_qty"})
    assert (fill["symbol"], fill["side"], fill["type"]) == ("BTCUSDT", "buy", "market")
    assert fill["filled_at"] == "2022-01-01T00:00:00Z"
    decimals(answer["orders_filled"][0], {"executed_price", "executed_qty", "fee"})
    assert step(served.client, session)["filled_orders"] == []


def test_batches_stop_at_the_end_and_say_how_far_they_went(served: Served) -> None:
    session = begin(served.client)
    assert step(served.client, session, 40)["steps_executed"] == 40
    answer = step(served.client, session, 100_000, "batch/fast")
    assert (answer["steps_executed"], answer["is_complete"], answer["remaining_steps"]) == (8, True, 0)
    # the portfolio at the end is whole, as is the list of prices
    assert answer["prices"]["BTCUSDT"] == "47286.18"
    decimals(answer["portfolio"], PORTFOLIO)
    assert refused(served.client.post(f"{API}/{session}/step")) == (409, "BACKTEST_INVALID_STATE")


def test_a_fast_batch_reports_triggered_orders_of_its_last_step_unless_all_are_asked_for(served: Served) -> None:
    reported = []
    for intermediate in (False, True):
        session = begin(served.client)
        order(served.client, session, "buy", "0.01", type="limit", price="46210")
        body = {"steps": 10, "include_intermediate_trades": intermediate}
        answer = served.client.post(f"{API}/{session}/step/batch/fast", json=body).json()
        assert len(answer["filled_orders"]) == 1
        reported.append(len(answer["orders_filled"]))
    assert reported == [0, 1]


@pytest.mark.parametrize(
    ("path", "steps", "expected"),
    [("batch", 0, 422), ("batch", 10_001, 422), ("batch", 10_000, 200), ("batch/fast", 100_001, 422)],
)
def test_batches_have_a_size(served: Served, path: str, steps: int, expected: int) -> None:
    session = begin(served.client)
    assert served.client.post(f"{API}/{session}/step/{path}", json={"steps": steps}).status_code == expected


# ---- orders ----


def test_a_market_order_answers_with_its_fill(served: Served) -> None:
    session = begin(served.client)
    answer = order(served.client, session, "BUY", 0.01, price="1")
    assert (answer["status"], answer["reason"]) == ("filled", None)
    filled = decimals(answer, {"executed_price", "executed_qty", "fee", "realized_pnl"})
    assert filled["executed_qty"] == Decimal("0.01")
    assert float(filled["fee"]) == pytest.approx(float(filled["executed_price"]) * 0.01 * 0.001)


@pytest.mark.parametrize("name", ["price", "stop_price", "trigger_price"])
@pytest.mark.parametrize("kind", ["limit", "stop_loss", "take_profit"])
def test_the_price_of_an_order_has_three_names(served: Served, kind: str, name: str) -> None:
    session = begin(served.client)
    order(served.client, session, "buy", "0.02")
    answer = order(served.client, session, "sell", "0.01", type=kind, **{"price": None, name: "46000"})
    assert answer["status"] == "pending"
    resting = look(served.client, session, "trade/orders/open")["orders"][0]
    assert (resting["type"], resting["price"]) == (kind, "46000.0")
    assert resting["stop_price"] == (None if kind == "limit" else "46000.0")


def test_selling_what_is_not_held_is_refused_and_changes_nothing(served: Served) -> None:
    session = begin(served.client)
    before = look(served.client, session, "account/portfolio")
    body = {"symbol": "BTCUSDT", "side": "sell", "quantity": "0.05"}
    answer = served.client.post(f"{API}/{session}/trade/order", json=body)
    assert refused(answer) == (400, "INSUFFICIENT_BALANCE")
    details = answer.json()["error"]["details"]
    assert (details["asset"], details["required"], details["available"]) == ("BTC", "0.05", "0.0")
    assert look(served.client, session, "account/portfolio") == before
    assert look(served.client, session, "trade/orders") == {"orders": [], "count": 0, "total": 0}


@pytest.mark.parametrize("more", [{}, {"type": "limit", "price": "46000"}, {"type": "stop_loss", "price": "48000"}])
def test_a_buy_that_cannot_be_paid_says_what_it_needs(served: Served, more: dict[str, Any]) -> None:
    session = begin(served.client)
    body = {"symbol": "BTCUSDT", "side": "buy", "quantity": "1", **more}
    answer = served.client.post(f"{API}/{session}/trade/order", json=body)
    assert refused(answer) == (400, "INSUFFICIENT_BALANCE")
    details = answer.json()["error"]["details"]
    assert details["asset"] == "USDT"
    assert Decimal(details["required"]) > Decimal(details["available"]) == 10_000


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"symbol": "NOUSDT"}, "unknown_symbol"), ({"quantity": "0.00000000000001"}, "min_notional")],
)
def test_other_refusals_answer_200_with_a_reason(served: Served, more: dict[str, Any], reason: str) -> None:
    session = begin(served.client)
    answer = order(served.client, session, "buy", **{"quantity": "0.01", **more})
    assert (answer["status"], answer["reason"], answer["executed_price"]) == ("rejected", reason, None)
    listed = look(served.client, session, "trade/orders")["orders"]
    assert [(line["status"], line["reason"]) for line in listed] == [("rejected", reason)]


@pytest.mark.parametrize(
    "body",
    [
        {"side": "buy", "quantity": "0"},
        {"side": "buy", "quantity": "-1"},
        {"side": "buy", "quantity": "inf"},
        {"side": "hold", "quantity": "1"},
        {"side": "buy", "quantity": "1", "type": "iceberg"},
        {"side": "buy", "quantity": "1", "type": "limit"},
        {"side": "buy", "quantity": "1", "type": "stop_loss", "stop_price": "0"},
    ],
)
def test_an_order_that_makes_no_sense_is_a_422(served: Served, body: dict[str, Any]) -> None:
    session = begin(served.client)
    answer = served.client.post(f"{API}/{session}/trade/order", json={"symbol": "BTCUSDT", **body})
    assert refused(answer) == (422, "VALIDATION_ERROR")


def test_orders_are_listed_cancelled_and_in_the_history(served: Served) -> None:
    session = begin(served.client)
    bought = order(served.client, session, "buy", "0.02")
    resting = order(served.client, session, "sell", "0.01", type="limit", price="90000")
    fields = {"id", "symbol", "side", "type", "quantity", "price", "stop_price", "status", "executed_price", "fee"}

    listed = look(served.client, session, "trade/orders")
    assert listed["count"] == 2 and fields <= listed["orders"][0].keys()
    assert [line["id"] for line in look(served.client, session, "trade/orders/open")["orders"]] == [resting["order_id"]]
    path = f"{API}/{session}/trade/order/{resting['order_id']}"
    assert served.client.delete(path).json() == {"order_id": resting["order_id"], "cancelled": True}
    assert served.client.delete(path).json()["cancelled"] is False
    assert served.client.delete(f"{API}/{session}/trade/order/none").json()["cancelled"] is False
    assert look(served.client, session, "trade/orders/open")["count"] == 0
    assert [line["status"] for line in look(served.client, session, "trade/orders")["orders"]] == [
        "filled",
        "cancelled",
    ]
    history = look(served.client, session, "trade/history")
    assert history["count"] == 1
    assert history["trades"][0]["order_id"] == bought["order_id"]
    decimals(history["trades"][0], {"id", "quantity", "price", "quote_amount", "fee", "slippage_pct", "realized_pnl"})


# ---- what is seen inside ----


def test_the_sandbox_market_shows_only_what_lies_in_the_past(served: Served) -> None:
    session = begin(served.client)
    step(served.client, session, 5)
    seen = look(served.client, session, "market/candles/btcusdt?interval=1h&limit=3")
    assert (seen["symbol"], seen["interval"], seen["count"]) == ("BTCUSDT", "1h", 3)
    # at 05:00 the candle that opened at 04:00 is the newest that has closed
    assert [candle["bucket"] for candle in seen["candles"]] == [f"2022-01-01T0{h}:00:00Z" for h in (2, 3, 4)]
    decimals(seen["candles"][-1], {"open", "high", "low", "close", "volume"})
    assert isinstance(seen["candles"][-1]["trade_count"], int)
    price = look(served.client, session, "market/price/BTCUSDT")
    assert price["price"] == seen["candles"][-1]["close"]
    assert look(served.client, session, "market/prices") == {
        "prices": {"BTCUSDT": price["price"]},
        "virtual_time": "2022-01-01T05:00:00Z",
    }
    coarse = look(served.client, session, "market/candles/BTCUSDT?interval=14400&limit=1")
    assert coarse["candles"][0]["bucket"] == "2022-01-01T00:00:00Z"
    assert coarse["interval"] == "14400"


def test_the_first_observation_has_a_history(served: Served) -> None:
    session = begin(served.client)
    assert look(served.client, session, "market/candles/BTCUSDT?interval=1h&limit=1000")["count"] == 1000


def test_candles_are_of_the_sessions_interval_unless_another_one_is_asked_for(served: Served) -> None:
    session = begin(served.client)
    plain = look(served.client, session, "market/candles/BTCUSDT?limit=3")
    assert plain == look(served.client, session, "market/candles/BTCUSDT?limit=3&interval=1h")
    assert plain["interval"] == "1h"


def test_the_ticker_is_the_last_day(served: Served) -> None:
    session = begin(served.client)
    day = look(served.client, session, "market/candles/BTCUSDT?limit=24")["candles"]
    ticker = look(served.client, session, "market/ticker/BTCUSDT")
    numbers = decimals(ticker, {"open", "high", "low", "close", "volume", "price_change", "price_change_pct"})
    assert numbers["open"] == Decimal(day[0]["open"])
    assert numbers["high"] == max(Decimal(candle["high"]) for candle in day)
    assert numbers["low"] == min(Decimal(candle["low"]) for candle in day)
    assert ticker["trade_count"] == sum(candle["trade_count"] for candle in day)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("market/price/NOUSDT", (400, "INVALID_SYMBOL")),
        ("market/ticker/NOUSDT", (400, "INVALID_SYMBOL")),
        ("market/candles/NOUSDT", (400, "INVALID_SYMBOL")),
        ("market/candles/BTCUSDT?interval=7m", (422, "VALIDATION_ERROR")),
        ("market/candles/BTCUSDT?limit=1001", (422, "VALIDATION_ERROR")),
        ("market/candles/BTCUSDT?limit=0", (422, "VALIDATION_ERROR")),
        # minutes cannot be made from hours, and hours are not passed off as minutes
        ("market/candles/BTCUSDT?interval=1m", (400, "BACKTEST_NO_DATA")),
    ],
)
def test_what_is_not_there_is_not_shown(served: Served, path: str, expected: tuple[int, str]) -> None:
    session = begin(served.client)
    assert refused(served.client.get(f"{API}/{session}/{path}")) == expected


def test_the_account_shows_what_is_available_and_what_is_locked(served: Served) -> None:
    session = begin(served.client)
    order(served.client, session, "buy", "0.02")
    order(served.client, session, "sell", "0.005", type="limit", price="90000")
    order(served.client, session, "buy", "0.01", type="limit", price="40000")
    balances = {line["asset"]: line for line in look(served.client, session, "account/balance")["balances"]}
    assert (balances["BTC"]["available"], balances["BTC"]["locked"]) == ("0.015", "0.005")
    assert float(balances["USDT"]["locked"]) == pytest.approx(0.01 * 40_000 * 1.001)
    portfolio = look(served.client, session, "account/portfolio")
    assert portfolio["available_cash"] == balances["USDT"]["available"]
    assert portfolio["locked_cash"] == balances["USDT"]["locked"]
    position = look(served.client, session, "account/positions")["positions"][0]
    decimals(position, {"quantity", "avg_entry_price", "realized_pnl"})


# ---- results ----


def test_everything_inside_is_shown_after_the_end_too(served: Served, finished: str) -> None:
    paths = (
        "trade/orders", "trade/orders/open", "trade/history", "market/price/BTCUSDT", "market/prices",
        "market/ticker/BTCUSDT", "market/candles/BTCUSDT?interval=1h&limit=30", "account/balance",
        "account/positions", "account/portfolio", "status", "results", "results/equity-curve", "results/trades",
    )  # fmt: skip
    assert [served.client.get(f"{API}/{finished}/{path}").status_code for path in paths] == [200] * len(paths)
    assert look(served.client, finished, "trade/orders/open")["count"] == 1


def test_the_status_has_the_documented_fields_and_types(served: Served, finished: str) -> None:
    status = look(served.client, finished, "status")
    wrong = {name: status[name] for name, kind in ITEM.items() if not isinstance(status[name], kind)}
    assert wrong == {}
    assert (status["status"], status["progress_pct"], status["virtual_clock"]) == (
        "completed", 100.0, "2022-01-03T00:00:00Z",
    )  # fmt: skip


def test_results_before_the_end_are_zeros_and_nulls(served: Served) -> None:
    results = look(served.client, create(served.client), "results")
    assert results["summary"] == {
        "final_equity": None, "total_pnl": None, "roi_pct": None, "total_trades": 0, "total_fees": None,
        "duration_real_sec": 0.0,
    }  # fmt: skip
    assert set(results["metrics"]) == METRICS and set(results["metrics"].values()) == {None}
    assert results["by_pair"] == []


def test_results_have_the_documented_and_the_additive_fields(served: Served, finished: str) -> None:
    results = look(served.client, finished, "results")
    config = results["config"]
    assert (config["candle_interval"], config["pairs"], config["starting_balance"]) == ("3600", ["BTCUSDT"], "10000.0")
    summary = decimals(results["summary"], {"final_equity", "total_pnl", "roi_pct", "total_fees"})
    assert results["summary"]["total_trades"] == 2
    assert isinstance(results["summary"]["duration_real_sec"], float)
    assert set(results["metrics"]) == METRICS
    decimals(results["metrics"], {"sharpe_ratio", "sortino_ratio", "max_drawdown_pct", "trades_per_day"})
    assert results["metrics"]["trades_per_day"] == "1.00"
    # half of what was bought has been sold, and nothing is sold by force
    decimals(results["metrics"], {"avg_win", "best_trade", "worst_trade", "avg_trade_duration_minutes"})
    assert results["metrics"]["win_rate"] == "100.00"
    assert look(served.client, finished, "account/positions")["positions"][0]["quantity"] == "0.05"
    top = decimals(results, {"roi_pct", "sharpe_ratio", "max_drawdown_pct", "reward_sum"})
    assert round(top["reward_sum"], 8) == summary["total_pnl"]
    assert round(top["roi_pct"], 2) == summary["roi_pct"]
    pair = results["by_pair"][0]
    assert [pair[name] for name in ("symbol", "trades", "wins", "losses")] == ["BTCUSDT", 2, 1, 0]
    decimals(pair, {"win_rate", "net_pnl", "total_volume"})


def test_the_equity_curve_has_every_nth_step_and_the_last(served: Served, finished: str) -> None:
    whole = look(served.client, finished, "results/equity-curve")
    assert (whole["session_id"], whole["interval"], len(whole["snapshots"])) == (finished, "1", 49)
    decimals(
        whole["snapshots"][-1],
        {"total_equity", "available_cash", "position_value", "unrealized_pnl", "realized_pnl"},
    )
    final = look(served.client, finished, "account/portfolio")
    assert whole["snapshots"][-1]["total_equity"] == final["total_equity"]
    assert whole["snapshots"][-1]["realized_pnl"] == final["realized_pnl"]
    thin = look(served.client, finished, "results/equity-curve?interval=20")["snapshots"]
    assert thin == [whole["snapshots"][k] for k in (0, 20, 40, 48)]


def test_result_trades_come_in_pages(served: Served, finished: str) -> None:
    page = look(served.client, finished, "results/trades?limit=1&offset=1")
    assert (page["total"], len(page["trades"])) == (2, 1)
    trade = page["trades"][0]
    assert (trade["side"], trade["session_id"], trade["stop_price"]) == ("sell", finished, None)
    decimals(trade, {"quantity", "price", "quote_amount", "fee", "slippage_pct", "realized_pnl"})
    assert trade == look(served.client, finished, "trade/history")["trades"][1]


def test_a_cancelled_session_keeps_its_equity_and_has_no_metrics(served: Served) -> None:
    session = begin(served.client)
    order(served.client, session, "buy", "0.1")
    step(served.client, session, 5)
    answer = served.client.post(f"{API}/{session}/cancel").json()
    assert (answer["session_id"], answer["status"], answer["total_trades"]) == (session, "cancelled", 1)
    results = look(served.client, session, "results")
    assert answer["roi_pct"] == results["summary"]["roi_pct"] != "0.00"
    assert set(results["metrics"].values()) == {None}
    assert len(look(served.client, session, "results/equity-curve")["snapshots"]) == 6
    for path in ("step", "cancel", "start"):
        answer = served.client.post(f"{API}/{session}/{path}")
        assert refused(answer) == (409, "BACKTEST_INVALID_STATE")


# ---- whose it is ----


def test_a_stranger_is_told_that_there_is_nothing(served: Served, finished: str) -> None:
    running = begin(served.client)
    gets = (
        "status", "results", "results/equity-curve", "results/trades", "trade/orders", "trade/orders/open",
        "trade/history", "market/prices", "market/price/BTCUSDT", "market/ticker/BTCUSDT", "market/candles/BTCUSDT",
        "account/balance", "account/positions", "account/portfolio",
    )  # fmt: skip
    posts: tuple[tuple[str, Any], ...] = (
        ("start", None), ("step", None), ("step/batch", {"steps": 1}), ("step/batch/fast", {"steps": 1}),
        ("cancel", None), ("trade/order", {"symbol": "BTCUSDT", "side": "buy", "quantity": 1}),
    )  # fmt: skip
    for session in (running, finished, "00000000-0000-0000-0000-000000000000"):
        answers = [served.stranger.get(f"{API}/{session}/{path}") for path in gets]
        answers += [served.stranger.post(f"{API}/{session}/{path}", json=body) for path, body in posts]
        answers.append(served.stranger.delete(f"{API}/{session}/trade/order/1"))
        assert {refused(answer) for answer in answers} == {(404, "BACKTEST_NOT_FOUND")}
    assert step(served.client, running)["step"] == 1
    pair = {"sessions": f"{running},{finished}"}
    assert served.stranger.get(f"{API}/compare", params=pair).status_code == 404
    assert served.stranger.get(f"{API}/list").json() == {"backtests": [], "total": 0}
    assert served.anonymous.get(f"{API}/list").status_code == 401


@pytest.mark.parametrize("session", ["x", "%00", "%00" * 36, "0" * 36, "..%2F..", "a" * 4000])
def test_what_cannot_be_an_id_is_not_found(served: Served, session: str) -> None:
    assert served.client.get(f"{API}/{session}/status").status_code == 404
    assert served.client.post(f"{API}/{session}/step").status_code == 404


def test_a_label_has_no_nul_in_it(served: Served) -> None:
    body = {**SAMPLE, "starting_balance": 1, "candle_interval": "1h", "strategy_label": "a\x00b"}
    assert refused(served.client.post(f"{API}/create", json=body)) == (422, "VALIDATION_ERROR")
    assert served.client.get(f"{API}/list?strategy_label=%00").status_code == 422
