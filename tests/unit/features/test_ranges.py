"""Known ranges, fitted ranges and comparisons, by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.features import (
    Comparison,
    FeaturePipeline,
    FixedMinMax,
    MinMaxScaler,
    MovingAverage,
    Ohlcv,
    PercentChange,
)
from tradeready_gym.market.candles import Candles

CandlesOf = Callable[..., Candles]
MakeMarket = Callable[..., Candles]


def test_a_fixed_range_is_mapped_linearly_and_clipped(candles_of: CandlesOf) -> None:
    candles = candles_of([50.0, 100.0, 125.0, 200.0, 300.0])
    values = FixedMinMax("close", 100.0, 200.0).compute(candles, 0)[:, 0]
    assert values.tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]


def test_the_target_need_not_start_at_0(candles_of: CandlesOf) -> None:
    candles = candles_of([100.0, 125.0, 200.0, 300.0])
    values = FixedMinMax("close", 100.0, 200.0, -1.0, 3.0).compute(candles, 0)[:, 0]
    assert values.tolist() == [-1.0, 0.0, 3.0, 3.0]


def test_values_outside_stay_outside_without_clip(candles_of: CandlesOf) -> None:
    unclipped = FixedMinMax("close", 100.0, 200.0, clip=False)
    assert unclipped.compute(candles_of([50.0, 300.0]), 0)[:, 0].tolist() == [-0.5, 2.0]
    assert (unclipped.low, unclipped.high) == (-np.inf, np.inf)
    assert (FixedMinMax("close", 1.0, 2.0, -1.0).low, FixedMinMax("close", 1.0, 2.0, -1.0).high) == (-1.0, 1.0)


def test_a_fitted_range_may_have_another_target_and_a_clip(random_market: MakeMarket) -> None:
    candles = random_market(gaps=False)
    scaler = MinMaxScaler(Ohlcv(), feature_min=-1.0, feature_max=1.0, clip=True)
    values = scaler.fit(candles, int(candles.times[100]), int(candles.times[500])).compute(candles, 0)
    raw = Ohlcv().compute(candles, 0)
    least, most = raw[100:500].min(axis=0), raw[100:500].max(axis=0)
    np.testing.assert_allclose(values, np.clip(2.0 * (raw - least) / (most - least) - 1.0, -1.0, 1.0), atol=1e-12)
    assert (raw < least).any() and values.min() == -1.0
    assert (scaler.low, scaler.high) == (-1.0, 1.0)


def test_a_comparison_is_the_ratio_to_another_column_less_one(candles_of: CandlesOf) -> None:
    candles = candles_of([100.0, 200.0], open=[110.0, 150.0], high=[120.0, 220.0], low=[95.0, 140.0])
    comparison = Comparison(Ohlcv(), "close")
    values = comparison.compute(candles, 0)
    np.testing.assert_allclose(values[:, :4], [[0.1, 0.2, -0.05, 0.0], [-0.25, 0.1, -0.3, 0.0]], atol=1e-15)
    assert comparison.column_names[0] == "to_close(open)"


def test_a_price_is_compared_with_its_average(random_market: MakeMarket) -> None:
    candles = random_market()
    comparison = Comparison("close", MovingAverage(10))
    mean = np.convolve(candles.close[0], np.full(10, 0.1), "valid")
    np.testing.assert_allclose(comparison.compute(candles, 0)[9:, 0], candles.close[0, 9:] / mean - 1.0, atol=1e-13)
    assert comparison.warmup_bars == 9


def test_a_comparison_is_clipped_on_request_and_refused_where_it_is_infinite(candles_of: CandlesOf) -> None:
    candles = candles_of([5.0] * 4, volume=[1.0, 0.0, 2.0, 10.0])
    with pytest.raises(DataError, match=r"'to_volume\(close\)' must be finite"):
        FeaturePipeline([Comparison("close", "volume")]).build(candles)
    clipped = FeaturePipeline([Comparison("close", "volume", clip=3.0)]).build(candles)
    assert clipped[0, :, 0].tolist() == [3.0, 3.0, 1.5, -0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedMinMax("close", 2.0, 1.0), "input_min and input_max must be finite and in this order"),
        (lambda: FixedMinMax("close", 0.0, np.inf), "must be finite"),
        (lambda: FixedMinMax("close", 0.0, 1.0, 1.0, 1.0), "feature_min and feature_max"),
        (lambda: MinMaxScaler(PercentChange(), feature_min=2.0), "feature_min and feature_max"),
        (lambda: Comparison("close", Ohlcv()), "needs a reference of one column"),
        (lambda: Comparison("close", "open", clip=-1.0), "needs clip > 0"),
    ],
)
def test_impossible_ranges_and_references_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
