"""The mask is 0 until every feature is warm, and nothing is shown as if it were a value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import CausalityError, ConfigurationError
from tradeready_gym.features import (
    Column,
    FeaturePipeline,
    HigherTimeframe,
    MovingAverageRatio,
    RelativeStrengthIndex,
    WarmupMask,
    check_causality,
)
from tradeready_gym.market.candles import Candles

MakeMarket = Callable[..., Candles]
CandlesOf = Callable[..., Candles]


def test_the_mask_turns_1_where_the_slowest_feature_is_warm(random_market: MakeMarket) -> None:
    candles = random_market()
    mask = WarmupMask(["ma_ratio_5", "rsi_3"])
    values = mask.compute(candles, 0)
    assert mask.column_names == ("ma_ratio_5", "rsi_3", "warm")
    assert values[:, 2].tolist() == [0.0] * 30 + [1.0] * (len(candles) - 30)
    assert (values[:4, 0] == 0.0).all() and (values[:30, 1] == 0.0).all()
    assert np.array_equal(values[4:, 0], MovingAverageRatio(5).compute(candles, 0)[4:, 0])
    assert np.array_equal(values[30:, 1], RelativeStrengthIndex(3).compute(candles, 0)[30:, 0])


def test_another_fill_can_be_chosen(random_market: MakeMarket) -> None:
    mask = WarmupMask(["rsi_3"], fill=-1.0)
    values = mask.compute(random_market(), 0)
    assert (values[:30, 0] == -1.0).all()
    assert (mask.low, mask.high) == (-1.0, 1.0)


def test_episodes_begin_with_the_data_and_say_that_nothing_is_warm(random_market: MakeMarket) -> None:
    def first(features: list[Any]) -> Any:
        env = TradingEnvironment(
            data=random_market(rows=200, gaps=False),
            feature_pipeline=[*features, "position"],
            lookback_window=1,
            flatten=True,
            interpreted=True,
        )
        return env.reset(seed=0)[0], env.engine.state.accounts["start_row"][0]

    observation, begun = first([WarmupMask(["rsi_14"])])
    hidden, begun_warm = first(["rsi_14"])
    assert observation.tolist() == [0.0, 0.0, 0.0]
    assert hidden[0] > 0.0
    assert begun < begun_warm


def test_a_late_column_and_a_longer_timeframe_are_warm_when_they_have_a_value(candles_of: CandlesOf) -> None:
    mood = [np.nan] * 6 + [3.0] * 14
    candles = candles_of([1.0] * 20, columns={"mood": mood})
    mask = WarmupMask([Column("mood"), HigherTimeframe("gap", "4h")])
    assert mask.compute(candles, 0)[:, -1].tolist() == [0.0] * 6 + [1.0] * 14
    assert len(check_causality(mask, candles)) >= 16
    assert np.isfinite(FeaturePipeline([mask]).build(candles)).all()


def test_a_mask_depends_on_no_later_candle(random_market: MakeMarket) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"))

    def a_tenth_of_the_data(candles: Any) -> Any:
        return np.arange(len(candles)) >= len(candles) // 10

    with pytest.raises(CausalityError, match="'a_tenth_of_the_data' looks ahead"):
        check_causality(a_tenth_of_the_data, candles)
    assert len(check_causality(WarmupMask(["candles", "macd", "rsi_7@4h"]), candles, cuts=40)) >= 40


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"features": []}, ConfigurationError, "at least one feature"),
        ({"features": "rsi_3"}, TypeError, "features is a list"),
        ({"features": ["rsi_3"], "fill": np.nan}, ConfigurationError, "finite fill"),
    ],
)
def test_impossible_masks_are_refused(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        WarmupMask(**arguments)
