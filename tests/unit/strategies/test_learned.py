"""In-sample is called in-sample, and nothing else is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tradeready_gym.engine import Engine
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies.learned import Learned


def engine(candles: Candles, **arguments: Any) -> Engine:
    settings: dict[str, Any] = {"feature_pipeline": ["returns"], "lookback_window": 2, "interpreted": True}
    return TradingEnvironment(data=candles, **(settings | arguments)).engine


def test_a_span_of_the_same_market_that_overlaps_is_in_sample_and_one_that_follows_is_not() -> None:
    candles = trend(bars=400, seed=0)
    cut = "2021-01-10T00:00:00Z"
    (lesson,) = Learned.from_engine(engine(candles, end_time=cut))
    assert lesson.is_in(engine(candles))
    assert lesson.is_in(engine(candles, start_time="2021-01-09T22:00:00Z"))
    assert not lesson.is_in(engine(candles, start_time=cut))


def test_another_world_of_the_same_time_is_held_out() -> None:
    (lesson,) = Learned.from_engine(engine(trend(bars=400, seed=0)))
    assert not lesson.is_in(engine(trend(bars=400, seed=1)))
    assert not lesson.is_in(engine(trend(bars=400, seed=0, symbol="ETHUSDT")))


def test_a_synthetic_span_inside_the_one_that_was_learned_is_in_sample_although_its_prices_have_another_level() -> None:
    def synthetic(start: str, end: str) -> Engine:
        arguments: dict[str, Any] = {"feature_pipeline": ["returns"], "lookback_window": 2, "interpreted": True}
        return TradingEnvironment(data="synthetic", start_time=start, end_time=end, **arguments).engine

    (lesson,) = Learned.from_engine(synthetic("2021-03-01T00:00:00Z", "2021-06-01T00:00:00Z"))
    assert lesson.is_in(synthetic("2021-04-01T00:00:00Z", "2021-05-01T00:00:00Z"))
    assert not lesson.is_in(synthetic("2021-06-01T00:00:00Z", "2021-07-01T00:00:00Z"))


def test_the_same_market_in_another_timeframe_is_in_sample() -> None:
    candles = trend(bars=2_000, seed=0)
    (lesson,) = Learned.from_engine(engine(candles))
    assert lesson.is_in(engine(candles.resample("4h")))


def test_a_stretch_too_short_for_a_witness_counts_as_in_sample() -> None:
    candles = trend(bars=3_000, seed=0)
    (lesson,) = Learned.from_engine(engine(candles))
    unseen = next(
        k for k in range(1_000, 2_000) if not {int(candles.times[k + 1]), int(candles.times[k + 2])} & {*lesson.times}
    )
    start, end = (str(candles.times[k].astype("datetime64[us]")) + "Z" for k in (unseen, unseen + 2))
    assert lesson.is_in(engine(candles, start_time=start, end_time=end))


def test_a_lesson_survives_json() -> None:
    (lesson,) = Learned.from_engine(engine(trend(bars=400, seed=0)))
    assert Learned.from_plain(lesson.as_plain()) == lesson


def priced(closes: Any, like: Candles) -> Candles:
    price = np.asarray(closes, np.float64)[None]
    return replace(like, open=price, high=price, low=price, close=price)


@pytest.mark.parametrize("deviation", [1e-6, 1e-2], ids=["a pegged coin", "a coin"])
def test_how_quiet_a_market_is_does_not_make_it_another_one_nor_the_same(deviation: float) -> None:
    like = trend(bars=400, seed=0)
    draws = np.random.default_rng(0).normal(0.0, deviation, (3, 400))
    mine, other = (priced(np.exp(np.cumsum(moves)), like) for moves in draws[:2])
    venue = priced(mine.close[0] * np.exp(0.05 * draws[2]), like)
    (lesson,) = Learned.from_engine(engine(mine))
    assert [lesson.is_in(engine(candles)) for candles in (mine, venue, other)] == [True, True, False]
    assert [lesson.is_same_in(candles) for candles in (mine, venue, other)] == [True, False, None]


def test_markets_that_mostly_rest_are_told_apart_by_when_they_move() -> None:
    like = trend(bars=400, seed=0)
    resting = np.ones(400)
    first, second = resting.copy(), resting.copy()
    first[100:], second[300:] = 1.0001, 1.0001
    (lesson,) = Learned.from_engine(engine(priced(first, like)))
    assert lesson.is_in(engine(priced(first, like)))
    assert not lesson.is_in(engine(priced(second, like)))
    (still,) = Learned.from_engine(engine(priced(resting, like)))
    assert still.is_in(engine(priced(resting, like)))  # nothing tells them apart: assume the worst
