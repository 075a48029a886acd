"""Histories of funding rates: what is read, what is charged when, what is refused."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tradeready_gym.errors import ConfigurationError, DataError, DataUnavailable, UnknownName
from tradeready_gym.market import FundingRates, parse_time

HOUR = 3_600_000_000
START = parse_time("2024-01-01T00:00:00Z")
TIMES = pd.date_range("2024-01-01", periods=4, freq="8h", tz="UTC")
RATES = [0.0001, -0.0002, 0.0003, 0.0004]
FRAME = pd.DataFrame({"fundingTime": TIMES, "fundingRate": RATES})


def hours(count: int, step: int = 1) -> Any:
    return START + np.arange(0, count, step, dtype=np.int64) * HOUR


@pytest.mark.parametrize(
    "data",
    [
        pd.Series(RATES, index=TIMES),
        FRAME,
        FRAME.set_index("fundingTime"),
        pl.from_pandas(FRAME),
        {"time": [str(time) for time in TIMES], "rate": RATES},
        [(str(time), rate) for time, rate in zip(TIMES, RATES, strict=True)],
        [(int(time.value // 10**6), rate) for time, rate in zip(TIMES, RATES, strict=True)],
        FRAME[::-1],
    ],
    ids=["series", "frame", "index", "polars", "arrays", "pairs", "milliseconds", "backwards"],
)
def test_one_history_is_the_same_in_every_form(data: Any) -> None:
    rates = FundingRates(data)
    assert rates == FundingRates(list(zip(TIMES, RATES, strict=True)))
    assert rates.table(["BTCUSDT"], hours(25), 8)[[8, 16, 24], 0].tolist() == RATES[1:]


def test_symbols_are_told_by_a_mapping_a_column_or_the_columns() -> None:
    pairs = list(zip(TIMES, RATES, strict=True))
    double = [(time, 2 * rate) for time, rate in pairs]
    long = pd.DataFrame(
        {"time": [*TIMES, *TIMES], "rate": [*RATES, *(2 * r for r in RATES)], "symbol": ["A"] * 4 + ["B"] * 4}
    )
    wide = pd.DataFrame({"A": RATES, "B": [2 * rate for rate in RATES]}, index=TIMES)
    assert FundingRates({"a": pairs, "b": double}) == FundingRates(long) == FundingRates(wide)
    assert FundingRates(wide).table(["B", "A"], hours(9), 8)[8].tolist() == [2 * RATES[1], RATES[1]]


def test_a_column_of_candles_has_rates_where_it_is_not_nan(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"timestamp": pd.date_range("2024-01-01", periods=25, freq="h", tz="UTC"), "funding_rate": np.nan}
    )
    frame.loc[::8, "funding_rate"] = RATES
    frame.to_csv(tmp_path / "candles.csv", index=False)
    expected = FundingRates(pd.Series(RATES, index=TIMES))
    assert FundingRates(frame.set_index("timestamp")["funding_rate"]) == expected
    assert FundingRates(str(tmp_path / "candles.csv")) == expected


def test_a_candle_is_charged_the_rates_since_the_one_before_it_opened() -> None:
    rates = FundingRates(FRAME)
    assert rates.table(["X"], hours(25, 24), 8).tolist() == [[0.0], [pytest.approx(sum(RATES[1:]))]]
    assert rates.table(["X"], hours(9), 8)[:, 0].tolist() == [0.0] * 8 + [RATES[1]]
    # a night between two sessions
    assert rates.table(["X"], np.concatenate([hours(4), START + np.array([17, 18]) * HOUR]), 8)[4, 0] == pytest.approx(
        RATES[1] + RATES[2]
    )


def test_a_time_some_milliseconds_late_is_the_funding_time_itself() -> None:
    late = FundingRates(pd.Series(RATES, index=TIMES + pd.Timedelta(7, "ms")))
    late.check_hours(8)
    assert np.array_equal(late.table(["X"], hours(25), 8), FundingRates(FRAME).table(["X"], hours(25), 8))
    assert np.array_equal(late.table(["X"], hours(25), None), FundingRates(FRAME).table(["X"], hours(25), None))


def test_several_markets_end_to_end_are_charged_each_for_itself() -> None:
    table = FundingRates(FRAME).table(["X"], np.concatenate([hours(9), hours(9)]), 8)
    assert np.flatnonzero(table[:, 0]).tolist() == [8, 17]


def test_later_rates_change_nothing_before_them() -> None:
    random = np.random.default_rng(5)
    times = pd.date_range("2024-01-01", periods=200, freq="4h", tz="UTC")
    rates = random.normal(0.0, 1e-3, 200)
    whole = FundingRates(pd.Series(rates, index=times)).table(["X"], hours(700), 4)
    for cut in range(1, 170, 13):
        scrambled = np.concatenate([rates[:cut], random.normal(0.0, 1e-2, 200 - cut)])
        other = FundingRates(pd.Series(scrambled, index=times)).table(["X"], hours(700), 4)
        assert np.array_equal(other[: 4 * cut], whole[: 4 * cut])
        assert other[4 * cut] != whole[4 * cut]


def test_a_missing_rate_is_an_error_or_nothing_by_choice() -> None:
    holey = FRAME.drop(index=2)
    strict = FundingRates(holey)
    table = strict.table(["X"], hours(25), 8)
    assert np.flatnonzero(np.isnan(table[:, 0])).tolist() == [16]
    with pytest.raises(DataUnavailable, match="missing for 1 candles .* X at 2024-01-01T16:00:00Z.*missing='zero'"):
        strict.refuse_holes(table, hours(25), ["X"])
    assert FundingRates(holey, missing="zero").table(["X"], hours(25), 8)[16, 0] == 0.0


def test_times_of_ones_own_may_be_a_day_apart_and_no_more() -> None:
    rates = FundingRates([("2024-01-01T03:00:00Z", 0.001), ("2024-01-02T02:00:00Z", 0.002)])
    table = rates.table(["X"], hours(60), None)[:, 0]
    assert (table[3], table[26]) == (0.001, 0.002)
    assert np.flatnonzero(np.isnan(table)).tolist() == [1, 2, *range(51, 60)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.Series(RATES, index=TIMES.tz_localize(None)), "must say their zone"),
        (pd.Series([0.0001, np.inf, 0.0, 0.0], index=TIMES), "finite shares from -0.1 to 0.1.*inf at 2024-01-01T08"),
        (pd.Series([0.01, 0.01, 0.5, 0.01], index=TIMES), "found 0.5 at 2024-01-01T16"),
        (pd.Series(RATES, index=TIMES[[0, 1, 1, 2]]), "2024-01-01T08:00:00Z comes twice"),
        (pd.Series([np.nan], index=TIMES[:1]), "at least one"),
        ({}, "at least one series"),
        (pd.DataFrame({"rate": RATES}), "needs the funding times"),
        ({"A": {"B": [("2024-01-01T00:00:00Z", 0.0)], "C": [("2024-01-01T00:00:00Z", 0.0)]}}, "must be one series"),
    ],
    ids=["naive", "infinite", "per cent", "twice", "nothing", "empty", "no time", "two"],
)
def test_what_is_no_history_is_refused(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        FundingRates(data)


def test_what_is_nothing_of_the_kind_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"list of \(time, rate\)"):
        FundingRates(0.0001)
    with pytest.raises(UnknownName, match="known: error, zero"):
        FundingRates(FRAME, missing="ignore")


def test_rates_between_the_funding_times_are_refused() -> None:
    filled = pd.Series(0.0001, index=pd.date_range("2024-01-01", periods=24, freq="h", tz="UTC"))
    with pytest.raises(
        ConfigurationError, match="every 8 h from midnight UTC; 21 of 24 are not, the first at 2024-01-01T01"
    ):
        FundingRates(filled).check_hours(8)


def test_every_symbol_needs_rates() -> None:
    with pytest.raises(ConfigurationError, match="ETHUSDT has none, there are those of BTCUSDT"):
        FundingRates({"BTCUSDT": FRAME}).check_symbols(["BTCUSDT", "ETHUSDT"])
    with pytest.raises(ConfigurationError, match="one symbol without a name"):
        FundingRates(FRAME).check_symbols(["BTCUSDT", "ETHUSDT"])


def test_a_history_is_a_value_that_prints_in_one_line() -> None:
    rates = FundingRates({"BTCUSDT": FRAME})
    assert pickle.loads(pickle.dumps(rates)) == rates == copy.deepcopy(rates) and hash(rates) == hash(copy.copy(rates))
    assert rates != FundingRates({"BTCUSDT": FRAME}, missing="zero") and rates != FundingRates({"BTCUSDT": FRAME[:3]})
    assert repr(rates).startswith("FundingRates(<4 rates of BTCUSDT, 2024-01-01T00:00:00Z .. 2024-01-02T00:00:00Z, ")
