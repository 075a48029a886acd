"""The pipeline: from names to one table."""

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.typing import NDArray

import tradeready_gym.features as features_room
from tradeready_gym.errors import ConfigurationError, DataError, UnknownName
from tradeready_gym.features import (
    DEFAULT_FEATURES,
    RAW_FEATURES,
    Column,
    CustomFeature,
    EngineeredFeatures,
    FeaturePipeline,
    RelativeStrengthIndex,
    SymbolCandles,
    feature,
)
from tradeready_gym.features.memory import RecentlyUsed
from tradeready_gym.market.candles import Candles

Array = NDArray[np.float64]
MakeMarket = Callable[..., Candles]
LARGEST = np.finfo(np.float32).max


def half_the_close(candles: SymbolCandles) -> Array:
    return candles.close / 2


def test_columns_come_in_the_order_in_which_the_features_are_named() -> None:
    pipeline = FeaturePipeline(["balance", "rsi_14", "ohlcv", "position", half_the_close])
    assert pipeline.column_names == ("rsi_14", "open", "high", "low", "close", "volume", "half_the_close")
    assert pipeline.account_features == ("balance", "position")
    assert pipeline.width == 7


def test_the_default_is_scale_free_candles_and_the_account() -> None:
    pipeline = FeaturePipeline()
    assert pipeline == FeaturePipeline(DEFAULT_FEATURES)
    assert pipeline.width == 5
    assert pipeline.warmup_bars == 23
    assert pipeline.account_features == ("balance", "position", "unrealized_pnl")


def test_raw_features_are_the_documented_candles_and_the_account() -> None:
    assert FeaturePipeline(RAW_FEATURES).column_names == ("open", "high", "low", "close", "volume")


def test_the_warm_up_is_the_longest_of_its_features() -> None:
    assert FeaturePipeline(["ma_ratio_50", "rsi_14", "candles"]).warmup_bars == 140
    assert FeaturePipeline(["balance"]).warmup_bars == 0


def test_the_table_is_one_block_of_float32_per_symbol(random_market: MakeMarket) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    table = FeaturePipeline(["candles", "rsi_14"]).build(candles)
    assert table.shape == (2, len(candles), 6)
    assert table.dtype == np.float32
    assert table.flags.c_contiguous
    assert not table.flags.writeable


def test_the_table_holds_what_each_feature_computes(random_market: MakeMarket) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    pipeline = FeaturePipeline(["candles", "macd", half_the_close])
    table = pipeline.build(candles)
    for index in range(2):
        values = np.concatenate(
            [f.compute(candles, index).reshape(len(candles), -1) for f in pipeline.market_features], axis=1
        )
        assert np.array_equal(table[index, 157:], values[157:].astype(np.float32))


def test_each_feature_is_nan_in_its_own_warm_up_and_nowhere_else(random_market: MakeMarket) -> None:
    table = FeaturePipeline(["ohlcv", "rsi_14", "returns"]).build(random_market())
    warm = np.argmax(~np.isnan(table[0]), axis=0)
    assert warm.tolist() == [0, 0, 0, 0, 0, 140, 1]
    assert all(not np.isnan(table[0, first:, column]).any() for column, first in enumerate(warm))


def test_a_pipeline_of_account_scalars_alone_has_an_empty_window(random_market: MakeMarket) -> None:
    candles = random_market()
    pipeline = FeaturePipeline(["balance"])
    assert pipeline.build(candles).shape == (1, len(candles), 0)
    assert pipeline.low.shape == pipeline.high.shape == (0,)


def test_bounds_are_true_where_known_and_the_largest_float32_elsewhere() -> None:
    pipeline = FeaturePipeline(["rsi_14", "atr", "returns"])
    assert pipeline.low.dtype == pipeline.high.dtype == np.float32
    assert pipeline.low.tolist() == [0.0, 0.0, -LARGEST]
    assert pipeline.high.tolist() == [1.0, LARGEST, LARGEST]


def test_values_are_clipped_into_the_bounds(random_market: MakeMarket) -> None:
    bounded = CustomFeature("bounded", lambda candles: candles.close * 1e30, low=0.1, high=0.3)
    huge = CustomFeature("huge", lambda candles: candles.close * -1e300)
    pipeline = FeaturePipeline([bounded, huge])
    table = pipeline.build(random_market())
    assert (table >= pipeline.low).all()
    assert (table <= pipeline.high).all()
    assert (table[..., 0] == np.float32(0.3)).all()
    assert (table[..., 1] == -LARGEST).all()


def test_equal_pipelines_compare_and_hash_equal() -> None:
    first, second = FeaturePipeline(["adx", "rsi_21"]), FeaturePipeline(["ADX_14", RelativeStrengthIndex(21)])
    assert first == second
    assert hash(first) == hash(second)
    assert first != FeaturePipeline(["rsi_21", "adx"])


def test_a_pipeline_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        FeaturePipeline().account_features = ()  # type: ignore[misc]


def test_a_pipeline_prints_as_the_call_that_rebuilds_it() -> None:
    pipeline = FeaturePipeline(
        ["candles", "rsi_21", "my_signal", EngineeredFeatures((3,)), half_the_close, "position"], columns=["my_signal"]
    )
    assert repr(pipeline) == (
        "FeaturePipeline(['candles', 'rsi_21', Column(name='my_signal'), EngineeredFeatures(periods=(3,), "
        "momentum_bars=5), "
        "CustomFeature('half_the_close', half_the_close, warmup_bars=0), 'position'])"
    )
    assert eval(repr(pipeline), vars(features_room) | {"half_the_close": half_the_close}) == pipeline


def test_a_pipeline_survives_pickling_and_copying() -> None:
    pipeline = FeaturePipeline(["candles", half_the_close, Column("my_signal"), "balance"])
    assert pickle.loads(pickle.dumps(pipeline)) == copy.deepcopy(pipeline) == pipeline


@pytest.mark.parametrize("features", [["rsi_14", "RSI_14"], ["adx", "adx_14"], ["balance", "balance"]])
def test_a_feature_named_twice_is_refused(features: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="each feature can be named once; twice: "):
        FeaturePipeline(features)


def test_an_observation_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one feature, such as"):
        FeaturePipeline([])


def test_a_single_name_is_not_a_list() -> None:
    with pytest.raises(TypeError, match=r"features is a list, such as \['candles'\]"):
        FeaturePipeline("candles")


def test_an_unknown_name_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        FeaturePipeline(["candels"])
    assert "unknown feature 'candels'; known: adx, adx_14, atr, " in str(caught.value)
    assert "Did you mean 'candles'?" in str(caught.value)
    assert "rsi_<n>" in str(caught.value)


def test_a_column_of_the_data_is_a_feature_by_its_name(random_market: MakeMarket) -> None:
    signal = np.linspace(-1.0, 1.0, 900)[None, :]
    candles = random_market(gaps=False, columns={"my_signal": signal})
    pipeline = FeaturePipeline(["my_signal", "returns"], columns=candles.columns)
    assert np.array_equal(pipeline.build(candles)[0, 1:, 0], signal[0, 1:].astype(np.float32))


def test_a_column_that_starts_late_lengthens_the_warm_up(random_market: MakeMarket) -> None:
    signal = np.ones((2, 900))
    signal[0, :40] = np.nan
    signal[1, :170] = np.nan
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"), columns={"my_signal": signal}, gaps=False)
    pipeline = FeaturePipeline(["my_signal", "rsi_14"], columns=["my_signal"])
    assert pipeline.warmup_bars == 140
    assert pipeline.warmup_on(candles) == 170
    assert np.isfinite(pipeline.build(candles)[:, 170:]).all()
    assert np.isnan(pipeline.build(candles)[:, :170, 0]).all()


def test_a_column_without_any_value_for_a_symbol_is_refused(random_market: MakeMarket) -> None:
    signal = np.ones((2, 900))
    signal[1] = np.nan
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"), columns={"my_signal": signal}, gaps=False)
    with pytest.raises(DataError, match="column 'my_signal' has no value for ETHUSDT"):
        FeaturePipeline(["my_signal"], columns=["my_signal"]).build(candles)


def test_data_without_the_column_are_refused(random_market: MakeMarket) -> None:
    with pytest.raises(UnknownName, match="unknown column 'my_signal'"):
        FeaturePipeline([Column("my_signal")]).build(random_market())


@pytest.mark.parametrize(("name", "way_out"), [("rsi_14", "Column('rsi_14')"), ("balance", "rename the column")])
def test_a_name_that_means_two_things_is_refused(name: str, way_out: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FeaturePipeline([name], columns=[name])
    assert way_out in str(caught.value)


def test_a_value_missing_after_the_warm_up_is_refused_with_the_warm_up_to_declare(random_market: MakeMarket) -> None:
    def known_late(candles: SymbolCandles) -> Array:
        return np.where(np.arange(len(candles)) < 19, np.nan, candles.close)

    with pytest.raises(DataError, match=r"'known_late' must be finite .* declare warmup_bars=19"):
        FeaturePipeline([known_late]).build(random_market())
    FeaturePipeline([feature(warmup_bars=19)(known_late)]).build(random_market())


def test_an_infinite_value_is_refused_with_its_candle(random_market: MakeMarket) -> None:
    def log_volume(candles: SymbolCandles) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(candles.volume)

    candles = random_market()
    row = int(np.argmax(candles.volume[0] == 0.0))
    with pytest.raises(DataError, match=rf"'log_volume' .* BTCUSDT it is \[-inf\] at .* \(row {row}, 39 such rows\)"):
        FeaturePipeline([log_volume]).build(candles)


def test_a_feature_of_another_shape_is_refused_with_both_shapes(random_market: MakeMarket) -> None:
    def two_columns(candles: SymbolCandles) -> Array:
        return np.stack([candles.close, candles.open], axis=1)

    with pytest.raises(ConfigurationError, match=r"shape \(900, 1\); it returned \(900, 2\)"):
        FeaturePipeline([two_columns]).build(random_market())
    declared = feature(columns=("close_again", "open_again"))(two_columns)
    assert FeaturePipeline([declared]).column_names == ("close_again", "open_again")
    assert FeaturePipeline([declared]).build(random_market()).shape == (1, 900, 2)


def test_a_table_is_built_and_checked_once_per_data_and_pipeline(random_market: MakeMarket) -> None:
    calls = []

    def counted(candles: SymbolCandles) -> Array:
        calls.append(len(candles))
        return candles.close

    first = FeaturePipeline([counted]).build(random_market())
    assert len(calls) == 17 + 256  # the whole, 16 prefixes, and those of the stretch
    assert FeaturePipeline([counted]).build(random_market()) is first
    assert len(calls) == 273
    FeaturePipeline([counted, "candles"]).build(random_market())
    assert len(calls) == 274  # another table, the same check
    FeaturePipeline([counted]).build(random_market(seed=1))
    assert len(calls) == 274 + 17


def test_appended_candles_do_not_change_the_table_before_them(random_market: MakeMarket) -> None:
    candles = random_market(rows=1200, symbols=("BTCUSDT", "ETHUSDT"))
    pipeline = FeaturePipeline(["candles", "rsi_14", "adx", "macd", "bollinger", "volatility_24", "engineered"])
    earlier = pipeline.build(candles.between(candles.start, int(candles.times[801])))
    assert earlier.tobytes() == pipeline.build(candles)[:, :801].tobytes()


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    kept = RecentlyUsed[str, int](entries=2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


def test_a_value_beyond_the_size_limit_is_not_kept() -> None:
    kept = RecentlyUsed[str, int](entries=9, size=100)
    kept.put("a", 1, 60)
    kept.put("b", 2, 60)
    assert (kept.get("a"), kept.get("b")) == (None, 2)
    kept.put("c", 3, 101)
    assert (kept.get("b"), kept.get("c")) == (2, None)


def test_tables_can_be_built_from_several_threads(random_market: MakeMarket) -> None:
    candles = random_market()
    expected = FeaturePipeline(["candles", "rsi_7"]).build(candles).tobytes()
    results: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda seed=seed: results.append(
                FeaturePipeline(["candles", "rsi_7"]).build(random_market(seed=seed)).tobytes()
            )
        )
        for seed in (0, 5, 0, 6, 0)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 5
    assert results.count(expected) == 3
