"""The calendar against the standard library's."""

import calendar
import datetime
from collections.abc import Callable
from math import cos, pi, sin
from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import CausalityError, ConfigurationError, UnknownName
from tradeready_gym.features import Calendar, TimeOfWeek, check_causality, parse_feature
from tradeready_gym.market.candles import Candles

MakeMarket = Callable[..., Candles]


def shares(moment: datetime.datetime) -> list[float]:
    """How much of the day, the week, the month and the year has passed."""
    day = (moment.hour + moment.minute / 60.0) / 24.0
    month = (moment.day - 1 + day) / calendar.monthrange(moment.year, moment.month)[1]
    length = 366 if calendar.isleap(moment.year) else 365
    return [day, (moment.weekday() + day) / 7.0, month, (moment.timetuple().tm_yday - 1 + day) / length]


def test_the_cycles_are_those_of_the_standard_library(random_market: MakeMarket) -> None:
    candles = random_market(rows=900, timeframe="1d", start="2022-11-20T00:00:00Z")
    values = parse_feature("calendar").compute(candles, 0)
    for row in range(len(candles)):
        close = datetime.datetime.fromtimestamp((int(candles.times[row]) + 86_400_000_000) / 1e6, datetime.UTC)
        expected = [part(2.0 * pi * share) for share in shares(close) for part in (sin, cos)]
        np.testing.assert_allclose(values[row], expected, rtol=0, atol=1e-12)


def test_a_cycle_begins_with_sine_0_and_cosine_1(random_market: MakeMarket) -> None:
    candles = random_market(rows=24, start="2021-12-31T00:00:00Z")  # the last candle closes with the year
    last = Calendar(("day", "month", "year")).compute(candles, 0)[-1]
    assert last.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]


def test_day_and_week_are_those_of_time_of_week(random_market: MakeMarket) -> None:
    candles = random_market()
    values = Calendar(("day", "week")).compute(candles, 0)
    np.testing.assert_allclose(values, TimeOfWeek().compute(candles, 0), rtol=0, atol=1e-12)


def test_the_time_to_the_end_of_the_data_is_no_feature_of_the_market(random_market: MakeMarket) -> None:
    def time_to_end(candles: Any) -> Any:
        return 1.0 - np.arange(len(candles)) / len(candles)

    with pytest.raises(CausalityError, match="'time_to_end' looks ahead"):
        check_causality(time_to_end, random_market())


def test_columns_are_named_by_cycle() -> None:
    assert Calendar(("week",)).column_names == ("week_sin", "week_cos")
    assert Calendar().name == "calendar"
    assert Calendar(["month", "day"]).name == "calendar(month, day)"  # type: ignore[arg-type]


def test_impossible_cycles_are_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'month'"):
        Calendar(("moth",))
    with pytest.raises(ConfigurationError, match="each cycle once"):
        Calendar(("day", "day"))
    with pytest.raises(TypeError, match="sequence of names"):
        Calendar("day")  # type: ignore[arg-type]
