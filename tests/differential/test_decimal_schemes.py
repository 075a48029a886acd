"""Hand-computed cases of the reference: action schemes, rewards, account scalars and episode metrics."""

from decimal import Decimal, localcontext
from typing import Any

import pytest
from decimal_ledger import Continuous, FixedSlippage, HoldBuySell, Portfolio, TargetPositions
from reference.inputs import exact_context
from reference.rewards import composite, drawdown_penalty, log_return, pnl, sharpe, sortino
from worlds import episode_of, episode_on, near, only_fill, order, reasons, series_of

FLAT = (100.0, 100.0, 100.0, 100.0)
CURVE = [Decimal(equity) for equity in (10_000, 10_100, 10_000, 10_200, 10_150, 10_150)]


def test_buying_takes_a_tenth_of_equity_at_the_last_close_and_fills_at_the_open() -> None:
    result = episode_of((125.0,) * 4, scheme=HoldBuySell(), fee_rate=0.0).step(action=1)
    assert near(only_fill(result).quantity, "10") and only_fill(result).price == 125


def test_a_buy_that_cash_does_not_cover_is_cut_and_leaves_exactly_nothing() -> None:
    episode = episode_of(FLAT, FLAT, scheme=HoldBuySell(1.0), slippage=FixedSlippage(0.001))
    result = episode.step(action=1)
    assert result.cash == 0
    assert near(only_fill(result).quantity, str(Decimal(10_000) / (Decimal("100.1") * Decimal("1.001"))))
    assert reasons(episode.step(action=1)) == ["min_notional"]


def test_selling_everything_leaves_exactly_nothing_and_selling_nothing_is_no_order() -> None:
    episode = episode_of(FLAT, FLAT, FLAT, scheme=HoldBuySell(0.3))
    episode.step(action=1)
    assert episode.step(action=2).positions == [0]
    idle = episode.step(action=2)
    assert not idle.fills and not idle.rejects


@pytest.mark.parametrize(("action", "quantity"), [(0.5, "5"), (3.0, "10"), (0.049, None), (0.05, "0.5")])
def test_a_continuous_action_is_clipped_and_has_a_dead_zone(action: float, quantity: str | None) -> None:
    fills = episode_of(FLAT, scheme=Continuous(), fee_rate=0.0).step(action=action).fills
    assert [near(fill.quantity, quantity or "0") for fill in fills] == ([True] if quantity else [])


def test_a_continuous_sell_is_cut_to_the_holding() -> None:
    episode = episode_of(FLAT, FLAT, scheme=Continuous(1.0), fee_rate=0.0)
    episode.step(action=0.25)
    sold = episode.step(action=-1.0)
    assert only_fill(sold).quantity == 25 and sold.positions == [0]


def test_a_portfolio_sells_before_it_buys_and_scales_a_sum_above_one() -> None:
    flat = series_of(FLAT, FLAT, FLAT)
    episode = episode_on([flat, flat], scheme=Portfolio(), fee_rate=0.0)
    assert episode.step(action=[0.0, 1.5]).positions == [0, 100]
    moved = episode.step(action=[1.0, 1.0])
    assert [(fill.symbol, fill.side) for fill in moved.fills] == [(1, "sell"), (0, "buy")]
    assert moved.positions == [50, 50] and moved.cash == 0
    assert not episode.step(action=[0.505, 0.495]).fills  # within one per cent of equity


def test_target_positions_trade_the_difference_without_the_fee_and_wait_below_the_threshold() -> None:
    episode = episode_of(FLAT, FLAT, FLAT, scheme=TargetPositions((0.0, 0.5, 0.562)), fee_rate=0.25)
    half = episode.step(action=1)
    assert near(only_fill(half).quantity, "50") and near(half.cash, "3750")
    assert not episode.step(action=2).fills  # equity 8750: 4917.5 wanted, 5000 held
    assert episode.step(action=0).positions == [0]


def test_a_target_that_is_met_makes_no_order() -> None:
    episode = episode_of(FLAT, FLAT, scheme=TargetPositions((0.0, 1.0)))
    assert episode.step(action=1).cash == 0
    met = episode.step(action=1)
    assert not met.fills and not met.rejects


def test_rewards_give_the_published_numbers() -> None:
    assert pnl(CURVE) == [100, -100, 200, -50, 0]
    expected: dict[Any, tuple[float, ...]] = {
        sharpe: (0, 0.004975, 0.534099, -0.21921, -0.036652),
        sortino: (0, 0.007071, 1.16495, -0.484249, -0.07261),
    }
    for reward, numbers in expected.items():
        assert [round(float(value), 6) for value in reward(CURVE)] == pytest.approx(numbers, abs=1e-6)


def test_log_returns_add_up_and_drawdown_has_one_unit() -> None:
    with localcontext(exact_context()):
        assert near(sum(log_return(CURVE), Decimal(0)), str(Decimal("1.015").ln()))
    penalties = drawdown_penalty(CURVE, coeff=2.0)
    assert penalties[0] == Decimal("0.01")
    assert near(penalties[1], str(Decimal("-0.01") - 2 * Decimal(100) / Decimal(10_100)))


def test_composite_is_its_weighted_parts() -> None:
    traded = [True, False, False, True, False]
    rewards = composite(CURVE, traded, sortino_window=50)
    second = Decimal("0.4") * sortino(CURVE)[1] + Decimal("0.3") * Decimal("-0.01")
    second += Decimal("0.2") * Decimal("-0.02") - Decimal("0.1") * Decimal(100) / Decimal(10_100)
    assert near(rewards[0], "0.203") and near(rewards[1], str(second))


def test_metrics_by_hand() -> None:
    episode = episode_of(FLAT, (120.0,) * 4, (100.0,) * 4, (90.0,) * 4, fee_rate=0.0)
    for side in ("buy", "sell", "buy", "sell"):
        episode.step(submit=[order(side, "market", 10.0)])
    assert [result.equity for result in episode.results] == [10_000, 10_200, 10_200, 10_100]
    metrics = episode.metrics()
    assert metrics["roi_pct"] == 1 and metrics["total_trades"] == 4 and metrics["round_trips"] == 2
    assert metrics["win_rate"] == Decimal("0.5") and metrics["profit_factor"] == 2
    assert metrics["exposure"] == Decimal("0.5")
    depth = Decimal(10_000) / Decimal(10_200)
    assert near(Decimal(metrics["max_drawdown_pct"] or 0), str(depth)) and metrics["max_drawdown_steps"] == 1
    traded = Decimal(1000 + 1200 + 1000 + 900)
    assert near(Decimal(metrics["turnover"] or 0), str(traded / 40_500 * Decimal("365.25")))


def test_account_scalars_are_shares() -> None:
    result = episode_of((100.0, 110.0, 100.0, 110.0), fee_rate=0.0).step(submit=[order("buy", "market", 50.0)])
    assert result.account["balance"] == Decimal("0.5")
    assert near(result.account["position"][0], str(Decimal(5500) / 10_500))  # type: ignore[index]
    assert near(Decimal(result.account["unrealized_pnl"]), str(Decimal(500) / 10_500))  # type: ignore[arg-type]
