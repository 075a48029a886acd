"""Coarser candles against pandas, and against those who look into one that has not closed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib

from tradeready_gym.errors import CausalityError, ConfigurationError, UnknownName
from tradeready_gym.features import (
    Column,
    FeaturePipeline,
    HigherTimeframe,
    Ohlcv,
    RelativeStrengthIndex,
    StandardScaler,
    check_causality,
    feature,
    parse_feature,
)
from tradeready_gym.market.candles import Candles

MakeMarket = Callable[..., Candles]
CandlesOf = Callable[..., Candles]
STARTS = ["2021-01-01T00:00:00Z", "2021-01-01T03:00:00Z", "2021-01-01T01:00:00Z"]


def by_pandas(candles: Candles, length: str) -> pd.DataFrame:
    """The last complete coarser candle at the close of every fine one."""
    hour = pd.Timedelta(candles.timeframe.seconds, "s")
    times = pd.to_datetime(candles.times, unit="us")
    frame = pd.DataFrame(Ohlcv().compute(candles, 0), index=times, columns=["open", "high", "low", "close", "volume"])
    rules: Any = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    bins = frame.resample(length)
    coarse = bins.agg(rules)[bins.size() == pd.Timedelta(length) / hour]
    coarse.index = coarse.index + pd.Timedelta(length)
    return coarse.reindex(times + hour, method="ffill").reset_index(drop=True)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("length", ["4h", "1d"])
def test_a_row_shows_the_last_complete_coarser_candle(length: str, start: str, random_market: MakeMarket) -> None:
    candles = random_market(rows=400, start=start)
    values = HigherTimeframe(Ohlcv(), length).compute(candles, 0)
    np.testing.assert_allclose(values, by_pandas(candles, {"4h": "4h", "1d": "24h"}[length]), rtol=1e-14)


def test_an_indicator_is_computed_on_the_coarser_closes(random_market: MakeMarket) -> None:
    candles = random_market(rows=800)
    closes = candles.close[0, 3::4]
    values = parse_feature("rsi_7@4h").compute(candles, 0)[:, 0]
    np.testing.assert_allclose(values[3::4], talib.RSI(closes, 7) / 100.0, rtol=1e-13)
    assert (values[403:406] == values[403]).all()


def test_a_coarser_candle_is_seen_with_its_last_fine_close_and_not_before(candles_of: CandlesOf) -> None:
    candles = candles_of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    values = HigherTimeframe(Ohlcv(), "4h").compute(candles, 0)[:, 3]
    np.testing.assert_array_equal(values, [np.nan, np.nan, np.nan, 4.0, 4.0, 4.0, 4.0, 8.0, 8.0])


@pytest.mark.parametrize("start", STARTS)
def test_it_is_finite_after_its_warm_up_wherever_the_data_begin(start: str, random_market: MakeMarket) -> None:
    candles = random_market(rows=900, start=start)
    coarse = HigherTimeframe("returns", "4h")
    assert coarse.warmup_bars == coarse.warmup_on(candles) == (1 + 2) * 4 - 2
    table = FeaturePipeline([coarse]).build(candles)
    assert np.isfinite(table[0, coarse.warmup_on(candles) :]).all()
    worst = np.argmax(np.isfinite(coarse.compute(random_market(rows=90, start=STARTS[2]), 0)[:, 0]))
    assert worst == coarse.warmup_bars


def test_the_warm_up_counts_the_candles_of_the_data(random_market: MakeMarket) -> None:
    quarter = random_market(rows=900, timeframe="15m")
    assert HigherTimeframe("returns", "4h").warmup_on(quarter) == 3 * 16 - 2
    assert np.isfinite(FeaturePipeline(["returns@4h"]).build(quarter)[0, 46:]).all()


def test_who_looks_into_a_candle_that_has_not_closed_is_caught(random_market: MakeMarket) -> None:
    @feature(name="daily_high_of_today")
    def daily_high_of_today(candles: Any) -> Any:
        times = pd.to_datetime(candles.times, unit="us")
        return pd.Series(candles.high, index=times).groupby(times.floor("D")).transform("max")

    candles = random_market()
    with pytest.raises(CausalityError, match="'daily_high_of_today' looks ahead"):
        check_causality(daily_high_of_today, candles)
    assert len(check_causality(HigherTimeframe(Ohlcv(), "1d"), candles, cuts=60)) >= 60


def test_own_columns_and_fitted_scalers_work_on_longer_candles(random_market: MakeMarket) -> None:
    mood = np.arange(900.0)[None]
    candles = random_market(rows=900, gaps=False, columns={"mood": mood})
    coarse = HigherTimeframe(Column("mood"), "4h")
    np.testing.assert_array_equal(coarse.compute(candles, 0)[10:20, 0], [7, 11, 11, 11, 11, 15, 15, 15, 15, 19])
    scaled = StandardScaler(coarse).fit(candles, int(candles.times[100]), int(candles.times[500]))
    assert abs(scaled.compute(candles, 0)[100:500].mean()) < 1e-12


@pytest.mark.parametrize("timeframe", ["1h", "15m"])
def test_candles_that_are_not_shorter_are_refused(timeframe: str, random_market: MakeMarket) -> None:
    with pytest.raises(ConfigurationError, match="needs candles shorter than"):
        HigherTimeframe("returns", timeframe).compute(random_market(), 0)


def test_names_read_back_and_unknown_ones_are_named() -> None:
    coarse = HigherTimeframe(RelativeStrengthIndex(14), "4h")
    assert parse_feature("rsi_14@4h") == parse_feature("RSI_14@4H") == coarse
    assert coarse.column_names == ("rsi_14@4h",)
    assert HigherTimeframe("macd", "1d").column_names[1] == "macd_signal@1d"
    assert HigherTimeframe("returns", "30m").warmup_bars == 3 * 2 - 2
    with pytest.raises(UnknownName, match="unknown feature 'rsi_14@3h'"):
        parse_feature("rsi_14@3h")
    with pytest.raises(UnknownName, match="unknown timeframe '3h'"):
        HigherTimeframe("returns", "3h")
