"""Fitted features travel as plain data, to the last bit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tradeready_gym.agents import feature_digest, pipeline_as_plain, pipeline_from_plain
from tradeready_gym.errors import StoreError
from tradeready_gym.features import FeaturePipeline, MinMaxScaler, RelativeCandles, StandardScaler, SymbolCandles
from tradeready_gym.features.custom import CustomFeature
from tradeready_gym.features.talib_function import TALib
from tradeready_gym.market.worlds import trend

START, MIDDLE = "2021-01-01T00:00:00Z", "2021-01-05T00:00:00Z"


def doubled(candles: SymbolCandles) -> NDArray[np.float64]:
    return candles.close * 2.0


def fitted() -> FeaturePipeline:
    candles = trend(bars=200, seed=0)
    return FeaturePipeline(
        [
            StandardScaler(RelativeCandles()).fit(candles, START, MIDDLE),
            MinMaxScaler(TALib("STOCH", fastk_period=5, output="slowk"), clip=True).fit(candles, START, MIDDLE),
            "returns",
            "momentum_10",
            CustomFeature("doubled", doubled),
            "position",
        ]
    )


def test_a_fitted_pipeline_comes_back_equal_through_json_and_builds_the_same_table() -> None:
    pipeline = fitted()
    again = pipeline_from_plain(json.loads(json.dumps(pipeline_as_plain(pipeline))))
    assert again == pipeline
    later = trend(bars=150, seed=3)
    assert again.build(later).tobytes() == pipeline.build(later).tobytes()


def test_a_function_that_no_other_process_could_import_is_not_written_down() -> None:
    pipeline = FeaturePipeline([CustomFeature("nameless", lambda candles: candles.close)])
    assert pipeline_as_plain(pipeline) is None
    assert feature_digest(pipeline.market_features[0]) == ""


def test_the_digest_tells_statistics_apart_that_differ_in_the_last_bit() -> None:
    scaler = fitted().market_features[0]
    assert isinstance(scaler, StandardScaler)
    (learned,) = scaler.statistics
    nudged = replace(learned, scale=(float(np.nextafter(learned.scale[0], 2.0)), *learned.scale[1:]))
    assert feature_digest(scaler) == feature_digest(replace(scaler))
    assert feature_digest(scaler) != feature_digest(replace(scaler, statistics=(nudged,)))


def test_features_of_another_version_are_refused_with_their_place() -> None:
    plain = pipeline_as_plain(fitted())
    assert plain is not None
    plain["market"][0]["class"] = "tradeready_gym.features.scalers:Vanished"
    with pytest.raises(StoreError, match="Vanished"):
        pipeline_from_plain(plain)
    plain["market"][0]["class"] = "os:getcwd"
    with pytest.raises(StoreError, match="os:getcwd is not a dataclass"):
        pipeline_from_plain(plain)
