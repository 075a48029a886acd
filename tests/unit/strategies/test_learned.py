"""In-sample is called in-sample, and nothing else is."""

from typing import Any

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
