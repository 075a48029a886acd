"""Every formula against hand numbers, Python's `statistics`, and golden values of empyrical-reloaded 0.7.1."""

import itertools
import json
import math
import random
import statistics as python_statistics

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.evaluation import (
    METRIC_NAMES,
    EpisodeStatistics,
    episode_metrics,
    plain_metrics,
    statistics_from_curve,
)

HOURLY = 8766.0
HAND_CURVE = [10_000.0, 10_100.0, 10_050.0, 10_200.0, 9_900.0, 10_300.0]
STEPS = np.arange(1, 2001)
WAVES = np.concatenate(
    [[10_000.0], 10_000 * np.exp(0.0001 * STEPS + 0.05 * np.sin(STEPS / 37) + 0.004 * np.sin(STEPS * STEPS % 97))]
)
FALLING = np.concatenate([[10_000.0], 10_000 * np.exp(-0.0003 * STEPS + 0.02 * np.sin(STEPS / 11))])


def hand_episode() -> EpisodeStatistics:
    """Trades with PnL none, 50, -20 and 0 over the hourly hand curve."""
    return statistics_from_curve(
        HAND_CURVE,
        traded_value=5_000.0,
        exposed_steps=2,
        trades=4,
        round_trips=3,
        winning_trips=1,
        gross_profit=50.0,
        gross_loss=20.0,
        fees_paid=5.0,
        reward_sum=300.0,
    )


def test_hand_numbers_of_the_hourly_curve() -> None:
    metrics = plain_metrics(hand_episode(), HOURLY)
    assert metrics["roi_pct"] == pytest.approx(3.0)
    assert metrics["sharpe_ratio"] == pytest.approx(22.5160, abs=5e-5)
    assert metrics["max_drawdown_pct"] == pytest.approx(2.94, abs=5e-3)
    assert metrics["max_drawdown_duration"] == 2
    assert metrics["max_drawdown_duration_days"] == pytest.approx(2 / 24)
    assert metrics["win_rate"] == pytest.approx(33.33, abs=5e-3)
    assert metrics["profit_factor"] == pytest.approx(2.5)
    assert metrics["total_trades"] == 4
    assert metrics["round_trips"] == 3
    assert metrics["exposure"] == pytest.approx(0.4)
    assert metrics["fees_paid"] == 5.0
    assert metrics["final_equity"] == 10_300.0
    assert metrics["cumulative_reward"] == 300.0
    assert metrics["length"] == 5


def test_turnover_is_traded_value_over_mean_equity_per_year() -> None:
    mean_equity = sum(HAND_CURVE[1:]) / 5
    years = 5 / HOURLY
    expected = 5_000 / mean_equity / years
    assert plain_metrics(hand_episode(), HOURLY)["turnover"] == pytest.approx(expected, rel=1e-14)


def test_sharpe_and_sortino_agree_with_plain_python() -> None:
    draw = random.Random(5)
    curve = [1_000.0]
    for _ in range(500):
        curve.append(curve[-1] * (1 + draw.gauss(0.0005, 0.01)))
    returns = [(after - before) / before for before, after in itertools.pairwise(curve)]
    mean = python_statistics.mean(returns)
    downside = math.sqrt(sum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    metrics = plain_metrics(statistics_from_curve(curve), HOURLY)
    assert metrics["sharpe_ratio"] == pytest.approx(
        mean / python_statistics.stdev(returns) * math.sqrt(HOURLY), rel=1e-11
    )
    assert metrics["sortino_ratio"] == pytest.approx(mean / downside * math.sqrt(HOURLY), rel=1e-11)


@pytest.mark.parametrize(
    ("curve", "periods", "sharpe", "sortino", "drawdown", "total"),
    [
        (WAVES, 8760, 2.284819290424272, 3.302206979979995, -0.09202524904781988, 0.18040914037779965),
        (WAVES, 8766, 2.2856016288448786, 3.303337679201619, -0.09202524904781988, 0.18040914037779965),
        (FALLING, 8760, -22.08656924349845, -25.6723609389762, -0.46818590664500653, -0.4553877728090565),
        (FALLING, 8766, -22.0941318423311, -25.68115133845962, -0.46818590664500653, -0.4553877728090565),
    ],
)
def test_ratios_agree_with_empyrical(
    curve: np.ndarray, periods: float, sharpe: float, sortino: float, drawdown: float, total: float
) -> None:
    metrics = plain_metrics(statistics_from_curve(curve), periods)
    assert metrics["sharpe_ratio"] == pytest.approx(sharpe, rel=1e-11)
    assert metrics["sortino_ratio"] == pytest.approx(sortino, rel=1e-11)
    assert metrics["max_drawdown_pct"] == pytest.approx(-100 * drawdown, rel=1e-11)
    assert metrics["roi_pct"] == pytest.approx(100 * total, rel=1e-11)


def test_a_thousand_episodes_give_what_each_gives_alone() -> None:
    curves = 1_000 * np.exp(np.random.default_rng(2).normal(0, 0.01, (1_000, 48)).cumsum(axis=1))
    together = episode_metrics(statistics_from_curve(curves, trades=np.arange(1_000)), HOURLY)
    assert list(together) == list(METRIC_NAMES)
    for row in (0, 1, 500, 999):
        alone = plain_metrics(statistics_from_curve(curves[row], trades=row), HOURLY)
        for name in METRIC_NAMES:
            expected = math.nan if alone[name] is None else alone[name]
            assert together[name][row] == pytest.approx(expected, rel=1e-12, nan_ok=True), name


def test_metrics_that_do_not_exist_are_null() -> None:
    metrics = plain_metrics(statistics_from_curve([100.0]), HOURLY)
    nulls = {name for name, value in metrics.items() if value is None}
    assert nulls == {"sharpe_ratio", "sortino_ratio", "win_rate", "profit_factor", "turnover", "exposure"}


def test_one_return_has_no_sharpe_ratio() -> None:
    assert plain_metrics(statistics_from_curve([100.0, 101.0]), HOURLY)["sharpe_ratio"] is None


def test_constant_growth_has_no_sharpe_ratio_although_rounding_leaves_a_deviation() -> None:
    statistics = statistics_from_curve(100 * 1.001 ** np.arange(200))
    assert statistics.return_m2 > 0
    assert plain_metrics(statistics, HOURLY)["sharpe_ratio"] is None
    assert plain_metrics(statistics, HOURLY)["sortino_ratio"] is None


def test_a_flat_episode_has_no_ratio_and_no_drawdown() -> None:
    metrics = plain_metrics(statistics_from_curve([100.0] * 10), HOURLY)
    assert metrics["sharpe_ratio"] is None
    assert metrics["sortino_ratio"] is None
    assert metrics["roi_pct"] == 0.0
    assert metrics["max_drawdown_pct"] == 0.0
    assert metrics["max_drawdown_duration"] == 0


def test_plain_metrics_survive_json_and_counts_stay_whole() -> None:
    metrics = plain_metrics(hand_episode(), HOURLY)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert {name for name, value in metrics.items() if type(value) is int} == {
        "max_drawdown_duration",
        "total_trades",
        "round_trips",
        "length",
    }


def test_batch_counts_are_int64_and_the_rest_float64() -> None:
    metrics = episode_metrics(statistics_from_curve(np.full((3, 4), 5.0)), HOURLY)
    assert metrics["length"].dtype == np.int64
    assert metrics["length"].tolist() == [3, 3, 3]
    assert metrics["roi_pct"].dtype == np.float64
    assert np.isnan(metrics["sharpe_ratio"]).all()


def test_metrics_do_not_share_memory_with_the_engine() -> None:
    statistics = statistics_from_curve(np.full((3, 4), 5.0))
    metrics = episode_metrics(statistics, HOURLY)
    metrics["final_equity"][:] = 0
    assert (np.asarray(statistics.equity) == 5.0).all()


@pytest.mark.parametrize("periods", [0.0, -1.0, math.nan, math.inf])
def test_impossible_periods_per_year_are_refused(periods: float) -> None:
    with pytest.raises(ConfigurationError, match="8766"):
        plain_metrics(hand_episode(), periods)
