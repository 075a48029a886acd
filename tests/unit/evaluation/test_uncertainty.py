"""Intervals against tables, brute force and simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import (
    interquartile_mean,
    iqm_interval,
    optimal_block,
    probability_of_improvement,
    stationary_bootstrap,
    studentised_interval,
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


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [
        (0.975, 4, 2.7764451051977934),
        (0.995, 9, 3.249835541592126),
        (0.95, 200, 1.6525081009108769),
        (0.75, 17, 0.6891950751539387),
    ],
)
def test_the_quantiles_of_students_t_are_those_of_scipy(probability: float, freedom: int, quantile: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(quantile, rel=1e-12)


def test_seeds_are_resampled_within_their_task() -> None:
    # two tasks far apart: mixed, the resampled middle half would wander from one to the other
    table = np.column_stack([np.random.default_rng(1).normal(0.0, 0.1, 12), np.full(12, 100.0)])
    interval = iqm_interval(table)
    mixed = iqm_interval(table.reshape(-1))
    assert interval.estimate == mixed.estimate == interquartile_mean(table)
    assert interval.high - interval.low < 0.2
    assert mixed.high - mixed.low > 10.0
    assert "2 tasks" in interval.method and interval.warning == ""
    assert iqm_interval(table[:9]).warning != ""


def test_the_probability_of_improvement_of_tasks_is_their_mean() -> None:
    ours = np.column_stack([np.arange(10.0) + 100.0, np.arange(10.0)])
    theirs = np.column_stack([np.arange(10.0), np.arange(10.0)])
    assert probability_of_improvement(ours, theirs, resamples=50).estimate == pytest.approx(0.75)
    with pytest.raises(DataError, match="same tasks"):
        probability_of_improvement(ours, theirs[:, 0])


def test_the_studentised_interval_is_longer_on_the_long_side() -> None:
    values = np.random.default_rng(2).exponential(size=30)
    interval = studentised_interval(values)
    assert interval.high - interval.estimate > 1.2 * (interval.estimate - interval.low)
    same = studentised_interval([0.1] * 12)
    assert same.low == same.high == pytest.approx(0.1)
    with pytest.raises(DataError, match="at least 3"):
        studentised_interval([1.0, 2.0])


WORLDS = 600
Draw = Callable[[np.random.Generator, int], np.ndarray]


def coverage(method: str, draw: Draw, true: float, seeds: int) -> float:
    generator = np.random.default_rng(seeds)
    hits = 0
    for world in range(WORLDS):
        values = draw(generator, seeds)
        if method == "normal":  # the planted defect: two deviations, whatever the number of seeds
            reach = 1.96 * values.std(ddof=1) / math.sqrt(seeds)
            low, high = values.mean() - reach, values.mean() + reach
        elif method == "t":
            low, high = t_interval(values).low, t_interval(values).high
        else:
            function = studentised_interval if method == "studentised" else iqm_interval
            interval = function(values, resamples=400, seed=world)
            low, high = interval.low, interval.high
        hits += low <= true <= high
    return hits / WORLDS


def bell(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.normal(size=count)


def skewed(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.exponential(size=count)


def test_intervals_across_ten_seeds_cover_as_often_as_they_say() -> None:
    """Simulated, level 95 %, 1,000 worlds, 5 / 10 / 20 seeds: Student's t 94 / 94 / 96 % (normal), 89 / 90 / 92 %
    (exponential); studentised 94 / 95 / 95 % and 93 / 95 / 94 %; interquartile mean 89 / 94 / 94 % and 90 / 95 / 95 %."""
    assert coverage("t", bell, 0.0, 10) == pytest.approx(0.95, abs=0.025)
    assert coverage("studentised", bell, 0.0, 10) == pytest.approx(0.95, abs=0.03)
    assert coverage("interquartile", bell, 0.0, 10) == pytest.approx(0.94, abs=0.03)
    assert coverage("studentised", skewed, 1.0, 10) > coverage("t", skewed, 1.0, 10) + 0.02


def test_the_simulation_finds_an_interval_that_is_too_short() -> None:
    assert coverage("normal", bell, 0.0, 5) < 0.91
    assert coverage("t", bell, 0.0, 5) > 0.925
