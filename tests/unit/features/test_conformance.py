"""Every feature of the library, by being registered, keeps the promises of a feature."""

import copy
import inspect
import pickle
from collections.abc import Callable

import numpy as np
import pytest

import tradeready_gym.features as features_room
from tradeready_gym.features import (
    BollingerBands,
    Calendar,
    CandleColumn,
    Column,
    Comparison,
    CustomFeature,
    EngineeredFeatures,
    Feature,
    FeaturePipeline,
    FixedMinMax,
    FractionalDifference,
    HigherTimeframe,
    LogDifference,
    Macd,
    MinMaxScaler,
    MovingAverage,
    Ohlcv,
    PercentChange,
    RelativeCandles,
    StandardScaler,
    TALib,
    Volume,
    WarmupMask,
    check_causality,
    check_later_anchor,
    parse_feature,
)
from tradeready_gym.features.base import LibraryFeature, feature_values
from tradeready_gym.features.causality import prefix
from tradeready_gym.features.registry import PLAIN, WITH_PERIOD
from tradeready_gym.market.candles import Candles

MakeMarket = Callable[..., Candles]

REGISTERED = [*PLAIN, *(f"{stem}_{period}" for stem in WITH_PERIOD for period in (2, 7, 14, 21, 50))]
OTHERS: list[Feature] = [
    Macd(3, 10, 16),
    BollingerBands(5, 1.5),
    RelativeCandles(volume_bars=168, volume_floor=0.05),
    EngineeredFeatures((1, 3, 100), momentum_bars=12),
    *map(CandleColumn, ("open", "high", "low", "close", "volume")),
    PercentChange(3, "volume", clip=5.0),
    PercentChange(2, MovingAverage(5, "ema")),
    LogDifference(4, MovingAverage(3, "wma", "open")),
    FractionalDifference(0.3, 1e-3, Ohlcv()),
    FractionalDifference(1.3, 1e-3, logarithm=True),
    MovingAverage(9, "wma", PercentChange()),
    FixedMinMax(PercentChange(), -0.05, 0.05, -1.0, 1.0),
    FixedMinMax("close", 0.0, 1e8, clip=False),
    Comparison(Ohlcv(), "close"),
    Comparison("close", MovingAverage(20, "ema"), clip=0.1),
    Calendar(("month", "day")),
    TALib("STOCH", fastk_period=7),
    TALib("STOCH", output="slowd"),
    TALib("CORREL", inputs=("close", Volume()), timeperiod=12),
    TALib("ADX", timeperiod=7),
    TALib("MA", timeperiod=8, matype=1),
    TALib("CDLENGULFING"),
    TALib("SMA", inputs=(PercentChange(),), timeperiod=4),
    HigherTimeframe("rsi_7", "4h"),
    HigherTimeframe(Ohlcv(), "1d"),
    HigherTimeframe(TALib("EMA", timeperiod=3), "4h"),
    PercentChange(1, HigherTimeframe("sma_3", "4h")),
    WarmupMask(["candles", "rsi_7", HigherTimeframe("returns", "4h")]),
]
EVERY = [*map(parse_feature, REGISTERED), *OTHERS]
every_feature = pytest.mark.parametrize("feature", EVERY, ids=lambda feature: feature.name)


def test_every_library_feature_of_the_room_is_under_these_tests() -> None:
    exported = [getattr(features_room, name) for name in features_room.__all__]
    classes = {item for item in exported if inspect.isclass(item) and issubclass(item, Feature)}
    elsewhere = {Feature, Column, CustomFeature, StandardScaler, MinMaxScaler}
    assert classes - elsewhere == {type(feature) for feature in EVERY}


@every_feature
def test_it_has_one_row_per_candle_and_one_column_per_name(feature: Feature, random_market: MakeMarket) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    for index in range(2):
        values = feature.compute(candles, index)
        assert values.shape == (len(candles), feature.width) == (len(candles), len(feature.column_names))
        assert values.dtype == np.float64


@every_feature
def test_it_is_finite_after_its_warm_up_gaps_included(feature: Feature, random_market: MakeMarket) -> None:
    candles = random_market()
    assert candles.gaps[:, feature.warmup_bars :].any()
    values = feature.compute(candles, 0)
    assert np.isfinite(values[feature.warmup_bars :]).all()
    assert not np.isinf(values).any()


@every_feature
def test_it_keeps_its_bounds(feature: Feature, random_market: MakeMarket) -> None:
    values = feature.compute(random_market(), 0)[feature.warmup_bars :]
    assert values.min() >= feature.low
    assert values.max() <= feature.high


@every_feature
def test_it_is_prefix_invariant_to_the_last_bit(feature: Feature, random_market: MakeMarket) -> None:
    assert isinstance(feature, LibraryFeature)
    assert feature.causality_tolerance == 0.0
    assert len(check_causality(feature, random_market(symbols=("BTCUSDT", "ETHUSDT")), cuts=24)) == 24


@every_feature
@pytest.mark.parametrize("rows", [1, 2, 5, 30])
def test_it_is_prefix_invariant_where_there_is_hardly_any_history(
    feature: Feature, rows: int, random_market: MakeMarket
) -> None:
    candles = random_market()
    short = feature_values(feature, prefix(candles, rows), 0)
    assert np.array_equal(short, feature.compute(candles, 0)[:rows], equal_nan=True)


@every_feature
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_its_warm_up_is_long_enough_for_a_later_anchor(feature: Feature, seed: int, random_market: MakeMarket) -> None:
    assert (
        check_later_anchor(feature, random_market(rows=1500, seed=seed, gaps=False), anchors=12)
        <= feature.anchor_tolerance
    )


@every_feature
def test_it_gives_the_same_bits_each_time(feature: Feature, random_market: MakeMarket) -> None:
    first, second = feature.compute(random_market(), 0), feature.compute(random_market(), 0)
    assert first.tobytes() == second.tobytes()


@every_feature
def test_it_leaves_the_candles_alone(feature: Feature, random_market: MakeMarket) -> None:
    candles = random_market()
    feature.compute(candles, 0)
    assert candles.close.tobytes() == random_market().close.tobytes()
    assert candles.volume.tobytes() == random_market().volume.tobytes()


@every_feature
def test_it_ignores_the_other_symbols(feature: Feature, random_market: MakeMarket) -> None:
    pair = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    alone = Candles.from_arrays(
        "ETHUSDT",
        pair.timeframe,
        pair.times[~pair.gaps[1]],
        *(series[1, ~pair.gaps[1]] for series in (pair.open, pair.high, pair.low, pair.close, pair.volume)),
    )
    assert np.array_equal(feature.compute(pair, 1), feature.compute(alone, 0), equal_nan=True)


@every_feature
def test_it_is_a_value(feature: Feature) -> None:
    again = pickle.loads(pickle.dumps(feature))
    assert again == feature == copy.deepcopy(feature)
    assert hash(again) == hash(feature)
    assert eval(repr(feature), vars(features_room)) == feature


@every_feature
@pytest.mark.parametrize("price", [1e-7, 1e7])
def test_it_survives_any_size_of_price(feature: Feature, price: float, random_market: MakeMarket) -> None:
    table = FeaturePipeline([feature]).build(random_market(price=price))
    assert np.isfinite(table[:, feature.warmup_bars :]).all()


@every_feature
def test_it_survives_a_market_that_never_moves(feature: Feature, candles_of: Callable[..., Candles]) -> None:
    still = candles_of([5.0] * 400, volume=[0.0] * 400)
    assert np.isfinite(FeaturePipeline([feature]).build(still)[:, feature.warmup_bars :]).all()


SCALE_FREE = ["candles", "returns", "rsi_14", "adx", "ma_ratio_50", "momentum_10", "volatility_24", "engineered"]


@pytest.mark.parametrize("name", SCALE_FREE)
def test_a_scale_free_feature_is_the_same_at_any_price(name: str, random_market: MakeMarket) -> None:
    feature = parse_feature(name)
    cheap, dear = (feature.compute(random_market(price=price), 0) for price in (0.001, 50_000.0))
    np.testing.assert_allclose(cheap, dear, rtol=0.0, atol=1e-10)
