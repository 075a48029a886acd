"""Candles: validated once, read-only, on a complete grid."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_cases import NAMES, columns, series

from tradeready_gym.errors import ConfigurationError, DataError, UnknownName
from tradeready_gym.market import Candles, Instrument, format_time, parse_time

HOUR = 3_600_000_000


def build(**changes: Any) -> Candles:
    rows = columns("2023-01-01T00:00:00Z", "1h", 6)
    own = changes.pop("columns", None)
    rows |= changes
    return Candles.from_arrays("btcusdt", "1h", rows["bucket"], **{name: rows[name] for name in NAMES}, columns=own)


def changed(name: str, row: int, value: float) -> dict[str, Any]:
    values = columns("2023-01-01T00:00:00Z", "1h", 6)[name].copy()
    values[row] = value
    return {name: values}


def test_arrays_are_read_only_contiguous_and_named_in_upper_case() -> None:
    candles = build()
    assert candles.symbols == ("BTCUSDT",)
    for array in (candles.times, candles.gaps, *(getattr(candles, name) for name in NAMES)):
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    assert candles.close.shape == (1, 6)
    assert (candles.start, candles.end) == (int(candles.times[0]), int(candles.times[-1]) + HOUR)


def test_candles_do_not_share_memory_with_what_they_were_made_from() -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 6)
    candles = Candles.from_arrays("BTCUSDT", "1h", rows["bucket"], **{name: rows[name] for name in NAMES})
    before = candles.close.copy()
    rows["close"][:] = 1.0
    rows["bucket"][:] = 0
    assert np.array_equal(candles.close, before)
    assert candles.times[0] > 0


def test_missing_candle_is_a_gap_at_the_previous_close_without_volume() -> None:
    candles = series(count=6, without=(2, 3))
    assert candles.gaps[0].tolist() == [False, False, True, True, False, False]
    for name in ("open", "high", "low", "close"):
        assert getattr(candles, name)[0, 2:4].tolist() == [candles.close[0, 1]] * 2
    assert candles.volume[0, 2:4].tolist() == [0.0, 0.0]
    assert np.all(np.diff(candles.times) == HOUR)


def test_own_columns_keep_their_last_value_in_gaps_and_counts_are_zero_there() -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 4)
    kept = [0, 1, 3]
    own = {"signal": np.array([np.nan, 5.0, 7.0]), "trades": np.array([1.0, 2.0, 3.0])}
    values = {name: rows[name][kept] for name in NAMES}
    candles = Candles.from_arrays("BTCUSDT", "1h", rows["bucket"][kept], **values, columns=own)
    assert candles.columns["signal"][0].tolist()[1:] == [5.0, 5.0, 7.0]
    assert np.isnan(candles.columns["signal"][0, 0])
    assert candles.columns["trades"][0].tolist() == [1.0, 2.0, 0.0, 3.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed("close", 3, np.nan), r"close must be a number; row 3 \(2023-01-01T03:00:00Z\) has close nan"),
        (changed("open", 0, np.inf), r"open must be finite; row 0"),
        (changed("low", 2, 0.0), r"low must be above zero; row 2 .* has low 0\.0"),
        (changed("low", 2, -1.0), r"low must be above zero; row 2 .* has low -1\.0"),
        (changed("high", 4, 1.0), r"low must be at most high \(1\.0\); row 4"),
        (changed("volume", 5, -1.0), r"volume must be finite and not negative; row 5"),
        (changed("volume", 5, np.nan), r"volume must be finite and not negative; row 5"),
    ],
)
def test_impossible_candle_is_refused_with_row_value_and_way_out(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words + r".*Correct or remove the row"):
        build(**change)


def test_high_below_the_body_is_refused() -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 6)
    low_high = rows["high"].copy()
    low_high[1] = min(rows["open"][1], rows["close"][1]) - 0.1
    with pytest.raises(DataError, match="high must be at least"):
        build(high=low_high)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([0, 2, 1, 3, 4, 5], r"row 2 is 2023-01-01T01:00:00Z, after 2023-01-01T02:00:00Z in row 1.*Sort"),
        ([0, 1, 1, 3, 4, 5], r"row 2 is 2023-01-01T01:00:00Z, as is row 1. Use deduplicate\(\)"),
    ],
)
def test_times_must_be_strictly_increasing(order: list[int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        build(bucket=columns("2023-01-01T00:00:00Z", "1h", 6)["bucket"][order])


def test_off_grid_time_is_refused_with_its_neighbours() -> None:
    times = columns("2023-01-01T00:00:00Z", "1h", 6)["bucket"] + 60_000_000
    with pytest.raises(DataError, match=r"row 0 .* 2023-01-01T00:01:00Z, between 2023-01-01T00:00:00Z and"):
        build(bucket=times)


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        Candles.from_arrays("BTCUSDT", "1h", np.array([], dtype=np.int64), *[[]] * 5)


def test_wrong_time_unit_is_found_out_by_the_span() -> None:
    times = np.array([0, 3_600_000 * HOUR], dtype=np.int64)
    with pytest.raises(DataError, match="Check the unit"):
        Candles.from_arrays("BTCUSDT", "1h", times, [1, 1], [1, 1], [1, 1], [1, 1], [1, 1])


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_own_column_must_be_finite_from_its_first_value_on(value: float) -> None:
    signal = np.array([np.nan, 1.0, 2.0, value, 3.0, 4.0])
    with pytest.raises(DataError, match=r"column 'signal' .* row 3 \(2023-01-01T03:00:00Z\)"):
        build(columns={"signal": signal})


def test_shapes_must_agree() -> None:
    with pytest.raises(DataError, match=r"close .* must have shape \(1, 6\).*\(1, 5\)"):
        build(close=np.ones(5))


@pytest.mark.parametrize("symbols", [[], ["BTCUSDT", "btcusdt"], [""], ["../up"]])
def test_symbols_must_be_plain_and_different(symbols: list[str]) -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 6)
    with pytest.raises(ConfigurationError, match="symbol"):
        Candles.from_arrays(symbols, "1h", rows["bucket"], *[rows[name] for name in NAMES])


def test_between_takes_the_half_open_range() -> None:
    candles = series(count=48)
    part = candles.between("2023-01-01T05:00:00Z", "2023-01-01T08:00:00Z")
    assert [format_time(time) for time in part.times] == [f"2023-01-01T0{hour}:00:00Z" for hour in (5, 6, 7)]
    assert np.array_equal(part.close, candles.close[:, 5:8])
    assert candles.between(None, candles.end) is candles


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2023-01-01T05:30:00Z", None, r"start must be on the 1h grid.*05:00:00Z and 2023-01-01T06:00:00Z"),
        ("2022-12-31T00:00:00Z", None, r"start must lie in .* The nearest is 2023-01-01T00:00:00Z"),
        (None, "2023-01-04T00:00:00Z", r"end must lie in .* The nearest is 2023-01-03T00:00:00Z"),
        ("2023-01-02T00:00:00Z", "2023-01-01T00:00:00Z", "end must be after start"),
    ],
)
def test_between_names_the_nearest_legal_times(start: str | None, end: str | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        series(count=48).between(start, end)


def test_resampling_aggregates_complete_slots_labelled_by_open_time() -> None:
    candles = series("2023-01-01T02:00:00Z", count=12)
    coarse = candles.resample("4h")
    assert [format_time(time) for time in coarse.times] == ["2023-01-01T04:00:00Z", "2023-01-01T08:00:00Z"]
    rows = slice(2, 6)  # 04:00 .. 07:00
    assert coarse.open[0, 0] == candles.open[0, 2]
    assert coarse.high[0, 0] == candles.high[0, rows].max()
    assert coarse.low[0, 0] == candles.low[0, rows].min()
    assert coarse.close[0, 0] == candles.close[0, 5]
    assert coarse.volume[0, 0] == candles.volume[0, rows].sum()


def test_resampling_reads_only_the_candles_that_exist() -> None:
    candles = series(count=12, without=(4, 6, 8, 9, 10, 11))
    assert len(candles) == 8
    candles = series(count=13, without=(4, 6, 8, 9, 10, 11)).resample("4h")
    full = series(count=13)
    assert candles.gaps[0].tolist() == [False, False, True]
    assert candles.open[0, 1] == full.open[0, 5]
    assert candles.low[0, 1] == min(full.low[0, 5], full.low[0, 7])
    assert candles.close[0, 2] == candles.open[0, 2] == full.close[0, 7]


def test_resampling_sums_counts_and_keeps_the_last_of_other_columns() -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 4)
    own = {"trades": np.arange(4.0), "signal": np.arange(4.0)}
    candles = Candles.from_arrays("A", "1h", rows["bucket"], *[rows[name] for name in NAMES], columns=own).resample(
        "4h"
    )
    assert candles.columns["trades"].tolist() == [[6.0]]
    assert candles.columns["signal"].tolist() == [[3.0]]


def test_resampling_to_a_finer_timeframe_is_refused() -> None:
    with pytest.raises(DataError, match="1h candles cannot make 15m candles"):
        series().resample("15m")


def test_resampling_data_without_a_complete_slot_is_refused() -> None:
    with pytest.raises(DataError, match="no 1d candle is complete"):
        series("2023-01-01T01:00:00Z", count=40).resample("1d")


@given(st.integers(0, 200), st.integers(1, 200), st.lists(st.integers(1, 198), max_size=30))
def test_resampling_in_two_steps_is_resampling_at_once(offset: int, count: int, holes: list[int]) -> None:
    start = format_time(parse_time("2023-01-01T00:00:00Z") + offset * 900_000_000)
    without = tuple(hole for hole in holes if hole < count - 1)
    fine = series(start, "15m", count, without=without)
    try:
        once = fine.resample("4h")
    except DataError:
        return
    twice = fine.resample("1h").resample("4h")
    assert np.array_equal(once.times, twice.times)
    for name in ("open", "high", "low", "close", "gaps"):
        assert np.array_equal(getattr(once, name), getattr(twice, name))
    assert np.allclose(once.volume, twice.volume, rtol=1e-12)


def test_merge_aligns_symbols_on_their_common_span() -> None:
    early = series("2023-01-01T00:00:00Z", count=48, symbol="BTCUSDT", without=(30,))
    late = series("2023-01-02T00:00:00Z", count=48, symbol="ETHUSDT", level=10.0)
    both = Candles.merge([early, late])
    assert both.symbols == ("BTCUSDT", "ETHUSDT")
    assert (format_time(both.start), format_time(both.end)) == ("2023-01-02T00:00:00Z", "2023-01-03T00:00:00Z")
    assert np.array_equal(both.close[0], early.close[0, 24:])
    assert both.gaps.sum(axis=1).tolist() == [1, 0]
    assert both.select("ETHUSDT").close.tolist() == late.close[:, :24].tolist()


def test_merge_refuses_what_cannot_be_aligned() -> None:
    with pytest.raises(ConfigurationError, match="one timeframe"):
        Candles.merge([series(), series(symbol="ETHUSDT", timeframe="4h")])
    with pytest.raises(ConfigurationError, match="each once"):
        Candles.merge([series(), series()])
    with pytest.raises(DataError, match="span that all symbols have"):
        Candles.merge([series(), series("2024-01-01T00:00:00Z", symbol="ETHUSDT")])


def test_column_of_one_symbol_is_missing_for_the_others() -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 48)
    with_signal = Candles.from_arrays(
        "ETHUSDT", "1h", rows["bucket"], *[rows[name] for name in NAMES], columns={"signal": np.ones(48)}
    )
    both = Candles.merge([series(), with_signal])
    assert np.isnan(both.columns["signal"][0]).all()
    assert (both.columns["signal"][1] == 1).all()


def test_selecting_an_unknown_symbol_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'ETHUSDT'; known: BTCUSDT"):
        series().select("ETHUSDT")


def test_pickles_and_copies_are_equal_and_stay_read_only() -> None:
    candles = series(without=(3,))
    again = pickle.loads(pickle.dumps(candles))
    assert again == candles
    assert hash(again) == hash(candles)
    assert not again.close.flags.writeable
    assert copy.deepcopy(candles) is candles


def test_fingerprint_sees_every_value() -> None:
    prints = {series().fingerprint, series(level=100.1).fingerprint, series(without=(3,)).fingerprint}
    prints |= {series(symbol="ETHUSDT").fingerprint, series("2023-01-02T00:00:00Z").fingerprint}
    assert len(prints) == 5
    assert series().fingerprint == series().fingerprint
    assert series() != "candles"


def test_repr_is_short_and_says_what_there_is() -> None:
    text = repr(series(count=48, without=(3,)))
    assert len(text) < 200
    assert "BTCUSDT 1h, 2023-01-01T00:00:00Z .. 2023-01-03T00:00:00Z, 48 slots, 1 gaps" in text


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_instrument_filters_must_be_finite_and_not_negative(value: float) -> None:
    assert Instrument("BTCUSDT").lot_size == 0.0
    with pytest.raises(ConfigurationError, match="tick_size of BTCUSDT"):
        Instrument("BTCUSDT", tick_size=value)
