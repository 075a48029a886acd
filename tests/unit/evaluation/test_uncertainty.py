"""Intervals against tables, brute force and simulation."""

import math

import numpy as np
import pytest

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import (
    interquartile_mean,
    iqm_interval,
    optimal_block,
    probability_of_improvement,
    stationary_bootstrap,
    t_interval,
    t_quantile,
)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (30, 2.0423)]
)
def test_the_quantiles_of_students_t_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, abs=5e-5)


def test_the_t_interval_of_a_textbook_sample() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    interval = t_interval(values)
    reach = 2.7764 * math.sqrt(2.5 / 5)
    assert interval.low == pytest.approx(3 - reach, abs=1e-3)
    assert interval.high == pytest.approx(3 + reach, abs=1e-3)
    assert "5 seeds are too few" in str(interval)
    assert t_interval(np.arange(10.0)).warning == ""


def test_the_interquartile_mean_leaves_out_a_quarter_on_either_side() -> None:
    assert interquartile_mean([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -100.0]) == pytest.approx(3.5)
    assert interquartile_mean([7.0]) == 7.0
    interval = iqm_interval(np.random.default_rng(0).normal(3.0, 1.0, 40))
    assert interval.low < interval.estimate < interval.high


def test_the_probability_of_improvement_counts_pairs() -> None:
    ours, theirs = [1.0, 2.0, 3.0], [2.0, 2.0, 0.0, 5.0]
    pairs = [(a > b) + 0.5 * (a == b) for a in ours for b in theirs]
    assert probability_of_improvement(ours, theirs).estimate == pytest.approx(sum(pairs) / len(pairs))
    assert probability_of_improvement([2.0] * 10, [1.0] * 10).low == 1.0


def test_the_block_of_independent_returns_is_short_and_that_of_dependent_ones_grows() -> None:
    noise = np.random.default_rng(3).normal(size=4_000)
    dependent = np.zeros_like(noise)
    for k in range(1, len(noise)):
        dependent[k] = 0.8 * dependent[k - 1] + noise[k]
    assert optimal_block(noise) < 5.0
    # for an AR(1) with coefficient a the optimum is (2 a / (1 - a^2))^(2/3) x T^(1/3)
    assert optimal_block(dependent) == pytest.approx((1.6 / 0.36) ** (2 / 3) * 4_000 ** (1 / 3), rel=0.35)


def test_the_bootstrap_error_of_a_mean_is_the_one_of_theory_even_with_dependence() -> None:
    generator = np.random.default_rng(4)
    noise = generator.normal(size=3_000)
    dependent = noise + 0.9 * np.concatenate([[0.0], noise[:-1]])
    interval = stationary_bootstrap(dependent, lambda rows: rows.mean(axis=1))
    width = (interval.high - interval.low) / (2 * 1.96)
    assert width == pytest.approx(1.9 / math.sqrt(3_000), rel=0.15)


def test_the_same_seed_gives_the_same_interval() -> None:
    returns = np.random.default_rng(5).normal(0.01, 0.1, 200)
    assert stationary_bootstrap(returns, seed=1) == stationary_bootstrap(returns, seed=1)
    assert stationary_bootstrap(returns, seed=1) != stationary_bootstrap(returns, seed=2)


def test_samples_that_are_too_small_or_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="at least 2"):
        t_interval([1.0])
    with pytest.raises(DataError, match="at least 20"):
        stationary_bootstrap([0.1] * 19)
    with pytest.raises(DataError, match="finite"):
        t_interval([1.0, math.inf])
    with pytest.raises(DataError, match="block"):
        stationary_bootstrap(np.arange(30.0), block=0.5)
    with pytest.raises(DataError, match="confidence"):
        iqm_interval([1.0, 2.0], confidence=1.0)
