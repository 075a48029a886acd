"""A calendar against a year that is published: the New York Stock Exchange, 2023.

Holidays and early closes (13:00 Eastern) are those of the announcement "NYSE Group Announces 2022, 2023 and 2024 Holiday and
Early Closings Calendar", as on nyse.com/markets/hours-calendars; that the year had 250 trading days, 20 in January and 23 in
March and August, is how exchanges and brokers count it.
"""

import datetime
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.market import Candles, TradingCalendar, format_time, parse_time

HOLIDAYS = {
    "2023-01-02": "New Year's Day, observed",
    "2023-01-16": "Martin Luther King, Jr. Day",
    "2023-02-20": "Washington's Birthday",
    "2023-04-07": "Good Friday",
    "2023-05-29": "Memorial Day",
    "2023-06-19": "Juneteenth",
    "2023-07-04": "Independence Day",
    "2023-09-04": "Labor Day",
    "2023-11-23": "Thanksgiving Day",
    "2023-12-25": "Christmas Day",
}
EARLY = {"2023-07-03": "13:00", "2023-11-24": "13:00"}
NYSE = TradingCalendar("America/New_York", "09:30", "16:00", holidays=tuple(HOLIDAYS), early_closes=EARLY)
YEAR = parse_time("2023-01-01T05:00:00Z"), parse_time("2024-01-01T05:00:00Z")
MINUTE = 60_000_000
ZONE = ZoneInfo("America/New_York")


def sessions() -> Any:
    return NYSE.sessions(*YEAR)


def half_hours(start: str, end: str, calendar: TradingCalendar = NYSE) -> Candles:
    times = np.arange(parse_time(start), parse_time(end), 30 * MINUTE, dtype=np.int64)
    times = times[calendar.contains(times, "30m")]
    close = 100.0 + np.arange(len(times))
    return calendar.keep(
        Candles.from_arrays(
            "SPY",
            "30m",
            times,
            close - 0.5,
            close + 1.0,
            close - 1.0,
            close,
            np.full(len(times), 10.0),
            columns={"trades": close},
        )
    )


def test_the_year_had_250_trading_days() -> None:
    days = [datetime.datetime.fromtimestamp(opens / 1e6, ZONE) for opens in sessions()[:, 0].tolist()]
    assert len(days) == 250
    months = Counter(day.month for day in days)
    assert [months[month] for month in range(1, 13)] == [20, 19, 23, 19, 22, 21, 20, 23, 20, 22, 21, 20]
    assert {(day.hour, day.minute) for day in days} == {(9, 30)}
    assert not {day.date().isoformat() for day in days} & set(HOLIDAYS)


def test_two_of_them_were_half_days_of_three_and_a_half_hours() -> None:
    minutes = np.diff(sessions(), axis=1)[:, 0] // MINUTE
    assert Counter(minutes.tolist()) == {390: 248, 210: 2}
    assert [format_time(int(opens))[:10] for opens in sessions()[minutes == 210, 0]] == list(EARLY)
    # in summer 13:00 is 17:00 UTC, after Thanksgiving 18:00
    assert [format_time(int(closes)) for closes in sessions()[minutes == 210, 1]] == [
        "2023-07-03T17:00:00Z",
        "2023-11-24T18:00:00Z",
    ]


def test_the_clocks_changed_on_march_12_and_november_5() -> None:
    opens = {format_time(int(time))[:10]: format_time(int(time))[11:16] for time in sessions()[:, 0]}
    assert (opens["2023-03-10"], opens["2023-03-13"]) == ("14:30", "13:30")
    assert (opens["2023-11-03"], opens["2023-11-06"]) == ("13:30", "14:30")


def test_the_grid_of_the_year_has_its_half_hours_and_no_others() -> None:
    candles = half_hours("2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
    assert len(candles) == 248 * 13 + 2 * 7 and not candles.gaps.any()
    assert candles.periods_per_year == pytest.approx(len(candles), rel=0.02)
    last = candles.row_of("2023-07-03T16:30:00Z")
    assert format_time(int(candles.times[last + 1])) == "2023-07-05T13:30:00Z"


def test_a_day_of_candles_is_a_session_with_its_half_days() -> None:
    candles = half_hours("2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
    daily = NYSE.daily(candles)
    assert len(daily) == 250 and daily.timeframe.label == "1d" and not daily.regular
    assert [format_time(int(time))[:10] for time in daily.times] == [
        format_time(int(opens))[:10] for opens in sessions()[:, 0]
    ]
    assert Counter((daily.volume[0] / 10.0).tolist()) == {13.0: 248, 7.0: 2}
    half = daily.row_of("2023-11-24T00:00:00Z")
    last = candles.row_of("2023-11-24T17:30:00Z")
    assert daily.close[0, half] == candles.close[0, last] and daily.open[0, half] == candles.open[0, last - 6]
    assert daily.high[0, half] == candles.high[0, last] and daily.low[0, half] == candles.low[0, last - 6]
    assert daily.columns["trades"][0, half] == candles.columns["trades"][0, last - 6 : last + 1].sum()


def test_a_day_that_is_not_whole_is_no_candle() -> None:
    morning = half_hours("2023-03-07T15:00:00Z", "2023-03-10T20:00:00Z")
    assert [format_time(int(time))[:10] for time in NYSE.daily(morning).times] == ["2023-03-08", "2023-03-09"]
    with pytest.raises(DataError, match="no session is complete"):
        NYSE.daily(half_hours("2023-03-07T15:00:00Z", "2023-03-08T15:00:00Z"))


def test_no_day_is_labelled_so_that_it_is_seen_before_its_close() -> None:
    # 17:00 in Los Angeles is past midnight in UTC; Sydney opens on the evening before
    for zone, closes in (("America/Los_Angeles", "17:00"), ("Australia/Sydney", "16:00"), ("Europe/London", "16:30")):
        calendar = TradingCalendar(zone, "10:00", closes)
        candles = half_hours("2023-03-01T00:00:00Z", "2023-04-20T00:00:00Z", calendar)
        daily = calendar.daily(candles)
        ends = {
            int(price): int(time) + 30 * MINUTE for price, time in zip(candles.close[0], candles.times, strict=True)
        }
        assert len(daily) >= 34
        for time, close in zip(daily.times.tolist(), daily.close[0], strict=True):
            assert ends[int(close)] <= time + 24 * 60 * MINUTE < ends[int(close)] + 24 * 60 * MINUTE


def test_two_sessions_that_end_in_one_day_make_no_daily_candles() -> None:
    # Lisbon's clock goes back on 2023-10-29: 00:30 there is 23:30 UTC of the day before, then 00:30 UTC
    every = TradingCalendar("Europe/Lisbon", "20:00", "00:30", weekdays=tuple(range(7)))
    with pytest.raises(DataError, match="two end on 2023-03-2"):
        every.daily(half_hours("2023-03-20T00:00:00Z", "2023-04-02T00:00:00Z", every))


def test_a_half_day_of_a_session_past_midnight_is_that_of_the_day_on_which_it_opens() -> None:
    futures = TradingCalendar(
        "America/Chicago", "17:00", "16:00", (6, 0, 1, 2, 3), early_closes=(("2023-11-22", "12:15"),)
    )
    table = futures.sessions(parse_time("2023-11-22T12:00:00Z"), parse_time("2023-11-24T00:00:00Z"))
    assert format_time(int(table[1, 1])) == "2023-11-23T18:15:00Z"


@pytest.mark.parametrize(
    ("early", "words"),
    [
        ({"2023-07-04": "13:00"}, "there is none on 2023-07-04"),
        ({"2023-07-01": "13:00"}, "there is none on 2023-07-01"),
        ({"2023-07-03": "1 pm"}, "a local time such as '13:00'; got '1 pm'"),
        ({"2023-07-03": "16:00"}, "before 16:00, the usual one; got 16:00 on 2023-07-03"),
        ({"3.7.2023": "13:00"}, "by ISO date such as"),
    ],
)
def test_a_half_day_that_cannot_be_is_named(early: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        TradingCalendar(holidays=("2023-07-04",), early_closes=early)


def test_half_days_are_part_of_the_value() -> None:
    assert eval(repr(NYSE)) == NYSE and hash(NYSE) == hash(eval(repr(NYSE)))
    assert TradingCalendar(holidays=tuple(HOLIDAYS), early_closes=tuple(EARLY.items())) == NYSE
    assert TradingCalendar(holidays=tuple(HOLIDAYS)) != NYSE
