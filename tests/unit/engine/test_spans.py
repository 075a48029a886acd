"""The span of episodes: an edge that the data cannot serve is named, with the data's span and the nearest edge that works."""

import re

import numpy as np
import pytest

from tradeready_gym.engine.spans import episode_span
from tradeready_gym.errors import ConfigurationError, DataUnavailable
from tradeready_gym.market import Candles, DataReplayer, TradingCalendar, format_time

HOUR = 3_600_000_000
HISTORY = 30


def hours(count: int = 100) -> Candles:
    """Candles of 2024-01-01T00:00:00Z .. 2024-01-05T04:00:00Z."""
    times = 1_704_067_200_000_000 + np.arange(count) * HOUR
    ones = np.ones(count)
    return Candles.from_arrays("BTCUSDT", "1h", times, ones, ones, ones, ones, ones, source="a.csv")


def span(
    start: str | None, end: str | None, length: int | None = None, candles: Candles | None = None
) -> tuple[int, int]:
    return episode_span(DataReplayer(candles or hours()), start, end, HISTORY, length)


@pytest.mark.parametrize(
    ("start", "end", "length", "works"),
    [
        ("2025-01-01T00:00:00Z", None, None, "the latest start_time that works is 2024-01-05T03:00:00Z"),
        ("2025-01-01T00:00:00Z", None, 10, "the latest start_time that works is 2024-01-04T18:00:00Z"),
        (
            "2025-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
            10,
            "the latest start_time that works is 2024-01-04T18:00:00Z",
        ),
        ("2020-01-01T00:00:00Z", None, 10, "the earliest start_time that works is 2024-01-02T06:00:00Z"),
        (None, "2026-01-01T00:00:00Z", 10, "the latest end_time that works is 2024-01-05T04:00:00Z"),
        (None, "2020-01-01T00:00:00Z", None, "the earliest end_time that works is 2024-01-02T07:00:00Z"),
        (None, "2024-01-02T06:00:00Z", 10, "the earliest end_time that works is 2024-01-02T16:00:00Z"),
    ],
)
def test_an_edge_that_cannot_be_is_named_with_the_span_of_the_data_and_one_that_works(
    start: str | None, end: str | None, length: int | None, works: str
) -> None:
    with pytest.raises(DataUnavailable) as raised:
        span(start, end, length)
    said = str(raised.value)
    given, wrong = ("start_time", start) if "start_time that works" in works else ("end_time", end)
    assert said.startswith(f"{given} {wrong} ")
    assert "2024-01-01T00:00:00Z .. 2024-01-05T04:00:00Z, a.csv" in said
    assert said.endswith(works)
    nearest = works.rsplit(" ", 1)[1]
    first, last = span(nearest, None, length) if given == "start_time" else span(None, nearest, length)
    assert last - first >= (length or 1)


def test_data_that_are_all_history_say_so_whatever_the_dates() -> None:
    for start, end in ((None, None), ("2025-01-01T00:00:00Z", None), (None, "2020-01-01T00:00:00Z")):
        with pytest.raises(DataUnavailable, match="30 candles of history are needed .* the data has 30 of 1h"):
            span(start, end, candles=hours(30))


def test_two_times_in_the_wrong_order_are_both_named() -> None:
    words = re.escape("end_time must be later than start_time; got 2024-01-03T00:00:00Z and 2025-01-01T00:00:00Z")
    with pytest.raises(ConfigurationError, match=words):
        span("2025-01-01T00:00:00Z", "2024-01-03T00:00:00Z")


def test_two_times_between_the_same_sessions_have_no_candle_between_them() -> None:
    mornings = TradingCalendar("UTC", "08:00", "18:00").keep(hours(240))
    with pytest.raises(
        DataUnavailable, match="the first step is at 2024-01-09T08:00:00Z.*works is 2024-01-09T09:00:00Z"
    ):
        span("2024-01-08T19:00:00Z", "2024-01-08T22:00:00Z", candles=mornings)
    assert format_time(mornings.start) == "2024-01-01T08:00:00Z"
