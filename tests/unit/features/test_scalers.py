"""Scalers learn from the span that they are given, and from nothing else."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from tradeready_gym.errors import DataError, NotFitted, UnknownName
from tradeready_gym.features import (
    FeaturePipeline,
    MinMaxScaler,
    Ohlcv,
    RelativeCandles,
    StandardScaler,
    check_causality,
    check_later_anchor,
)
from tradeready_gym.features.base import SymbolCandles
from tradeready_gym.features.scalers import Scaler
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.timeframe import format_time

MakeMarket = Callable[..., Candles]
both = pytest.mark.parametrize("scaler", [StandardScaler(RelativeCandles()), MinMaxScaler(RelativeCandles())])


def test_a_standard_scaler_has_mean_0_and_deviation_1_over_its_span(random_market: MakeMarket) -> None:
    candles = random_market(gaps=False)
    fitted = StandardScaler(Ohlcv()).fit(candles, int(candles.times[100]), int(candles.times[500]))
    values = fitted.compute(candles, 0)
    np.testing.assert_allclose(values[100:500].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(values[100:500].std(axis=0), 1.0, rtol=1e-12)
    raw = Ohlcv().compute(candles, 0)
    np.testing.assert_allclose(values, (raw - raw[100:500].mean(axis=0)) / raw[100:500].std(axis=0), rtol=1e-12)


def test_a_min_max_scaler_reaches_from_0_to_1_over_its_span(random_market: MakeMarket) -> None:
    candles = random_market(gaps=False)
    fitted = MinMaxScaler(Ohlcv()).fit(candles, int(candles.times[100]), int(candles.times[500]))
    values = fitted.compute(candles, 0)[100:500]
    assert values.min(axis=0).tolist() == [0.0] * 5
    assert values.max(axis=0).tolist() == [1.0] * 5


@both
def test_candles_after_the_span_teach_nothing(scaler: Scaler, random_market: MakeMarket) -> None:
    candles = random_market()
    start, end = candles.start, int(candles.times[400])
    assert scaler.fit(candles, start, end) == scaler.fit(candles.between(start, end), start, end)


@both
def test_fitting_returns_a_new_value_and_records_the_span(scaler: Scaler, random_market: MakeMarket) -> None:
    fitted = scaler.fit(random_market(), "2021-01-03T00:00:00Z", "2021-01-20T00:00:00Z")
    assert scaler.fitted_span is None
    assert fitted.fitted_span is not None
    assert format_time(fitted.fitted_span.start) == "2021-01-03T00:00:00Z"
    assert format_time(fitted.fitted_span.end) == "2021-01-20T00:00:00Z"
    assert pickle.loads(pickle.dumps(fitted)) == copy.deepcopy(fitted) == fitted != scaler
    assert hash(fitted) == hash(copy.deepcopy(fitted))


@both
def test_a_fitted_scaler_passes_the_causality_check_and_agrees_from_a_later_anchor(
    scaler: Scaler, random_market: MakeMarket
) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    fitted = scaler.fit(candles, candles.start, int(candles.times[400]))
    assert len(check_causality(fitted, candles)) == 16
    assert check_later_anchor(fitted, candles) == 0.0
    assert FeaturePipeline([fitted, "balance"]).build(candles).shape == (2, 900, 5)


@both
def test_each_symbol_has_its_own_statistics(scaler: Scaler, random_market: MakeMarket) -> None:
    pair = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    fitted = scaler.fit(pair, pair.start, pair.end)
    assert [learned.symbol for learned in fitted.statistics] == ["BTCUSDT", "ETHUSDT"]
    assert fitted.statistics[0].offset != fitted.statistics[1].offset


@both
def test_a_scaler_that_was_not_fitted_is_refused(scaler: Scaler, random_market: MakeMarket) -> None:
    with pytest.raises(NotFitted, match=rf"{scaler.name}' was used on BTCUSDT before it was fitted. Call .fit"):
        FeaturePipeline([scaler]).build(random_market())


@both
def test_a_symbol_that_was_not_fitted_is_refused(scaler: Scaler, random_market: MakeMarket) -> None:
    fitted = scaler.fit(random_market(), "2021-01-03T00:00:00Z", "2021-01-20T00:00:00Z")
    with pytest.raises(NotFitted, match="used on ETHUSDT before it was fitted; it was fitted on BTCUSDT"):
        FeaturePipeline([fitted]).build(random_market(symbols=("ETHUSDT",)))


def test_a_constant_column_becomes_zero(candles_of: Callable[..., Candles]) -> None:
    candles = candles_of([5.0] * 30)
    fitted = StandardScaler(Ohlcv()).fit(candles, candles.start, candles.end)
    assert (fitted.compute(candles, 0) == 0.0).all()


@pytest.mark.parametrize(("start", "end"), [(0, 20), (10, 10), (30, 24)])
def test_a_span_without_warm_candles_is_refused(start: int, end: int, random_market: MakeMarket) -> None:
    candles = random_market()
    with pytest.raises(DataError, match="needs at least 2 candles after the warm-up"):
        StandardScaler(RelativeCandles()).fit(candles, int(candles.times[start]), int(candles.times[end]))


def test_columns_and_names_say_how_they_were_scaled() -> None:
    scaler = StandardScaler(Ohlcv())
    assert scaler.name == "standard_ohlcv"
    assert scaler.column_names[3] == "standard_close"
    assert scaler.warmup_bars == 0


def test_what_is_scaled_may_be_given_by_name_or_as_a_function(random_market: MakeMarket) -> None:
    def doubled(candles: SymbolCandles) -> npt.NDArray[np.float64]:
        return 2.0 * candles.close

    assert StandardScaler("candles") == StandardScaler(RelativeCandles())  # type: ignore[arg-type]
    assert MinMaxScaler("rsi_14", -1.0).name == "minmax_rsi_14"  # type: ignore[arg-type]
    candles = random_market()
    fitted = StandardScaler(doubled).fit(candles, candles.start, candles.end)  # type: ignore[arg-type]
    assert fitted.compute(candles, 0).mean() == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(NotFitted, match="standard_returns"):
        FeaturePipeline([StandardScaler("returns")]).build(candles)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [StandardScaler, MinMaxScaler])
def test_a_scaler_of_nothing_is_named_when_it_is_made(kind: Callable[[object], Scaler]) -> None:
    with pytest.raises(UnknownName, match=r"unknown feature 'sentiment'.*is Column\('sentiment'\) here"):
        kind("sentiment")
    with pytest.raises(TypeError, match="a feature is a name, a Feature or a function of candles, got 3"):
        kind(3)
