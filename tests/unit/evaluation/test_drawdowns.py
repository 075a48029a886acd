"""Every drawdown, against a row-by-row count and against the metrics of the episode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import drawdowns, statistics_from_curve

Row = tuple[int, int, int, bool, float]


def counted_row_by_row(curve: list[float]) -> list[Row]:
    found: list[Row] = []
    peak = bottom = 0
    for row, value in enumerate(curve):
        if value >= curve[peak]:
            if bottom > peak:
                found.append((peak, bottom, row, True, (curve[peak] - curve[bottom]) / curve[peak]))
            peak = bottom = row
        elif bottom == peak or value < curve[bottom]:
            bottom = row
    if bottom > peak:
        found.append((peak, bottom, len(curve) - 1, False, (curve[peak] - curve[bottom]) / curve[peak]))
    return found


@given(st.lists(st.sampled_from([90.0, 95.0, 99.5, 100.0, 101.0, 107.0]), min_size=1, max_size=30))
def test_drawdowns_are_those_of_a_row_by_row_count(curve: list[float]) -> None:
    found = drawdowns(curve)
    columns = (found.peak, found.bottom, found.recovery, found.recovered, found.depth)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == counted_row_by_row(curve)


def test_the_deepest_is_the_one_of_the_episodes_metrics() -> None:
    curve = 1_000 * np.exp(np.random.default_rng(1).normal(0.0, 0.01, 5_000).cumsum())
    statistics = statistics_from_curve(curve)
    deepest = drawdowns(curve).deepest(3)
    assert deepest.depth[0] == statistics.max_drawdown
    assert deepest.duration[0] == statistics.drawdown_steps
    assert sorted(deepest.depth.tolist(), reverse=True) == deepest.depth.tolist()


def test_a_curve_that_only_rises_has_none() -> None:
    assert len(drawdowns([1.0, 2.0, 2.0, 3.0])) == 0
    assert len(drawdowns([1.0])) == 0


def test_several_curves_or_impossible_ones_are_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(steps \+ 1,\)"):
        drawdowns([[1.0, 2.0]])
    with pytest.raises(DataError, match="finite"):
        drawdowns([1.0, float("nan"), 1.0])
