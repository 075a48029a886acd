"""Changes and fractional differences against pandas, and against the definition."""

import time
from collections.abc import Callable
from math import comb, gamma
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tradeready_gym.errors import CausalityError, ConfigurationError, DataError
from tradeready_gym.features import (
    CandleColumn,
    FeaturePipeline,
    FractionalDifference,
    LogDifference,
    Ohlcv,
    PercentChange,
    RelativeStrengthIndex,
    check_causality,
    feature,
    parse_feature,
)
from tradeready_gym.market.candles import Candles

CandlesOf = Callable[..., Candles]
MakeMarket = Callable[..., Candles]


@pytest.mark.parametrize("bars", [1, 7])
def test_percent_change_is_that_of_pandas(bars: int, random_market: MakeMarket) -> None:
    candles = random_market()
    expected = pd.Series(candles.close[0]).pct_change(bars).to_numpy()
    np.testing.assert_allclose(PercentChange(bars).compute(candles, 0)[:, 0], expected, rtol=0, atol=1e-15)


def test_percent_change_takes_every_column_of_its_source(random_market: MakeMarket) -> None:
    candles = random_market(gaps=False)
    change = PercentChange(2, Ohlcv())
    expected = pd.DataFrame(Ohlcv().compute(candles, 0)).pct_change(2).to_numpy()
    np.testing.assert_allclose(change.compute(candles, 0), expected, rtol=0, atol=1e-12)
    assert change.column_names[0] == "percent_change_2(open)"
    assert change.column_names[4] == "percent_change_2(volume)"


def test_percent_change_is_clipped_on_request(candles_of: CandlesOf) -> None:
    values = PercentChange(1, clip=0.5).compute(candles_of([100.0, 300.0, 30.0, 33.0]), 0)[1:, 0]
    np.testing.assert_allclose(values, [0.5, -0.5, 0.1], rtol=1e-14)


def test_a_change_from_nothing_is_refused_unless_it_is_clipped(candles_of: CandlesOf) -> None:
    candles = candles_of([5.0] * 5, volume=[1.0, 0.0, 0.0, 3.0, 3.0])
    with pytest.raises(DataError, match=r"percent_change_1\(volume\)' must be finite after its warm-up of 1"):
        FeaturePipeline([PercentChange(1, "volume")]).build(candles)
    clipped = FeaturePipeline([PercentChange(1, "volume", clip=2.0)]).build(candles)
    assert clipped[0, 1:, 0].tolist() == [-1.0, 0.0, 2.0, 0.0]


def test_log_difference_is_the_difference_of_logarithms_and_its_head_is_not_filled(random_market: MakeMarket) -> None:
    candles = random_market()
    values = LogDifference(3, "open").compute(candles, 0)[:, 0]
    np.testing.assert_allclose(values, np.log(pd.Series(candles.open[0])).diff(3), rtol=0, atol=1e-15)
    assert np.isnan(values[:3]).all() and LogDifference(3).warmup_bars == 3


def test_a_users_own_column_is_a_source(candles_of: CandlesOf) -> None:
    candles = candles_of([1.0] * 6, columns={"mood": [np.nan, np.nan, 1.0, 2.0, 4.0, 3.0]})
    change = PercentChange(1, "mood")
    assert change.warmup_on(candles) == 3
    assert FeaturePipeline([change]).build(candles)[0, 3:, 0].tolist() == [1.0, 1.0, -0.25]


def test_the_weights_are_binomial_with_alternating_sign() -> None:
    order = 0.4
    weights = FractionalDifference(order, 1e-3).weights
    exact = [(-1) ** k * gamma(order + 1) / (gamma(k + 1) * gamma(order - k + 1)) for k in range(min(len(weights), 20))]
    np.testing.assert_allclose(weights[:20], exact, rtol=1e-12)
    assert FractionalDifference(0.5).weights[:5] == (1.0, -0.5, -0.125, -0.0625, -0.0390625)
    assert FractionalDifference(2.0).weights == tuple((-1.0) ** k * comb(2, k) for k in range(3))


def test_the_weights_are_cut_where_they_fall_below_the_threshold() -> None:
    weights = np.abs(FractionalDifference(0.5, 1e-3).weights)
    k = len(weights)
    assert weights.min() >= 1e-3
    assert weights[-1] * abs((0.5 - k + 1) / k) < 1e-3


@pytest.mark.parametrize("order", [0.1, 0.5, 0.9, 1.4])
def test_a_fractional_difference_is_the_weighted_sum_of_its_window(order: float, random_market: MakeMarket) -> None:
    candles = random_market(rows=900)
    difference = FractionalDifference(order, 1e-3)
    values = difference.compute(candles, 0)[:, 0]
    width = len(difference.weights)
    expected = np.convolve(candles.close[0], difference.weights, mode="valid")
    np.testing.assert_allclose(values[width - 1 :], expected, rtol=0, atol=1e-10)
    assert np.isnan(values[: width - 1]).all() and difference.warmup_bars == width - 1


def test_order_0_is_the_value_and_order_1_the_difference(random_market: MakeMarket) -> None:
    candles = random_market()
    close = candles.close[0]
    assert FractionalDifference(0.0).compute(candles, 0)[:, 0].tobytes() == close.tobytes()
    assert FractionalDifference(1.0).compute(candles, 0)[1:, 0].tobytes() == np.diff(close).tobytes()
    logarithm = FractionalDifference(1.0, logarithm=True).compute(candles, 0)[:, 0]
    np.testing.assert_allclose(logarithm[1:], np.diff(np.log(close)), rtol=0, atol=1e-15)


def test_20_000_rows_of_8_columns_take_less_than_a_tenth_of_a_second() -> None:
    values = 1000.0 + np.random.default_rng(0).normal(size=(8, 20_000)).cumsum(axis=1)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        for column in values:
            FractionalDifference().from_values(column)
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 0.1


def test_an_expanding_difference_with_a_filled_head_is_caught(random_market: MakeMarket) -> None:
    @feature(name="expanding")
    def expanding(candles: Any) -> Any:
        changes = pd.Series(np.asarray(candles.close)).diff()
        return changes.bfill() / changes.std()

    with pytest.raises(CausalityError, match="'expanding' looks ahead"):
        check_causality(expanding, random_market())


def test_a_price_of_the_source_that_is_not_positive_has_no_logarithm(candles_of: CandlesOf) -> None:
    with pytest.raises(DataError, match="must be finite"):
        FeaturePipeline([LogDifference(1, "volume")]).build(candles_of([5.0] * 4, volume=[1.0, 0.0, 2.0, 2.0]))


@pytest.mark.parametrize(
    "arguments", [{"order": -0.1}, {"order": 2.5}, {"threshold": 0.0}, {"threshold": 1.0}, {"threshold": 1e-12}]
)
def test_impossible_fractional_differences_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="fractional_difference"):
        FractionalDifference(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make", [lambda: PercentChange(0), lambda: PercentChange(1, clip=0.0), lambda: LogDifference(0)]
)
def test_impossible_changes_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_what_is_no_source_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a source is 'close'"):
        _ = PercentChange(1, 3).name  # type: ignore[arg-type]


def test_names_say_what_was_done_to_what() -> None:
    assert parse_feature("percent_change_5") == PercentChange(5)
    assert parse_feature("log_difference_2").name == "log_difference_2"
    assert PercentChange(5, RelativeStrengthIndex(7)).name == "percent_change_5(rsi_7)"
    assert PercentChange(5, CandleColumn("volume")).column_names == ("percent_change_5(volume)",)
    assert FractionalDifference(0.3).name == "fractional_difference(0.3, 0.0001)"
