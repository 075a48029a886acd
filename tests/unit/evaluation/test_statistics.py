"""The statistics of a curve, against a plain step-by-step count."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import EpisodeStatistics, statistics_from_curve


def counted_one_by_one(curve: list[float]) -> dict[str, float]:
    """What the engine counts: one equity at a time, in constant memory."""
    mean = m2 = downside = equity_sum = deepest = 0.0
    peak, peak_step, bottom_peak_step, drawdown_steps, is_open = curve[0], 0, 0, 0, False
    for step, (before, after) in enumerate(itertools.pairwise(curve), start=1):
        r = (after - before) / before
        delta = r - mean
        mean += delta / step
        m2 += delta * (r - mean)
        downside += min(r, 0.0) ** 2
        equity_sum += after
        if after >= peak:
            if is_open:
                drawdown_steps, is_open = step - bottom_peak_step, False
            peak, peak_step = after, step
        elif (peak - after) / peak > deepest:
            deepest, bottom_peak_step, is_open = (peak - after) / peak, peak_step, True
        if is_open:
            drawdown_steps = step - bottom_peak_step
    return {
        "steps": len(curve) - 1,
        "return_mean": mean,
        "return_m2": m2,
        "downside_sum": downside,
        "starting_balance": curve[0],
        "equity": curve[-1],
        "equity_sum": equity_sum,
        "max_drawdown": deepest,
        "drawdown_steps": drawdown_steps,
    }


def assert_same_as_counted(curve: list[float]) -> None:
    statistics = statistics_from_curve(curve)
    for name, expected in counted_one_by_one(curve).items():
        assert math.isclose(getattr(statistics, name), expected, rel_tol=1e-9, abs_tol=1e-12), name


@given(st.lists(st.sampled_from([90.0, 95.0, 99.5, 100.0, 101.0, 107.0]), min_size=1, max_size=30))
def test_a_curve_gives_what_a_step_by_step_count_gives(curve: list[float]) -> None:
    assert_same_as_counted(curve)


def test_a_long_random_curve_gives_what_a_step_by_step_count_gives() -> None:
    draw = random.Random(3)
    curve = [10_000.0]
    for _ in range(20_000):
        curve.append(curve[-1] * math.exp(draw.gauss(0.0001, 0.01)))
    assert_same_as_counted(curve)


def test_drawdown_lasts_from_the_last_step_on_the_peak_to_the_recovery() -> None:
    statistics = statistics_from_curve([100.0, 110.0, 110.0, 99.0, 105.0, 110.0, 108.0])
    assert statistics.drawdown_steps == 3
    assert statistics.max_drawdown == pytest.approx(0.1)


def test_drawdown_without_recovery_lasts_to_the_end() -> None:
    assert statistics_from_curve([100.0, 120.0, 60.0, 90.0, 119.0]).drawdown_steps == 3


def test_the_first_of_two_equally_deep_drawdowns_counts() -> None:
    assert statistics_from_curve([100.0, 50.0, 100.0, 50.0, 60.0, 70.0]).drawdown_steps == 2


def test_a_rising_curve_has_no_drawdown() -> None:
    statistics = statistics_from_curve([100.0, 101.0, 102.0])
    assert (statistics.max_drawdown, statistics.drawdown_steps) == (0.0, 0)


def test_many_curves_give_what_each_gives_alone() -> None:
    curves = 100.0 * np.exp(np.random.default_rng(1).normal(0, 0.02, (50, 200)).cumsum(axis=1))
    together = statistics_from_curve(curves)
    for row, curve in enumerate(curves):
        alone = statistics_from_curve(curve)
        for name in EpisodeStatistics._fields[:9]:
            assert np.asarray(getattr(together, name))[row] == pytest.approx(getattr(alone, name), rel=1e-13), name


def test_a_million_steps_give_the_mean_of_their_returns() -> None:
    curve = np.full(1_000_001, 50.0)
    curve[1::2] = 51.0
    statistics = statistics_from_curve(curve)
    assert statistics.return_mean == pytest.approx((0.02 - 1 / 51) / 2, rel=1e-9)
    assert statistics.max_drawdown == pytest.approx(1 / 51)


def test_what_a_curve_does_not_tell_is_passed_through() -> None:
    statistics = statistics_from_curve([1.0, 2.0], trades=3, fees_paid=0.5)
    assert (statistics.trades, statistics.fees_paid, statistics.round_trips) == (3, 0.5, 0)


def test_an_episode_may_end_at_zero() -> None:
    assert statistics_from_curve([100.0, 40.0, 0.0]).max_drawdown == 1.0


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ([], "shape"),
        ([[[1.0]]], "shape"),
        ([100.0, 0.0, 100.0], r"\(1,\)"),
        ([100.0, math.nan], "finite"),
        ([100.0, -1.0], "above zero"),
        ([0.0], "above zero"),
    ],
)
def test_an_impossible_curve_is_refused(curve: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        statistics_from_curve(curve)


def test_statistics_are_read_from_records_by_name() -> None:
    kinds = np.dtype([("other", "i8")] + [(name, "f8") for name in reversed(EpisodeStatistics._fields)])
    records = np.zeros(3, dtype=kinds)
    records["steps"], records["equity"] = 5, [1.0, 2.0, 3.0]
    statistics = EpisodeStatistics.from_records(records)
    assert np.asarray(statistics.equity).tolist() == [1.0, 2.0, 3.0]
    assert EpisodeStatistics.from_records(records[1]).equity == 2.0
    assert np.asarray(statistics.steps).tolist() == [5, 5, 5]
