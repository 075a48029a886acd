"""Scale-free features against numbers worked out by hand."""

from collections.abc import Callable
from math import log, pi, sin, sqrt

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features import EngineeredFeatures, RelativeCandles, TimeOfWeek, parse_feature
from tradeready_gym.features.windows import window_deviation, window_mean, window_sum
from tradeready_gym.market.candles import Candles

CandlesOf = Callable[..., Candles]


def test_candles_are_log_ratios_to_the_previous_close(candles_of: CandlesOf) -> None:
    candles = candles_of([100.0, 103.0], open=[100.0, 101.0], high=[100.0, 104.0], low=[100.0, 98.0])
    values = parse_feature("candles").compute(candles, 0)
    np.testing.assert_allclose(values[1, :4], [log(1.01), log(1.04), log(0.98), log(1.03)], rtol=1e-14)
    assert np.isnan(values[0]).all()


def test_relative_volume_is_measured_against_the_mean_of_24_candles_up_to_this_one(candles_of: CandlesOf) -> None:
    volume = [float(i) for i in range(1, 31)]
    values = parse_feature("candles").compute(candles_of([1.0] * 30, volume=volume), 0)[:, 4]
    assert values[23] == pytest.approx(log(24 / 12.5))
    assert values[29] == pytest.approx(log(30 / 18.5))
    assert np.isnan(values[:23]).all()


def test_a_gap_shows_no_move_and_the_floor_of_the_volume(candles_of: CandlesOf) -> None:
    candles = candles_of([10.0] * 15 + [11.0] * 15, missing=[25])
    values = parse_feature("candles").compute(candles, 0)
    assert values[25].tolist() == [0.0, 0.0, 0.0, 0.0, log(0.01)]


def test_a_window_without_any_trade_shows_the_floor_of_the_volume(candles_of: CandlesOf) -> None:
    values = parse_feature("candles").compute(candles_of([10.0] * 40, volume=[0.0] * 39 + [5.0]), 0)[:, 4]
    assert (values[23:39] == log(0.01)).all()
    assert values[39] == pytest.approx(log(24.0))


def test_a_moving_average_ratio_is_close_over_its_mean_minus_one(candles_of: CandlesOf) -> None:
    values = parse_feature("ma_ratio_4").compute(candles_of([1.0, 2.0, 3.0, 6.0, 5.0]), 0)[:, 0]
    assert values[3:].tolist() == [1.0, 0.25]
    assert np.isnan(values[:3]).all()


def test_momentum_is_the_relative_change_of_the_close(candles_of: CandlesOf) -> None:
    values = parse_feature("momentum_2").compute(candles_of([2.0, 4.0, 3.0, 1.0]), 0)[:, 0]
    assert values[2:].tolist() == [0.5, -0.75]


def test_returns_are_logarithmic(candles_of: CandlesOf) -> None:
    values = parse_feature("returns").compute(candles_of([2.0, 4.0, 1.0]), 0)[:, 0]
    np.testing.assert_allclose(values[1:], [log(2), -log(4)], rtol=1e-15)


def test_volatility_is_the_population_deviation_of_log_returns(candles_of: CandlesOf) -> None:
    values = parse_feature("volatility_3").compute(candles_of([1.0, np.e, np.e, np.e**2, np.e**2]), 0)[:, 0]
    np.testing.assert_allclose(values[3:], [sqrt(2) / 3, sqrt(2) / 3], rtol=1e-12)
    assert np.isnan(values[:3]).all()


def test_engineered_features_are_ratios_to_averages_and_the_change_over_five_candles(candles_of: CandlesOf) -> None:
    feature = EngineeredFeatures((2, 4))
    assert feature.column_names == ("price_to_sma_2", "price_to_sma_4", "momentum_5")
    values = feature.compute(candles_of([8.0, 1.0, 1.0, 1.0, 2.0, 4.0]), 0)
    np.testing.assert_allclose(values[5], [4 / 3, 2.0, -0.5], rtol=1e-15)
    assert np.isnan(values[:5]).any(axis=1).all()


def test_engineered_features_come_from_plain_closes_too(candles_of: CandlesOf) -> None:
    closes = np.array([8.0, 1.0, 1.0, 1.0, 2.0, 4.0])
    feature = EngineeredFeatures((2, 4))
    assert np.array_equal(feature.from_closes(closes), feature.compute(candles_of(list(closes)), 0), equal_nan=True)


def test_engineered_features_take_a_list_of_periods() -> None:
    periods: list[int] = [5, 10]
    assert EngineeredFeatures(periods) == EngineeredFeatures((5, 10))  # type: ignore[arg-type]


def test_engineered_features_need_a_period() -> None:
    with pytest.raises(ConfigurationError, match="at least one period"):
        EngineeredFeatures(())


def test_the_gap_flag_is_one_where_the_source_had_no_candle(candles_of: CandlesOf) -> None:
    candles = candles_of([1.0] * 6, volume=[1.0, 1.0, 0.0, 1.0, 1.0, 1.0], missing=[4])
    assert parse_feature("gap").compute(candles, 0)[:, 0].tolist() == [0, 0, 0, 0, 1, 0]


def test_the_time_of_week_is_that_of_the_close(candles_of: CandlesOf) -> None:
    sunday_evening = candles_of([1.0, 1.0], start="2024-01-07T23:00:00Z")  # closes on Monday at 00:00, then at 01:00
    values = TimeOfWeek().compute(sunday_evening, 0)
    np.testing.assert_allclose(values[0], [0.0, 1.0, 0.0, 1.0], atol=1e-15)
    np.testing.assert_allclose(values[1, [0, 2]], [sin(2 * pi / 24), sin(2 * pi / 168)], rtol=1e-14)


def test_the_time_of_week_at_noon_on_thursday_is_opposite_to_monday_midnight(candles_of: CandlesOf) -> None:
    values = TimeOfWeek().compute(candles_of([1.0], start="2024-01-11T11:00:00Z"), 0)
    np.testing.assert_allclose(values[0], [0.0, -1.0, 0.0, -1.0], atol=1e-15)


@pytest.mark.parametrize("bars", [1, 2, 3, 7, 24, 50, 168])
def test_a_window_sum_is_the_sum_of_the_window(bars: int) -> None:
    values = np.random.default_rng(bars).normal(size=200)
    windows = np.lib.stride_tricks.sliding_window_view(values, bars)
    np.testing.assert_allclose(window_sum(values, bars)[bars - 1 :], windows.sum(axis=1), rtol=0, atol=1e-13)
    np.testing.assert_allclose(window_mean(values, bars)[bars - 1 :], windows.mean(axis=1), rtol=0, atol=1e-14)
    np.testing.assert_allclose(window_deviation(values, bars)[bars - 1 :], windows.std(axis=1), rtol=0, atol=1e-7)
    assert np.isnan(window_sum(values, bars)[: bars - 1]).all()


def test_a_window_sum_does_not_remember_what_left_the_window() -> None:
    values = np.concatenate([[1e16, 1.0], np.ones(50)])
    assert window_sum(values, 5)[10] == 5.0


def test_a_window_longer_than_the_series_has_no_value() -> None:
    assert np.isnan(window_sum(np.ones(3), 4)).all()


def test_candles_refuse_a_volume_floor_that_is_no_share() -> None:
    with pytest.raises(ConfigurationError, match=r"0 < volume_floor < 1, got 0\.0"):
        RelativeCandles(volume_floor=0.0)
