"""The same orders through REST, through an environment and through the interpreted exchange: the same, to the last digit."""

from typing import Any

import numpy as np
import pytest
from backtest_calls import DAY, begin, hours, look, order, step, stored, wild
from serving import Served

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.evaluation import performance_metrics
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.market import DataReplayer
from tradeready_gym.orders import Order
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.sessions.account import BacktestAccount

ACTIONS = [1, 1, 0, 2, 1, 0, 0, 1, 2, 2, 1, 1] * 30


def test_an_environment_and_rest_have_the_same_equity_at_every_step(fresh_server: Served) -> None:
    candles = wild()
    plan = stored(fresh_server.platform, candles)
    env = TradingEnvironment(
        data=candles,
        action_scheme="hold_buy_sell",
        feature_pipeline=("ohlcv",),
        lookback_window=2,
        start_time=plan["start_time"],
        end_time=plan["end_time"],
    )
    env.reset(seed=0)
    session = begin(fresh_server.client, **plan)

    for number, action in enumerate(ACTIONS[:120]):
        if number == 50:
            close = float(candles.close[0, DAY + number - 1])
            env.exchange.submit([Order("BTCUSDT", "buy", 1.5, "limit", 0.99 * close)])
            order(fresh_server.client, session, "buy", 1.5, type="limit", price=0.99 * close)
        info: dict[str, Any] = env.step(action)[4]
        for fill in info["filled_orders"]:
            if fill["type"] == "market":
                order(fresh_server.client, session, fill["side"], repr(fill["quantity"]))
        portfolio = step(fresh_server.client, session)["portfolio"]
        for name, key in (("total_equity", "equity"), ("available_cash", "available_cash"), ("realized_pnl",) * 2):
            assert portfolio["exact"][name] == info[key], number
            assert portfolio[name] == decimal_text(info[key])
    assert look(fresh_server.client, session, "status")["total_trades"] > 20


def play(account: Any, advance: Any, closes: Any) -> list[float]:
    """Orders of every type from a fixed stream of numbers; the equity after every stretch of candles."""
    numbers = np.random.default_rng(11)
    equity = []
    for _ in range(40):
        kind = ("market", "limit", "stop_loss", "take_profit")[numbers.integers(4)]
        side = ("buy", "sell")[numbers.integers(2)]
        price = None if kind == "market" else float(closes(account) * numbers.uniform(0.97, 1.03))
        account.submit_one(Order("BTCUSDT", side, float(numbers.uniform(0.5, 9.0)), kind, price))
        equity.append(advance(int(numbers.integers(1, 8))))
    return equity


class ByCandle:
    """The exchange alone, interpreted, one `match` and `mark` at a time."""

    def __init__(self, exchange: SimulatedExchange, start: str) -> None:
        self.exchange, self.candles = exchange, exchange.data
        exchange.reset(start)
        self.row = DAY

    def submit_one(self, order: Order) -> None:
        self.exchange.submit([order])

    def advance(self, candles: int) -> float:
        for _ in range(candles):
            self.exchange.match()
            self.exchange.mark()
        self.row += candles
        return self.exchange.net_worth


class AtOnce:
    """The account of a session: one compiled call for a stretch of candles."""

    def __init__(self, exchange: SimulatedExchange, start_row: int) -> None:
        self.account = BacktestAccount(exchange, DataReplayer(exchange.data), start_row)

    def submit_one(self, order: Order) -> None:
        self.account.exchange.submit([order])

    def advance(self, candles: int) -> float:
        self.account.advance(candles)
        return float(self.account.record.equity)


def test_a_stretch_at_once_is_the_interpreted_candle_by_candle_loop() -> None:
    candles = wild(400)
    close = candles.close[0]
    alone = ByCandle(SimulatedExchange(candles), plan_start(candles))
    together = AtOnce(SimulatedExchange(candles), DAY)

    expected = play(alone, alone.advance, lambda account: close[account.row - 1])
    found = play(together, together.advance, lambda account: close[int(account.account.record.row) - 1])

    assert found == expected
    assert together.account.exchange.trades == alone.exchange.trades and len(alone.exchange.trades) > 15
    curve = alone.exchange.performance["equity"]
    assert together.account.curve[1:, 1].tolist() == curve.tolist()
    for name in ("return_mean", "return_m2", "downside_sum", "max_drawdown", "drawdown_steps", "gross_profit"):
        assert together.account.record[name] == alone.exchange._state.accounts[0][name]  # type: ignore[union-attr]


def plan_start(candles: Any) -> str:
    from tradeready_gym.market import format_time

    return format_time(int(candles.times[DAY]))


def test_a_defect_of_one_candle_would_be_seen() -> None:
    candles = wild(400)
    close = candles.close[0]
    alone = ByCandle(SimulatedExchange(candles), plan_start(candles))
    late = AtOnce(SimulatedExchange(candles), DAY)
    skipped = late.advance
    late.advance = lambda candles: skipped(candles + 1)  # type: ignore[method-assign]
    expected = play(alone, alone.advance, lambda account: close[account.row - 1])
    found = play(late, late.advance, lambda account: close[int(account.account.record.row) - 1])
    assert found != expected


def test_a_round_trip_can_be_computed_by_hand(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, hours([100.0, 110.0, 121.0, 108.9]))
    session = begin(fresh_server.client, **plan, fee_rate="0.01")
    # 24 hours of 100 x 1000 were traded: the minimum of 0.01 % is what 1000 of value slip
    bought = order(fresh_server.client, session, "buy", 10)
    assert float(bought["executed_price"]) == pytest.approx(100.01)
    assert float(bought["fee"]) == pytest.approx(0.01 * 1000.1)
    step(fresh_server.client, session, 3)
    sold = order(fresh_server.client, session, "sell", 10)
    price = 121.0 * (1.0 - 0.0001)
    assert float(sold["executed_price"]) == pytest.approx(price)
    assert float(sold["realized_pnl"]) == pytest.approx(10 * (price - 100.01))
    answer = step(fresh_server.client, session)

    profit = 10 * (price - 100.01) - 0.01 * 1000.1 - 0.01 * 10 * price
    assert float(answer["portfolio"]["total_pnl"]) == pytest.approx(profit)
    results = look(fresh_server.client, session, "results")
    metrics = results["metrics"]
    assert metrics["win_rate"] == "100.00" and metrics["profit_factor"] is None
    assert float(metrics["avg_win"]) == pytest.approx(profit, abs=1e-8)
    assert metrics["best_trade"] == metrics["worst_trade"] == metrics["avg_win"]
    assert (metrics["avg_loss"], metrics["avg_trade_duration_minutes"]) == (None, "180.00")
    assert metrics["trades_per_day"] == "12.00"
    pair = results["by_pair"][0]
    assert (pair["trades"], pair["wins"], pair["losses"], pair["win_rate"]) == (2, 1, 0, "100.00")
    assert float(pair["net_pnl"]) == pytest.approx(profit)
    assert float(pair["total_volume"]) == pytest.approx(10 * (100.01 + price))


def test_metrics_are_those_of_the_equity_curve_with_the_real_number_of_periods(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, wild())
    session = begin(fresh_server.client, **plan)
    order(fresh_server.client, session, "buy", 30)
    step(fresh_server.client, session, 100)
    order(fresh_server.client, session, "sell", 20)
    step(fresh_server.client, session, 10_000)

    snapshots = look(fresh_server.client, session, "results/equity-curve")["snapshots"]
    curve = [snapshot["exact"]["total_equity"] for snapshot in snapshots]
    expected = performance_metrics(curve, 365.25 * 24)
    results = look(fresh_server.client, session, "results")
    for name in ("roi_pct", "sharpe_ratio", "max_drawdown_pct"):
        assert results["exact"][name] == pytest.approx(expected[name], rel=1e-9)
        assert float(results[name]) == pytest.approx(expected[name], abs=1e-8)
    sortino = expected["sortino_ratio"]
    assert float(results["metrics"]["sortino_ratio"]) == pytest.approx(sortino, abs=1e-4)
    for snapshot in snapshots:
        values = {name: float(snapshot[name]) for name in snapshot if name not in {"simulated_at", "exact"}}
        assert values["total_equity"] == pytest.approx(values["available_cash"] + values["position_value"], abs=2e-8)
