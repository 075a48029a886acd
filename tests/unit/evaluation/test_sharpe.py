"""Probabilistic and deflated Sharpe ratios against published values, and the order that they must keep."""

import math
from statistics import fmean, stdev

import numpy as np
import pytest

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import (
    ReturnMoments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
    return_moments,
)

DAYS = 250


def test_the_example_of_the_deflated_sharpe_paper() -> None:
    # five years of days, annual ratio 2.5, skewness -3, kurtosis 10; 100 trials with an annual variance of 1/2
    moments = ReturnMoments(5 * DAYS, 2.5 / math.sqrt(DAYS), -3.0, 10.0)
    benchmark = expected_maximum_sharpe(100, 0.5 / DAYS)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(moments, benchmark) == pytest.approx(0.9004, abs=5e-5)
    # 46 trials would have been few enough for 95 %
    assert probabilistic_sharpe(moments, expected_maximum_sharpe(46, 0.5 / DAYS)) == pytest.approx(0.9505, abs=5e-4)


def test_the_number_and_variance_of_the_trials_are_their_own() -> None:
    trials = np.random.default_rng(0).normal(0.0, 0.05, 30)
    moments = ReturnMoments(500, 0.1, 0.0, 3.0)
    expected = probabilistic_sharpe(moments, expected_maximum_sharpe(30, stdev(trials.tolist()) ** 2))
    assert deflated_sharpe(moments, trials) == pytest.approx(expected, rel=1e-12)
    assert deflated_sharpe(moments, [0.1]) == probabilistic_sharpe(moments)


def test_five_years_are_too_short_for_more_than_45_trials() -> None:
    assert minimum_backtest_years(45) == pytest.approx(5.0, abs=0.01)
    assert minimum_backtest_years(45, 2.0) == pytest.approx(1.25, abs=0.01)


def test_the_expected_maximum_is_that_of_normal_draws() -> None:
    draws = np.random.default_rng(1).normal(0.0, 0.3, (20_000, 50)).max(axis=1)
    assert expected_maximum_sharpe(50, 0.09) == pytest.approx(float(draws.mean()), rel=0.02)


def test_the_moments_are_those_of_the_definitions() -> None:
    returns = np.random.default_rng(2).gamma(2.0, 1.0, 400) - 1.8
    moments = return_moments(returns)
    plain = returns.tolist()
    mean, deviation = fmean(plain), math.sqrt(fmean([(x - fmean(plain)) ** 2 for x in plain]))
    assert moments.sharpe == pytest.approx(mean / stdev(plain), rel=1e-12)
    assert moments.skewness == pytest.approx(fmean([(x - mean) ** 3 for x in plain]) / deviation**3, rel=1e-12)
    assert moments.kurtosis == pytest.approx(fmean([(x - mean) ** 4 for x in plain]) / deviation**4, rel=1e-12)


def test_fat_left_tails_and_short_records_lower_the_probability() -> None:
    good = ReturnMoments(1000, 0.05, 0.0, 3.0)
    assert probabilistic_sharpe(ReturnMoments(1000, 0.05, -2.0, 12.0)) < probabilistic_sharpe(good)
    assert probabilistic_sharpe(ReturnMoments(100, 0.05, 0.0, 3.0)) < probabilistic_sharpe(good)
    assert probabilistic_sharpe(ReturnMoments(1000, 0.0, 0.0, 3.0)) == 0.5


def test_the_minimum_track_record_reaches_just_the_confidence() -> None:
    moments = ReturnMoments(24, 0.5 / math.sqrt(12), -0.7, 5.4)
    needed = minimum_track_record(moments, confidence=0.95)
    enough = ReturnMoments(math.ceil(needed), moments.sharpe, moments.skewness, moments.kurtosis)
    too_few = ReturnMoments(math.floor(needed) - 1, moments.sharpe, moments.skewness, moments.kurtosis)
    assert probabilistic_sharpe(enough) >= 0.95 > probabilistic_sharpe(too_few)
    assert minimum_track_record(moments, benchmark=1.0) == math.inf


def test_trials_without_a_ratio_count_and_say_nothing_about_the_variance() -> None:
    moments = return_moments(np.random.default_rng(2).normal(0.05, 1.0, 500))
    ratios = [moments.sharpe, -0.02, 0.01]
    variance = float(np.var(ratios, ddof=1))
    found = deflated_sharpe(moments, [*ratios, math.nan, math.nan])
    assert found == probabilistic_sharpe(moments, expected_maximum_sharpe(5, variance))
    # as noughts they would shrink the variance, and with it what luck is thought to reach
    assert found < deflated_sharpe(moments, ratios) < deflated_sharpe(moments, [*ratios, *[0.0] * 20])


@pytest.mark.parametrize("returns", [[0.1, 0.2], [0.1] * 10, [0.1, math.nan, 0.2, 0.3], [[0.1, 0.2, 0.3]]])
def test_returns_without_a_ratio_are_refused(returns: list[float]) -> None:
    with pytest.raises(DataError, match=r"Sharpe ratio"):
        return_moments(returns)


def test_trials_must_be_there_and_finite() -> None:
    for trials in ([], [math.nan], [0.1, math.inf]):
        with pytest.raises(DataError, match="this one among them"):
            deflated_sharpe(ReturnMoments(100, 0.1, 0.0, 3.0), trials)


def test_the_track_records_of_the_efficient_frontier_paper() -> None:
    """Bailey and Lopez de Prado 2012: an annual ratio of 2 is above 1 with 95 % after 2.73 years of days, 2.83 of weeks, 3.24
    of months; after 4.99 years of months with skewness -0.72 and kurtosis 5.78."""
    for periods, skewness, kurtosis, years in (
        (250, 0.0, 3.0, 2.73),
        (52, 0.0, 3.0, 2.83),
        (12, 0.0, 3.0, 3.24),
        (12, -0.72, 5.78, 4.99),
    ):
        moments = ReturnMoments(100, 2.0 / math.sqrt(periods), skewness, kurtosis)
        assert minimum_track_record(moments, 1.0 / math.sqrt(periods)) / periods == pytest.approx(years, abs=0.01)


def test_the_probabilistic_ratios_of_the_efficient_frontier_paper() -> None:
    """24 months with a ratio of 0.458: 0.982 if they were normal, 0.913 with skewness -2.448 and kurtosis 10.164."""
    assert probabilistic_sharpe(ReturnMoments(24, 0.458, 0.0, 3.0)) == pytest.approx(0.982, abs=1e-3)
    assert probabilistic_sharpe(ReturnMoments(24, 0.458, -2.448, 10.164)) == pytest.approx(0.913, abs=1e-3)
