"""Candle lengths and instants."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tradeready_gym.errors import DataError, UnknownName
from tradeready_gym.market import Timeframe, format_time, parse_time

NEW_YEAR = 1_735_689_600_000_000


@pytest.mark.parametrize(("label", "seconds"), [("1m", 60), ("5m", 300), ("30m", 1800), ("4h", 14_400), ("1d", 86_400)])
def test_label_says_the_length(label: str, seconds: int) -> None:
    frame = Timeframe.parse(label)
    assert (frame.seconds, frame.microseconds) == (seconds, seconds * 1_000_000)
    assert frame.bars_per_day * seconds == 86_400
    assert frame.periods_per_year == 365.25 * 86_400 / seconds


def test_unknown_timeframe_names_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"'1hr'; known: 1m, 5m, 15m, 30m, 1h, 4h, 1d\..*Did you mean '1h'"):
        Timeframe.parse("1hr")


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-01T00:00:00Z",
        "2025-01-01T01:00:00+01:00",
        datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC),
        datetime.date(2025, 1, 1),
        np.datetime64("2025-01-01"),
        pd.Timestamp("2025-01-01", tz="UTC"),
        np.int64(NEW_YEAR),
        NEW_YEAR,
    ],
)
def test_every_form_of_an_instant_is_the_same_microsecond(value: Any) -> None:
    assert parse_time(value) == NEW_YEAR


def test_format_is_the_inverse_of_parse() -> None:
    for micros in (0, NEW_YEAR, NEW_YEAR + 1, -1):
        assert parse_time(format_time(micros)) == micros
    assert format_time(NEW_YEAR) == "2025-01-01T00:00:00Z"


@pytest.mark.parametrize("value", ["2025-01-01", "2025-01-01T00:00:00", datetime.datetime(2025, 1, 1)])
def test_naive_time_is_refused_with_the_text_to_write_instead(value: Any) -> None:
    with pytest.raises(DataError, match=r"start_time must say its time zone.*Write '2025-01-01T00:00:00Z'"):
        parse_time(value, name="start_time")


@pytest.mark.parametrize("value", ["yesterday", np.datetime64("NaT"), pd.NaT])
def test_what_is_no_instant_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="found"):
        parse_time(value)


@pytest.mark.parametrize("value", [True, 1.5, None, [1]])
def test_wrong_type_of_time_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="time must be"):
        parse_time(value)
