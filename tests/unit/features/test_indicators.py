"""Indicators against slow, straightforward implementations of their published definitions."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features import (
    AverageDirectionalIndex,
    AverageTrueRange,
    BollingerBands,
    Macd,
    RelativeStrengthIndex,
    parse_feature,
)
from tradeready_gym.market.candles import Candles

Array = NDArray[np.float64]
CandlesOf = Callable[..., Candles]
MakeMarket = Callable[..., Candles]
# The series of the published golden values: 30 closes, high and low one unit away.
WAVE = [100 + 1.5 * (i % 3) - (i % 2) for i in range(30)]


def wilder_rsi(close: Array, period: int) -> list[float]:
    """Wilder 1978, chapter VI: from row `period` on."""
    moves = [after - before for before, after in pairwise(close)]
    gain = sum(max(move, 0.0) for move in moves[:period]) / period
    loss = sum(max(-move, 0.0) for move in moves[:period]) / period
    values = [gain / (gain + loss)]
    for move in moves[period:]:
        gain = (gain * (period - 1) + max(move, 0.0)) / period
        loss = (loss * (period - 1) + max(-move, 0.0)) / period
        values.append(gain / (gain + loss))
    return values


def true_ranges(high: Array, low: Array, close: Array) -> list[float]:
    return [
        max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1])) for i in range(1, len(close))
    ]


def wilder_adx(high: Array, low: Array, close: Array, period: int) -> list[float]:
    """Wilder 1978, chapter IV, long after the start (its seeds are forgotten by then)."""
    ranges = true_ranges(high, low, close)
    up = [high[i] - high[i - 1] for i in range(1, len(close))]
    down = [low[i - 1] - low[i] for i in range(1, len(close))]
    plus = [u if u > d and u > 0 else 0.0 for u, d in zip(up, down, strict=True)]
    minus = [d if d > u and d > 0 else 0.0 for u, d in zip(up, down, strict=True)]
    smooth = [sum(series[:period]) for series in (ranges, plus, minus)]
    index, values = 0.0, []
    for current in list(zip(ranges, plus, minus, strict=True))[period:]:
        smooth = [total - total / period + value for total, value in zip(smooth, current, strict=True)]
        plus_index, minus_index = smooth[1] / smooth[0], smooth[2] / smooth[0]
        strength = abs(plus_index - minus_index) / (plus_index + minus_index)
        index = (index * (period - 1) + strength) / period
        values.append(index)
    return values


def exponential(values: Array, period: int) -> Array:
    average = [float(values[0])]
    for value in values[1:]:
        average.append(average[-1] + 2.0 / (period + 1.0) * (float(value) - average[-1]))
    return np.array(average)


@pytest.mark.parametrize("period", [2, 14, 21])
def test_rsi_is_wilders_rsi_divided_by_100(period: int, random_market: MakeMarket) -> None:
    candles = random_market(rows=400, gaps=False)
    values = RelativeStrengthIndex(period).compute(candles, 0)[:, 0]
    np.testing.assert_allclose(values[period:], wilder_rsi(candles.close[0], period), rtol=0, atol=1e-12)
    assert np.isnan(values[:period]).all()


def test_rsi_agrees_with_the_published_golden_values(candles_of: CandlesOf) -> None:
    values = 100 * parse_feature("rsi_14").compute(candles_of(WAVE), 0)[:, 0]
    assert values[15] == pytest.approx(47.91154791, abs=1e-8)
    assert values[29] == pytest.approx(52.37957108, abs=1e-8)


def test_rsi_is_1_when_prices_only_rise_and_0_when_they_only_fall(candles_of: CandlesOf) -> None:
    rising = RelativeStrengthIndex().compute(candles_of(list(range(100, 150))), 0)
    falling = RelativeStrengthIndex().compute(candles_of(list(range(150, 100, -1))), 0)
    assert (rising[14:] == 1.0).all()
    assert (falling[14:] == 0.0).all()


def test_rsi_is_neutral_where_the_price_never_moved(candles_of: CandlesOf) -> None:
    values = RelativeStrengthIndex().compute(candles_of([7.0] * 30 + [8.0]), 0)[:, 0]
    assert (values[14:30] == 0.5).all()
    assert values[30] == 1.0


def test_adx_is_wilders_index_divided_by_100(random_market: MakeMarket) -> None:
    candles = random_market(rows=600, gaps=False)
    values = AverageDirectionalIndex(14).compute(candles, 0)[:, 0]
    expected = wilder_adx(candles.high[0], candles.low[0], candles.close[0], 14)
    np.testing.assert_allclose(values[-150:], expected[-150:], rtol=0, atol=1e-9)


def test_adx_tells_a_trend_from_a_swing(candles_of: CandlesOf) -> None:
    def index(closes: list[float]) -> float:
        high, low = [c + 1 for c in closes], [c - 1 for c in closes]
        candles = candles_of(closes, open=closes, high=high, low=low)
        return float(parse_feature("adx").compute(candles, 0)[-1, 0])

    assert index([100.0 + i for i in range(200)]) == pytest.approx(1.0)
    assert index([100.0 + 5 * (i % 2) for i in range(200)]) < 0.2


def test_atr_is_wilders_average_of_the_true_range_in_quote_units(candles_of: CandlesOf) -> None:
    candles = candles_of(WAVE, high=[c + 1 for c in WAVE], low=[c - 1 for c in WAVE])
    ranges = true_ranges(candles.high[0], candles.low[0], candles.close[0])
    expected = [sum(ranges[:14]) / 14]
    for value in ranges[14:]:
        expected.append((expected[-1] * 13 + value) / 14)
    values = AverageTrueRange(14).compute(candles, 0)[:, 0]
    np.testing.assert_allclose(values[14:], expected, rtol=1e-13)


def test_macd_is_the_difference_of_exponential_averages_in_quote_units(random_market: MakeMarket) -> None:
    candles = random_market(rows=700, gaps=False)
    line = exponential(candles.close[0], 12) - exponential(candles.close[0], 26)
    signal = exponential(line, 9)
    values = Macd().compute(candles, 0)[-200:]
    np.testing.assert_allclose(values, np.stack([line, signal, line - signal], axis=1)[-200:], rtol=0, atol=1e-9)


def test_bollinger_agrees_with_the_published_golden_values(candles_of: CandlesOf) -> None:
    values = BollingerBands().compute(candles_of(WAVE), 0)
    np.testing.assert_allclose(values[-1], [103.62989726, 101.075, 98.52010274], rtol=0, atol=1e-8)
    assert np.isnan(values[:19]).all()


def test_bollinger_survives_a_crash_and_a_tiny_price(random_market: MakeMarket) -> None:
    before = random_market(rows=600, gaps=False)
    fall = np.where(np.arange(600) < 300, 1.0, 1e-7)
    candles = Candles.from_arrays(
        "BTCUSDT",
        before.timeframe,
        before.times,
        open=before.open * fall,
        high=before.high * fall,
        low=before.low * fall,
        close=before.close * fall,
        volume=before.volume,
    )
    values = BollingerBands().compute(candles, 0)
    windows = np.lib.stride_tricks.sliding_window_view(candles.close[0], 20)
    mean, deviation = windows.mean(axis=1), windows.std(axis=1)
    expected = np.stack([mean + 2 * deviation, mean, mean - 2 * deviation], axis=1)
    np.testing.assert_allclose(values[350:], expected[331:], rtol=1e-6)


def test_ohlcv_and_volume_are_the_candles_as_they_are(random_market: MakeMarket) -> None:
    candles = random_market()
    expected = np.stack([candles.open[0], candles.high[0], candles.low[0], candles.close[0], candles.volume[0]], axis=1)
    assert np.array_equal(parse_feature("ohlcv").compute(candles, 0), expected)
    assert np.array_equal(parse_feature("volume").compute(candles, 0)[:, 0], candles.volume[0])


@pytest.mark.parametrize("name", ["rsi_1", "adx_1", "atr_0", "ma_ratio_1", "momentum_0", "volatility_1", "rsi_100001"])
def test_a_useless_period_is_refused_with_the_range_that_works(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"needs a whole number of \d to 100000 candles, got "):
        parse_feature(name)


def test_macd_needs_its_fast_period_below_its_slow_one() -> None:
    with pytest.raises(ConfigurationError, match="fast < slow, got fast=26 and slow=12"):
        Macd(26, 12)


def test_bollinger_needs_a_positive_width() -> None:
    with pytest.raises(ConfigurationError, match=r"deviations > 0, got -2\.0"):
        BollingerBands(20, -2.0)
