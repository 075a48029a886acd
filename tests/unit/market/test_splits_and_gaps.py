"""Spans for training, validation and test; reports of what is missing."""

from typing import Any

import numpy as np
import pytest
from market_cases import columns, series

from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.market import Candles, find_gaps, format_time, split


def test_fractions_cut_adjoining_spans_that_cover_everything() -> None:
    candles = series(count=100)
    spans = candles.split(0.7, 0.15)
    assert spans.train.start == candles.start
    assert (spans.train.end, spans.validation.end) == (spans.validation.start, spans.test.start)
    assert spans.test.end == candles.end
    hours = [(span.end - span.start) // 3_600_000_000 for span in (spans.train, spans.validation, spans.test)]
    assert hours == [70, 15, 15]


def test_history_belongs_to_no_span() -> None:
    candles = series(count=120)
    assert split(candles, 0.5, 0.25, 0.25, history_bars=20).train.start_time == "2023-01-01T20:00:00Z"


def test_times_cut_where_they_say() -> None:
    spans = series(count=72).split("2023-01-02T00:00:00Z", "2023-01-03T00:00:00Z")
    assert (spans.train.end_time, spans.test.start_time) == ("2023-01-02T00:00:00Z", "2023-01-03T00:00:00Z")
    assert str(spans.test) == "2023-01-03T00:00:00Z .. 2023-01-04T00:00:00Z"


def test_validation_may_be_left_out() -> None:
    spans = series(count=100).split(0.8, 0.0)
    assert spans.validation.start == spans.validation.end == spans.test.start


def test_bad_cuts_are_refused() -> None:
    candles = series(count=100)
    with pytest.raises(ConfigurationError, match=r"must be 1 with none negative; found \(0\.7, 0\.2, 0\.2\)"):
        candles.split(0.7, 0.2, 0.2)
    with pytest.raises(ConfigurationError, match="must be 1"):
        candles.split(0.9, 0.2)
    with pytest.raises(ConfigurationError, match="both be fractions or both be times"):
        candles.split(0.7, "2023-01-02T00:00:00Z")
    with pytest.raises(DataError, match="grid"):
        candles.split("2023-01-02T00:30:00Z", "2023-01-03T00:00:00Z")
    with pytest.raises(DataError, match="the validation span would be"):
        candles.split("2023-01-03T00:00:00Z", "2023-01-02T00:00:00Z")
    with pytest.raises(DataError, match="the test span would be"):
        candles.split(0.8, 0.2)
    with pytest.raises(ConfigurationError, match="history_bars"):
        candles.split(history_bars=100)


def test_gaps_are_reported_as_runs() -> None:
    report = find_gaps(series(count=20, without=(2, 3, 10)))
    assert [(format_time(gap.start), gap.candles) for gap in report.gaps] == [
        ("2023-01-01T02:00:00Z", 2),
        ("2023-01-01T10:00:00Z", 1),
    ]
    assert (report.missing, report.slots) == (3, 20)
    assert "BTCUSDT 2023-01-01T02:00:00Z: 2 missing" in str(report)


def test_candles_without_volume_and_jumps_are_odd() -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 4)
    close = np.array([10.0, 10.0, 20.0, 20.0])
    flat: dict[str, Any] = {
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": np.array([1.0, 0.0, 1.0, 1.0]),
    }
    report = find_gaps(Candles.from_arrays("BTCUSDT", "1h", rows["bucket"], **flat))
    assert [(odd.kind, format_time(odd.time)[11:13]) for odd in report.odd] == [("zero volume", "01"), ("jump", "02")]
    assert report.odd[1].value == 1.0
