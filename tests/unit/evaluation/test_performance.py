"""A run described in full: hand numbers, the engine's own counts, and a long run in little time and memory."""

import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from small_worlds import drawn, play, random_candles, small_env
from tradeready_gym import TargetPosition
from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.evaluation import (
    METRIC_NAMES,
    omega_ratio,
    performance_metrics,
    plain_metrics,
    round_trips,
    statistics_from_curve,
    stretches,
)

HOURLY = 8766.0
FILL = np.dtype(
    [
        ("symbol", "i8"),
        ("side", "i8"),
        ("quantity", "f8"),
        ("price", "f8"),
        ("fee", "f8"),
        ("slippage", "f8"),
        ("row", "i8"),
    ]
)
HAND_FILLS = np.array(
    [
        (0, +1, 2.0, 101.0, 1.0, 0.01, 1),
        (0, -1, 2.0, 104.5, 1.0, 0.05, 2),
        (0, -1, 1.0, 100.0, 1.0, 0.0, 3),
        (0, +1, 1.0, 120.0, 1.0, 0.0, 6),
    ],
    FILL,
)


def test_the_curves_metrics_by_hand() -> None:
    found = performance_metrics([100.0, 110.0, 88.0, 99.0, 121.0, 120.0], periods_per_year=10.0)
    annual = 1.2**2 - 1.0
    assert found["annual_return_pct"] == pytest.approx(100 * annual)
    assert found["max_drawdown_pct"] == pytest.approx(20.0)
    assert found["calmar_ratio"] == pytest.approx(annual / 0.2)
    assert found["longest_drawdown"] == 3
    assert found["time_under_water"] == pytest.approx(3 / 5)
    returns = np.diff([100.0, 110.0, 88.0, 99.0, 121.0, 120.0]) / [100.0, 110.0, 88.0, 99.0, 121.0]
    assert found["annual_volatility_pct"] == pytest.approx(100 * returns.std(ddof=1) * math.sqrt(10.0))
    assert found["win_rate"] is found["turnover"] is found["exposure"] is found["mean_leverage"] is None


def test_trips_and_costs_by_hand() -> None:
    found = performance_metrics([1_000.0, 1_002.0, 1_003.0, 985.0], HOURLY, fills=HAND_FILLS)
    assert (found["round_trips"], found["long_trips"], found["short_trips"]) == (2, 1, 1)
    assert found["mean_win"] == pytest.approx(7.0 - 2.0)
    assert found["mean_loss"] == pytest.approx(-20.0 - 2.0)
    assert found["mean_profit"] == pytest.approx(-17.0 / 2)
    assert found["win_rate"] == pytest.approx(50.0)
    assert found["profit_factor"] == pytest.approx(5.0 / 22.0)
    assert (found["mean_holding_bars"], found["longest_holding_bars"]) == (2.0, 3)
    assert found["fees_paid"] == 4.0
    # bought at 101 instead of 100, sold at 104.5 instead of 110
    assert found["slippage_paid"] == pytest.approx(2.0 * 1.0 + 2.0 * 5.5)
    assert found["costs_pct"] == pytest.approx(100 * 17.0 / 1_000)
    assert found["costs_per_trade_pct"] == pytest.approx(100 * 17.0 / (202 + 209 + 100 + 120))


def test_exposure_and_leverage_are_those_of_the_steps() -> None:
    found = performance_metrics([100.0, 100.0, 50.0, 100.0], HOURLY, position_value=[0.0, 100.0, -100.0, 0.0])
    assert found["exposure"] == pytest.approx(2 / 3)
    assert found["mean_leverage"] == pytest.approx((1.0 + 2.0 + 0.0) / 3)


def played(env: Any, steps: int) -> tuple[list[float], list[float], np.ndarray, dict[str, Any]]:
    """Equity, position value, fills and the engine's metrics of an episode of random actions."""
    outcomes = play(env, drawn(env, steps))
    infos = [outcomes[0][1], *(outcome[4] for outcome in outcomes[1:])]
    fills = [
        (0, 1 if f["side"] == "buy" else -1, f["quantity"], f["price"], f["fee"], f["slippage_pct"] / 100, row)
        for row, info in enumerate(infos)
        for f in info["filled_orders"]
    ]
    return (
        [info["equity"] for info in infos],
        [info["position_value"] for info in infos],
        np.array(fills, FILL),
        infos[-1]["episode_metrics"],
    )


@pytest.mark.parametrize("account", [None, "margin"])
def test_fills_tell_what_the_engine_counted(account: str | None) -> None:
    lowest = 0.0 if account is None else -1.0
    env = small_env(
        random_candles(200, seed=3),
        action_scheme=TargetPosition(positions=(lowest, 0.0, 0.5, 1.0)),
        account=account,
        fee_rate=0.001,
    )
    equity, value, fills, counted = played(env, 250)
    found = performance_metrics(equity, HOURLY, fills=fills, position_value=value)
    assert counted["round_trips"] > 20
    for name in set(METRIC_NAMES) - {"cumulative_reward"}:
        assert found[name] == pytest.approx(counted[name], rel=1e-9), name
    if account is not None:
        assert isinstance(found["short_trips"], int) and found["short_trips"] > 5


def a_long_run(steps: int, trades: int) -> tuple[np.ndarray, np.ndarray]:
    """Equity, and fills that buy and sell in turn."""
    random = np.random.default_rng(0)
    equity = 1e4 * np.exp(np.cumsum(random.normal(1e-5, 1e-3, steps + 1)))
    fills = np.zeros(trades, FILL)
    fills["side"] = np.where(np.arange(trades) % 2, -1, 1)
    fills["quantity"], fills["price"], fills["fee"] = 1.0, random.uniform(90, 110, trades), 0.1
    fills["row"] = np.arange(trades) * 5
    return equity, fills


def peak_share(work: Callable[[], Any], *inputs: np.ndarray) -> float:
    """The peak of memory besides the inputs, as a share of them."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak / sum(array.nbytes for array in inputs))


def test_a_million_steps_take_little_time_and_no_copy() -> None:
    equity, fills = a_long_run(1_000_000, 200_000)
    began = time.process_time()
    found = performance_metrics(equity, HOURLY, fills=fills, position_value=equity)
    assert time.process_time() - began < 1.0
    assert found["round_trips"] == 100_000
    # 0.03 and 0.05 when this was written
    assert peak_share(lambda: performance_metrics(equity, HOURLY), equity) < 0.1
    whole = peak_share(lambda: performance_metrics(equity, HOURLY, fills=fills, position_value=equity), equity, fills)
    assert whole < 0.1


def test_a_copy_of_the_run_would_be_noticed() -> None:
    equity, _ = a_long_run(200_000, 2)
    assert peak_share(lambda: performance_metrics(equity.copy(), HOURLY), equity) > 1.0
    assert peak_share(lambda: np.isfinite(equity).all(), equity) > 0.1


@pytest.mark.parametrize("rows", [2, 3, 7, 64])
def test_where_a_run_is_cut_into_stretches_changes_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(rows)
    equity = 1_000.0 * np.exp(np.cumsum(random.choice([-0.02, -0.01, 0.0, 0.01, 0.02], 301)))
    fills = np.zeros(200, FILL)
    fills["row"], fills["symbol"] = np.sort(random.integers(0, 300, 200)), random.integers(0, 3, 200)
    fills["side"], fills["quantity"] = np.where(np.arange(200) // 2 % 2, -1, 1), random.choice([1.0, 2.0], 200)
    fills["price"], fills["fee"] = random.uniform(90, 110, 200), 0.01
    value = random.normal(0.0, 500.0, 301)

    def described() -> tuple[dict[str, Any], list[Any]]:
        trips, curves = round_trips(fills), statistics_from_curve(equity[:300].reshape(3, 100))
        arrays = [getattr(trips, field) for field in trips.__dataclass_fields__] + [np.asarray(one) for one in curves]
        return performance_metrics(equity, HOURLY, fills=fills, position_value=value), arrays

    whole, arrays = described()
    monkeypatch.setattr(stretches, "ROWS", rows)
    monkeypatch.setattr(stretches, "_LEAST_ROWS", 1)
    cut, other_arrays = described()
    assert whole.pop("cumulative_reward") is cut.pop("cumulative_reward") is None
    assert cut == pytest.approx(whole, rel=1e-12)
    for one, other in zip(arrays, other_arrays, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    assert len(arrays[0]) > 10


def test_omega_by_hand_and_as_empyrical_has_it() -> None:
    assert omega_ratio([0.3, -0.1, 0.1, -0.1]) == pytest.approx(2.0)
    assert omega_ratio([0.3, -0.1, 0.1, -0.1], 0.1) == pytest.approx(0.2 / 0.4)
    assert omega_ratio([0.1, 0.2]) is None
    steps = np.arange(1, 2001)
    logs = 0.0001 * steps + 0.05 * np.sin(steps / 37) + 0.004 * np.sin(steps * steps % 97)
    curve = np.concatenate([[10_000.0], 10_000 * np.exp(logs)])
    returns = np.diff(curve) / curve[:-1]
    # empyrical-reloaded 0.7.1, omega_ratio(returns, required_return=threshold, annualization=1)
    for threshold, golden in ((0.0, 1.0604082097638075), (0.0005, 0.7645170238017875), (-0.0002, 1.2087516542989793)):
        assert omega_ratio(returns, threshold) == pytest.approx(golden, rel=1e-12)
    assert performance_metrics(curve, HOURLY)["omega_ratio"] == pytest.approx(1.0604082097638075, rel=1e-12)
    for wrong in ([[0.1]], [math.nan]):
        with pytest.raises(DataError, match="Omega"):
            omega_ratio(wrong)


def test_a_curve_alone_says_what_the_plain_metrics_say() -> None:
    curve = 1_000 * np.exp(np.random.default_rng(1).normal(0.0, 0.01, 400).cumsum())
    plain = plain_metrics(statistics_from_curve(curve), HOURLY)
    found = performance_metrics(curve, HOURLY)
    for name in ("roi_pct", "sharpe_ratio", "sortino_ratio", "max_drawdown_pct", "max_drawdown_duration", "length"):
        assert found[name] == plain[name]


def test_what_does_not_exist_is_none() -> None:
    start = performance_metrics([100.0], HOURLY, fills=HAND_FILLS[:0], position_value=[0.0])
    assert start["annual_return_pct"] is start["calmar_ratio"] is start["mean_leverage"] is start["win_rate"] is None
    assert start["mean_holding_bars"] is start["longest_holding_bars"] is start["costs_per_trade_pct"] is None
    assert (start["total_trades"], start["fees_paid"], start["costs_pct"]) == (0, 0.0, 0.0)
    rising = performance_metrics([100.0, 101.0], HOURLY)
    assert rising["calmar_ratio"] is None and rising["annual_volatility_pct"] is None
    assert performance_metrics([1.0, 1e9], HOURLY)["annual_return_pct"] is None
    ruined = performance_metrics([100.0, 50.0, 0.0], HOURLY)
    assert (ruined["annual_return_pct"], ruined["calmar_ratio"]) == (-100.0, -1.0)


def test_impossible_inputs_are_named() -> None:
    with pytest.raises(DataError, match=r"shape \(steps \+ 1,\)"):
        performance_metrics([[1.0, 2.0]], HOURLY)
    with pytest.raises(DataError, match="position_value"):
        performance_metrics([1.0, 2.0], HOURLY, position_value=[0.0])
    with pytest.raises(ConfigurationError, match="periods_per_year"):
        performance_metrics([1.0, 2.0], 0.0)
    fills = HAND_FILLS.copy()
    fills["slippage"][1] = 1.0
    with pytest.raises(DataError, match="slippage"):
        performance_metrics([1.0, 2.0], HOURLY, fills=fills)
