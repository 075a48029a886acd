"""Plain Python features."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features import CustomFeature, Feature, FeaturePipeline, SymbolCandles, feature
from tradeready_gym.market.candles import Candles

Array = NDArray[np.float64]
MakeMarket = Callable[..., Candles]


@feature(warmup_bars=19, low=-1.0, high=0.0)
def distance_to_the_high(candles: SymbolCandles) -> Array:
    result = np.full(len(candles), np.nan)
    result[19:] = candles.close[19:] / sliding_window_view(candles.high, 20).max(axis=1) - 1.0
    return result


def test_a_declared_function_keeps_its_name_warm_up_and_bounds() -> None:
    pipeline = FeaturePipeline(["candles", distance_to_the_high])
    (_, mine) = pipeline.market_features
    assert (mine.name, mine.width, mine.warmup_bars, mine.low, mine.high) == ("distance_to_the_high", 1, 19, -1.0, 0.0)


def test_a_declared_function_is_still_the_function() -> None:
    assert callable(distance_to_the_high)
    assert distance_to_the_high.__name__ == "distance_to_the_high"
    assert pickle.loads(pickle.dumps(distance_to_the_high)) is distance_to_the_high


def test_a_declared_function_is_computed_for_each_symbol(random_market: MakeMarket) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    table = FeaturePipeline([distance_to_the_high]).build(candles)
    highest = sliding_window_view(candles.high, 20, axis=1).max(axis=2)
    np.testing.assert_array_equal(table[:, 19:, 0], (candles.close[:, 19:] / highest - 1.0).astype(np.float32))


def test_a_function_sees_the_candles_of_one_symbol(random_market: MakeMarket) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"), columns={"mine": np.ones((2, 900))})
    seen: list[SymbolCandles] = []

    def looks(view: SymbolCandles) -> Array:
        seen.append(view)
        return view.close

    CustomFeature("looks", looks).compute(candles, 1)
    (view,) = seen
    assert (view.symbol, view.timeframe, len(view)) == ("ETHUSDT", candles.timeframe, len(candles))
    for name in ("open", "high", "low", "close", "volume", "gaps"):
        assert np.array_equal(getattr(view, name), getattr(candles, name)[1])
    assert np.array_equal(view.times, candles.times)
    assert np.array_equal(view.columns["mine"], candles.columns["mine"][1])
    assert repr(view) == "SymbolCandles('ETHUSDT', '1h', 900 candles)"


def test_a_function_cannot_change_the_candles(random_market: MakeMarket) -> None:
    def overwrites(candles: SymbolCandles) -> Array:
        candles.close[0] = 1.0
        return candles.close

    with pytest.raises(ValueError, match="read-only"):
        FeaturePipeline([overwrites]).build(random_market())


def test_a_name_can_be_chosen() -> None:
    named = feature(name="half")(lambda candles: candles.close / 2)
    assert FeaturePipeline([named]).column_names == ("half",)


@dataclass(frozen=True)
class Scaled:
    factor: float

    def __call__(self, candles: SymbolCandles) -> Array:
        return candles.close * self.factor


def test_a_callable_object_is_a_feature(random_market: MakeMarket) -> None:
    table = FeaturePipeline([Scaled(3.0)]).build(random_market())
    np.testing.assert_allclose(table[0, :, 0], 3.0 * random_market().close[0], rtol=1e-6)


def test_a_callable_that_is_no_value_is_refused() -> None:
    @dataclass
    class Changing:
        factor: float

        def __call__(self, candles: SymbolCandles) -> Array:
            return candles.close * self.factor

    with pytest.raises(TypeError, match="must be a value; make Changing a frozen dataclass"):
        FeaturePipeline([Changing(3.0)])


@dataclass(frozen=True)
class CloseToOpen(Feature):
    scale: float = 1.0
    name = "close_to_open"
    warmup_bars = 0

    def compute(self, candles: Candles, symbol_index: int) -> Array:
        values: Array = self.scale * (candles.close[symbol_index] / candles.open[symbol_index] - 1.0)
        return values


def test_a_feature_can_be_written_as_a_dataclass_of_ten_lines(random_market: MakeMarket) -> None:
    candles = random_market()
    table = FeaturePipeline([CloseToOpen(2.0)]).build(candles)
    np.testing.assert_allclose(table[0, :, 0], 2 * (candles.close[0] / candles.open[0] - 1), atol=1e-6)
    assert copy.deepcopy(CloseToOpen(2.0)) == CloseToOpen(2.0)


def test_a_feature_without_a_warm_up_is_told_what_it_lacks() -> None:
    class Nameless(Feature):
        name = "nameless"

        def compute(self, candles: Candles, symbol_index: int) -> Array:
            return np.ones(len(candles))

    with pytest.raises(TypeError, match="Nameless needs 'warmup_bars': a field, class attribute or property"):
        FeaturePipeline([Nameless()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"warmup_bars": -1}, "warmup_bars >= 0, got -1"), ({"low": 1.0, "high": 1.0}, r"low < high, got 1\.0 and 1\.0")],
)
def test_a_declaration_that_cannot_be_kept_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CustomFeature("mine", lambda candles: candles.close, **arguments)  # type: ignore[arg-type]


def test_columns_are_a_sequence_of_names() -> None:
    with pytest.raises(TypeError, match="columns= is a sequence of names, got the string 'first'"):
        CustomFeature("mine", lambda candles: candles.close, columns="first")  # type: ignore[arg-type]
