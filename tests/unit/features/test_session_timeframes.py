"""Higher timeframes on a grid with sessions: days and weeks of a calendar, and plain ones between its nights."""

import datetime
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tradeready_gym import TradingEnvironment
from tradeready_gym.errors import CausalityError, ConfigurationError
from tradeready_gym.features import (
    FeaturePipeline,
    HigherTimeframe,
    LogReturns,
    MovingAverage,
    Ohlcv,
    check_causality,
    check_later_anchor,
)
from tradeready_gym.features.described import described
from tradeready_gym.market import Candles, TradingCalendar, format_time, parse_time

NEW_YORK = TradingCalendar(holidays=("2023-06-19", "2023-07-04"), early_closes={"2023-07-03": "13:00"})
CHICAGO = TradingCalendar("America/Chicago", "17:00", "16:00", weekdays=(6, 0, 1, 2, 3))
ZONE = ZoneInfo("America/New_York")
STEP = 1_800_000_000


def stock(calendar: TradingCalendar, start: str, end: str, missing: tuple[int, ...] = (), seed: int = 0) -> Candles:
    """Half hours of the sessions, each symbol with prices of its own."""
    slots = np.arange(parse_time(start), parse_time(end), STEP, dtype=np.int64)
    times = np.delete(slots[calendar.contains(slots, "30m")], missing)
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.003, (2, len(times))), axis=1))
    first = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    high, low = np.maximum(first, close) * 1.001, np.minimum(first, close) * 0.999
    volume = random.integers(1, 1000, close.shape).astype(float)
    whole = Candles.from_arrays(
        ("AAA", "BBB"), "30m", times, first, high, low, close, volume, columns={"trades": volume}
    )
    return calendar.keep(whole)


SUMMER = stock(NEW_YORK, "2023-06-05T00:00:00Z", "2023-07-22T00:00:00Z", missing=(30, 31, 100))


def by_hand(candles: Candles, key: Callable[[datetime.date], Any], index: int = 1) -> Any:
    """For each row the OHLCV of the last group of days that is over by its close; days are those in New York."""
    rows: dict[Any, list[int]] = {}
    for row, time in enumerate(candles.times.tolist()):
        rows.setdefault(key(datetime.datetime.fromtimestamp(time / 1e6, ZONE).date()), []).append(row)
    shown = np.full((len(candles), 5), np.nan)
    for held in rows.values():
        at = np.array(held)
        one = [candles.open[index, at[0]], candles.high[index, at].max(), candles.low[index, at].min()]
        shown[at[-1] :] = [*one, candles.close[index, at[-1]], candles.volume[index, at].sum()]
    return shown


def test_a_day_is_a_session_and_is_seen_with_its_last_close_half_days_too() -> None:
    values = HigherTimeframe(Ohlcv(), "1d", NEW_YORK).compute(SUMMER, 1)
    np.testing.assert_allclose(values, by_hand(SUMMER, lambda day: day), rtol=1e-14)
    half = SUMMER.row_of("2023-07-03T16:30:00Z")  # the last half hour before 13:00 in New York
    assert values[half, 3] == SUMMER.close[1, half] and values[half - 1, 3] != SUMMER.close[1, half - 1]


def test_a_week_is_complete_with_its_last_session() -> None:
    values = HigherTimeframe(Ohlcv(), "1w", NEW_YORK).compute(SUMMER, 1)
    np.testing.assert_allclose(values, by_hand(SUMMER, lambda day: day.isocalendar()[:2]), rtol=1e-14)
    friday = SUMMER.row_of("2023-06-09T19:30:00Z")
    assert np.isnan(values[friday - 1]).all() and values[friday, 3] == SUMMER.close[1, friday]


def test_the_running_week_is_not_seen_where_the_data_end_in_it() -> None:
    cut = SUMMER.between(SUMMER.start, "2023-07-13T00:00:00Z")
    whole, part = (HigherTimeframe(Ohlcv(), "1w", NEW_YORK).compute(one, 0) for one in (SUMMER, cut))
    np.testing.assert_array_equal(part, whole[: len(cut)])


def test_sessions_past_midnight_belong_to_the_week_in_which_they_end() -> None:
    candles = stock(CHICAGO, "2024-01-01T00:00:00Z", "2024-01-27T00:00:00Z")
    values = HigherTimeframe(Ohlcv(), "1w", CHICAGO).compute(candles, 0)
    sunday = candles.row_of("2024-01-07T23:00:00Z")
    friday = candles.row_of("2024-01-12T21:30:00Z")
    assert values[friday].tolist() == [
        candles.open[0, sunday],
        candles.high[0, sunday : friday + 1].max(),
        candles.low[0, sunday : friday + 1].min(),
        candles.close[0, friday],
        pytest.approx(candles.volume[0, sunday : friday + 1].sum()),
    ]
    # the week before began before the data
    assert np.isnan(values[friday - 1]).all()


def test_without_a_calendar_longer_candles_are_those_of_the_clock() -> None:
    values = HigherTimeframe(Ohlcv(), "4h").compute(SUMMER, 0)
    first = SUMMER.row_of("2023-06-06T16:00:00Z")
    four = slice(first, first + 8)
    # 16:00 to 20:00 UTC is complete with the candle that ends at 20:00
    assert values[first + 7, 3] == SUMMER.close[0, first + 7] and values[first + 7, 1] == SUMMER.high[0, four].max()
    assert values[first + 6, 3] == SUMMER.close[0, first - 1]
    # 12:00 to 16:00 is over with the candle that ends at 16:00, and nothing came before 13:30
    np.testing.assert_array_equal(values[first - 1, [0, 3]], [SUMMER.open[0, first - 5], SUMMER.close[0, first - 1]])


FEATURES = [
    HigherTimeframe(Ohlcv(), "1d", NEW_YORK),
    HigherTimeframe(LogReturns(), "1d", NEW_YORK),
    HigherTimeframe(MovingAverage(2), "1w", NEW_YORK),
    HigherTimeframe(LogReturns(), "4h"),
    HigherTimeframe(MovingAverage(3), "1d"),
    HigherTimeframe(Ohlcv(), "1h"),
]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_nothing_is_seen_before_it_is_over(feature: HigherTimeframe) -> None:
    assert len(check_causality(feature, SUMMER, cuts=120)) >= 120
    assert check_later_anchor(feature, SUMMER, anchors=40) == 0.0
    table = FeaturePipeline([feature]).build(SUMMER)
    assert np.isfinite(table[:, feature.warmup_on(SUMMER) :]).all()
    # `warmup_bars` counts candles of an hour, or of the half hours that make one
    assert feature.warmup_on(SUMMER) <= max(feature.warmup_bars, 2 * (feature.warmup_bars + 2) - 2)


def test_a_session_that_is_seen_before_its_close_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from tradeready_gym.market.sessions import Groups

    known = Groups.known_rows
    monkeypatch.setattr(Groups, "known_rows", lambda self, candles: known(self, candles) - 1)
    with pytest.raises(CausalityError, match="looks ahead"):
        check_causality(HigherTimeframe(Ohlcv(), "1d", NEW_YORK), SUMMER, cuts=120)


def test_rows_outside_of_the_sessions_keep_what_was_seen_last() -> None:
    times = np.arange(parse_time("2023-06-05T00:00:00Z"), parse_time("2023-06-10T00:00:00Z"), STEP, dtype=np.int64)
    price = np.arange(100.0, 100.0 + len(times))
    whole = Candles.from_arrays("BTC", "30m", times, price, price, price, price, price)
    values = HigherTimeframe(Ohlcv(), "1d", NEW_YORK).compute(whole, 0)
    kept = HigherTimeframe(Ohlcv(), "1d", NEW_YORK).compute(NEW_YORK.keep(whole), 0)
    np.testing.assert_array_equal(values[NEW_YORK.contains(times, "30m")], kept)
    night = whole.row_of("2023-06-07T02:00:00Z")
    assert values[night, 3] == whole.close[0, whole.row_of("2023-06-06T19:30:00Z")]


def test_an_environment_sees_the_day_before_in_the_morning() -> None:
    env = TradingEnvironment(
        data=SUMMER.select("AAA"),
        symbols="AAA",
        timeframe="30m",
        feature_pipeline=[HigherTimeframe(Ohlcv(), "1d", NEW_YORK)],
        lookback_window=1,
        start_time="2023-07-05T13:30:00Z",
        slippage="none",
        interpreted=True,
    )
    last = SUMMER.row_of("2023-07-03T16:30:00Z")
    assert env.reset(seed=0)[0][3] == np.float32(SUMMER.close[0, last])
    assert env.step(0)[0][3] == np.float32(SUMMER.close[0, last])


def test_it_is_a_value_and_comes_from_a_file() -> None:
    feature = HigherTimeframe("rsi_7", "1d", NEW_YORK)
    said = {
        "feature": "rsi_7",
        "timeframe": "1d",
        "calendar": {"holidays": list(NEW_YORK.holidays), "early_closes": {"2023-07-03": "13:00"}},
    }
    assert described("higher_timeframe", said) == feature and hash(feature) == hash(described("higher_timeframe", said))
    assert feature.name == "rsi_7@1d sessions" and feature != HigherTimeframe("rsi_7", "1d")


def test_a_calendar_makes_days_and_weeks_only() -> None:
    with pytest.raises(ConfigurationError, match="a calendar makes 1d or 1w of its sessions; got '4h'"):
        HigherTimeframe("returns", "4h", NEW_YORK)
    with pytest.raises(ConfigurationError, match="sessions make candles of 1d or 1w; got '4h'"):
        NEW_YORK.group(SUMMER, "4h")
    assert format_time(SUMMER.start) == "2023-06-05T13:30:00Z"
