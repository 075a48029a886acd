"""Moving averages against pandas and TA-Lib."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.features import MovingAverage, Ohlcv, PercentChange, parse_feature
from tradeready_gym.features.windows import weighted_sum
from tradeready_gym.market.candles import Candles

MakeMarket = Callable[..., Candles]


@pytest.mark.parametrize("period", [2, 20, 97])
def test_sma_is_the_rolling_mean_of_pandas_and_its_head_is_not_filled(period: int, random_market: MakeMarket) -> None:
    candles = random_market()
    expected = pd.Series(candles.close[0]).rolling(period).mean()
    np.testing.assert_allclose(parse_feature(f"sma_{period}").compute(candles, 0)[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("period", [2, 20, 97])
def test_wma_weighs_the_newest_most(period: int, random_market: MakeMarket) -> None:
    candles = random_market()
    weights = np.arange(1.0, period + 1.0)
    expected = pd.Series(candles.close[0]).rolling(period).apply(lambda window: np.average(window, weights=weights))
    values = parse_feature(f"wma_{period}").compute(candles, 0)[:, 0]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(values, talib.WMA(candles.close[0], period), rtol=1e-9)


@pytest.mark.parametrize("period", [2, 20])
def test_ema_is_the_recursion_from_a_simple_mean_on(period: int, random_market: MakeMarket) -> None:
    candles = random_market()
    close = candles.close[0]
    seeded = np.concatenate([[close[:period].mean()], close[period:]])
    expected = pd.Series(seeded).ewm(span=period, adjust=False).mean()
    values = parse_feature(f"ema_{period}").compute(candles, 0)[:, 0]
    np.testing.assert_allclose(values[period - 1 :], expected, rtol=1e-12)
    assert MovingAverage(period, "ema").warmup_bars == 5 * period


@pytest.mark.parametrize("kind", ["sma", "ema", "wma"])
def test_any_feature_can_be_averaged(kind: str, random_market: MakeMarket) -> None:
    candles = random_market()
    average = MovingAverage(10, kind, PercentChange(3))
    changes = pd.Series(candles.close[0]).pct_change(3).to_numpy()
    expected = {"sma": talib.SMA, "ema": talib.EMA, "wma": talib.WMA}[kind](changes, 10)
    np.testing.assert_allclose(average.compute(candles, 0)[:, 0], expected, rtol=0, atol=1e-12)
    assert average.name == f"{kind}_10(percent_change_3)"
    assert average.warmup_bars == 3 + (50 if kind == "ema" else 9)
    assert MovingAverage(10, kind, Ohlcv()).width == 5


def test_a_weighted_sum_is_the_same_for_every_row_of_a_long_series() -> None:
    block = np.random.default_rng(0).normal(size=700)
    values = weighted_sum(np.tile(block, 9), [0.3, -0.2, 0.1])
    rows = values[2:][: 8 * 700].reshape(8, 700)
    assert (rows == rows[0]).all()
    np.testing.assert_allclose(values[2:], np.convolve(np.tile(block, 9), [0.3, -0.2, 0.1], "valid"), atol=1e-15)


def test_an_unknown_kind_and_an_impossible_period_are_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'ema'"):
        MovingAverage(10, "emma")
    with pytest.raises(ConfigurationError, match="wma needs a whole number of 2"):
        MovingAverage(1, "wma")
