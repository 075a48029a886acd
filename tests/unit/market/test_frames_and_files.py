"""Reading what people have: pandas and Polars frames, dicts of arrays, CSV and Parquet files."""

import datetime
import decimal
import gzip
import logging
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from market_cases import NAMES, columns, series

from tradeready_gym.errors import DataError
from tradeready_gym.market import Candles, deduplicate, load_file, load_frame

HOURS = 30


def frame(**changes: Any) -> pd.DataFrame:
    """A pandas frame with times as `datetime64` in UTC in the column `bucket`."""
    rows = columns("2023-01-01T00:00:00Z", "1h", HOURS)
    rows["bucket"] = pd.to_datetime(rows["bucket"], unit="us", utc=True)
    return pd.DataFrame(rows | changes)


def load(data: Any, **options: Any) -> Candles:
    return load_frame(data, symbol="BTCUSDT", **options)


@pytest.mark.parametrize("name", ["bucket", "timestamp", "date", "datetime", "time", "open_time", "Open Time", "DATE"])
def test_time_column_is_known_by_every_usual_name(name: str) -> None:
    assert load(frame().rename(columns={"bucket": name})) == series(count=HOURS)


def test_datetime_index_is_the_time_in_any_resolution_and_zone() -> None:
    indexed = frame().set_index("bucket")
    assert load(indexed) == series(count=HOURS)
    indexed.index = indexed.index.tz_convert("Asia/Tokyo").as_unit("ns")
    indexed.index.name = None
    assert load(indexed) == series(count=HOURS)


@pytest.mark.parametrize("style", [str.upper, str.title, lambda name: name[0], lambda name: f" {name} "])
def test_prices_are_known_in_any_case_and_by_their_first_letter(style: Any) -> None:
    renamed = frame().rename(columns={name: style(name) for name in NAMES})
    assert load(renamed) == series(count=HOURS)


@pytest.mark.parametrize(("divisor", "multiplier"), [(1_000_000, 1), (1_000, 1), (1, 1), (1, 1000)])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_integer_times_are_told_apart_by_their_size(divisor: int, multiplier: int, kind: Any) -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", HOURS)
    rows["bucket"] = (rows["bucket"] // divisor * multiplier).astype(kind)
    assert load(rows) == series(count=HOURS)


def test_text_times_with_a_zone_are_read() -> None:
    text = frame()["bucket"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert load(frame(bucket=text)) == series(count=HOURS)
    assert load(frame(bucket=text.str.replace("T", " ").str.replace("Z", "+00:00"))) == series(count=HOURS)


def test_polars_frames_are_read_like_pandas_frames() -> None:
    candles = load(pl.from_dicts(frame().to_dict("records")))
    assert candles == series(count=HOURS)
    lazy = pl.DataFrame(columns("2023-01-01T00:00:00Z", "1h", HOURS)).lazy()
    assert load(lazy) == series(count=HOURS)


def test_polars_times_without_a_zone_are_refused() -> None:
    naive = pl.from_dicts(frame().to_dict("records")).with_columns(pl.col("bucket").dt.replace_time_zone(None))
    with pytest.raises(DataError, match="times must say their zone"):
        load(naive)
    assert load(naive, assume_utc=True) == series(count=HOURS)


def test_other_numeric_columns_are_kept_by_name_and_text_is_left_out() -> None:
    candles = load(frame(my_signal=np.arange(HOURS), flag=True, note="x", close_time=1))
    assert list(candles.columns) == ["my_signal", "flag"]
    assert candles.columns["my_signal"][0].tolist() == list(range(HOURS))
    polars = load(pl.DataFrame({**columns("2023-01-01T00:00:00Z", "1h", HOURS), "s": [1] * HOURS, "t": ["x"] * HOURS}))
    assert list(polars.columns) == ["s"]


def test_leading_missing_values_of_own_columns_are_kept_and_later_ones_refused() -> None:
    signal = np.arange(HOURS, dtype=float)
    signal[:5] = np.nan
    assert np.isnan(load(frame(signal=signal)).columns["signal"][0, :5]).all()
    signal[20] = np.nan
    with pytest.raises(DataError, match="column 'signal' .* row 20"):
        load(frame(signal=pd.array(signal, dtype="Float64")))


def test_decimals_nullable_numbers_and_numeric_text_are_numbers() -> None:
    exact = frame()
    exact["close"] = [decimal.Decimal(value) for value in exact["close"]]
    exact["open"] = exact["open"].astype("Float64")
    exact["volume"] = exact["volume"].astype(str)
    assert load(exact) == series(count=HOURS)
    rows: dict[str, Any] = columns("2023-01-01T00:00:00Z", "1h", HOURS)
    rows["volume"] = [decimal.Decimal(int(value)) for value in rows["volume"]]
    assert load(pl.DataFrame(rows)) == series(count=HOURS)


def test_timeframe_is_the_most_common_step_and_holes_become_gaps() -> None:
    candles = load(frame().drop(index=[3, 4, 20]))
    assert candles.timeframe.label == "1h"
    assert candles.gaps[0].nonzero()[0].tolist() == [3, 4, 20]


def test_what_was_understood_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tradeready_gym.market"):
        load(frame(signal=1.0, note="x").rename(columns={"bucket": "Date", "close": "Close"}))
    text = caplog.messages[0]
    for part in (
        "open times from 'Date' (times with a zone)",
        "close from 'Close'",
        "timeframe 1h (the most common step)",
    ):
        assert part in text
    assert "0 gaps; own columns: signal; left out: 'note'" in text


@pytest.mark.parametrize(
    "times",
    [
        frame()["bucket"].dt.tz_localize(None),
        frame()["bucket"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        pd.Series([datetime.date(2023, 1, 1) + datetime.timedelta(days=day) for day in range(HOURS)]),
    ],
)
def test_naive_times_are_refused_unless_they_are_said_to_be_utc(times: Any) -> None:
    with pytest.raises(DataError, match=r"times must say their zone.*row 0.*2023(-01-01|, 1, 1).*assume_utc=True"):
        load(frame(bucket=times))
    assert load(frame(bucket=times), assume_utc=True).times[0] == series().times[0]


def test_time_with_a_zone_is_preferred_to_one_without() -> None:
    both = frame(date=frame()["bucket"].dt.tz_localize(None)).rename(columns={"bucket": "unix"})
    assert load(both) == series(count=HOURS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame().drop(columns="close"), "needs a column 'close' or 'c'"),
        (frame().drop(columns="volume"), "If volumes are unknown, add a constant"),
        (frame().drop(columns="bucket"), "needs a column with the candles' open times"),
        (frame(Close=1.0), r"more than one close: \['close', 'Close'\]"),
        (frame().iloc[:0], "empty"),
        (frame().iloc[:1], "timeframe of .* cannot be deduced from one row"),
        (frame().iloc[::-1], "strictly increasing"),
        (frame().iloc[[0, 1, 1, 2]], r"deduplicate\(\)"),
        (frame().iloc[::2], r"candles must be 1m, .* long; found 7200 s"),
        (frame(close="abc"), "column 'close' .* must be numbers; row 0 is 'abc'"),
        (frame(close=[None, "x"] * 15), "column 'close' .* must be numbers; row 1 is 'x'"),
        (frame(close=None), "close must be a number; row 0"),
        (frame(bucket="soon"), "ISO 8601 .* row 0 is 'soon'"),
        (frame(bucket=pd.NaT), "row 0"),
        (frame(bucket=1.5), r"whole numbers; row 0 is 1\.5"),
        (frame(symbol="ETHUSDT"), "must hold BTCUSDT; its column 'symbol' names ETHUSDT"),
        ({"time": [1, 2], "open": [1.0]}, "one length"),
        ({"time": [[1, 2]]}, "one dimension"),
    ],
)
def test_bad_frame_is_refused_with_the_way_out(data: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(data)


def test_given_timeframe_must_be_that_of_the_data() -> None:
    with pytest.raises(DataError, match="must hold 4h candles; the most common step is 3600 s"):
        load(frame(), timeframe="4h")
    assert load(frame().iloc[:1], timeframe="1h").timeframe.label == "1h"


@pytest.mark.parametrize("rows", [slice(0, 3), slice(0, HOURS)])
@pytest.mark.parametrize("finer", ["1m", "15m"])
def test_a_timeframe_finer_than_the_data_is_refused_by_name(rows: slice, finer: str, tmp_path: Path) -> None:
    path = tmp_path / "hourly.csv"
    frame().iloc[rows].to_csv(path, index=False)
    with pytest.raises(
        DataError, match=rf"must hold {finer} candles; the most common step is 3600 s \(1h\).*leave timeframe out"
    ):
        load_file(path, symbol="BTCUSDT", timeframe=finer)


def rows_at(*minutes: range) -> dict[str, Any]:
    """Rows at these minutes since the beginning of 2023."""
    at = np.concatenate([np.array(part) for part in minutes])
    return columns("2023-01-01T00:00:00Z", "1m", len(at)) | {"bucket": series().times[0] + at * 60_000_000}


@pytest.mark.parametrize("timeframe", [None, "1m"])
@pytest.mark.parametrize("hours", [24, 48])
def test_rows_of_two_timeframes_are_refused_with_the_place(timeframe: str | None, hours: int) -> None:
    mixed = rows_at(range(0, 60 * hours, 60), range(60 * hours, 60 * hours + 3000))
    with pytest.raises(DataError, match=rf"one timeframe; most are 1m, but rows 0 to {hours} .* are 1h apart"):
        load(mixed, timeframe=timeframe)


@pytest.mark.parametrize("timeframe", [None, "1m"])
def test_halts_and_lost_rows_are_gaps_of_one_timeframe(timeframe: str | None) -> None:
    lossy = rows_at(range(200), range(900, 922, 2), range(1500, 1700))
    assert int(load(lossy, timeframe=timeframe).gaps.sum()) == 1700 - 200 - 11 - 200
    thin = np.flatnonzero(np.random.default_rng(0).random(2000) < 0.3)
    assert load(rows_at(range(0), thin), timeframe=timeframe).timeframe.label == "1m"  # type: ignore[arg-type]
    assert load(frame().iloc[[0, 5]], timeframe="1h").gaps.sum() == 4


def test_rows_of_the_wanted_symbol_are_taken_from_a_frame_of_several() -> None:
    one, two = frame(symbol="BTC/USDT"), frame(symbol="ETH/USDT")
    two["volume"] += 1
    both = pd.concat([one, two]).sort_values("bucket", kind="stable")
    assert load(both) == series(count=HOURS)
    eth = load_frame(both, symbol="ETHUSDT")
    assert eth.volume[0].tolist() == (series(count=HOURS).volume[0] + 1).tolist()


def test_what_is_no_frame_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="pandas or Polars"):
        load([1, 2, 3])


def test_deduplicate_sorts_and_keeps_the_last_of_each_time() -> None:
    again = frame().iloc[5:8].copy()
    again["volume"] += 10
    mended = deduplicate(pd.concat([frame(), again]))
    expected = series(count=HOURS).volume[0].copy()
    expected[5:8] += 10
    assert load(mended).volume[0].tolist() == expected.tolist()


def test_deduplicate_reads_files_too(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    pd.concat([frame(), frame().iloc[:3]]).to_csv(path, index=False)
    with pytest.raises(DataError, match="strictly increasing"):
        load_file(path, symbol="BTCUSDT")
    assert load(deduplicate(path)) == series(count=HOURS)


@pytest.mark.parametrize("name", ["candles.csv", "candles.csv.gz", "candles.tsv", "candles.txt"])
def test_csv_of_every_kind_is_read(tmp_path: Path, name: str) -> None:
    frame(my_signal=0.5).to_csv(
        tmp_path / name, index=False, sep="\t" if "tsv" in name else ";" if "txt" in name else ","
    )
    candles = load_file(tmp_path / name, symbol="BTCUSDT")
    assert np.array_equal(candles.close, series(count=HOURS).close)
    assert candles.columns["my_signal"][0, 0] == 0.5
    assert candles.source == str(tmp_path / name)


def test_csv_with_comments_mixed_line_ends_and_a_byte_order_mark_loses_no_row(tmp_path: Path) -> None:
    lines = frame().to_csv(index=False).splitlines()
    text = "\ufeff# a comment\n#\n" + "\r\n".join(lines[:10]) + "\r\n" + "\n".join(lines[10:]) + "\n\n"
    (tmp_path / "odd.csv").write_bytes(text.encode())
    assert load_file(tmp_path / "odd.csv", symbol="BTCUSDT") == series(count=HOURS)


def test_long_csv_is_read_in_pieces_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeready_gym.market.sources.files._CHUNK_ROWS", 7)
    frame(signal=[float("nan")] * 9 + [1] * (HOURS - 9)).to_csv(tmp_path / "long.csv", index=False)
    candles = load_file(tmp_path / "long.csv", symbol="BTCUSDT")
    assert np.array_equal(candles.times, series(count=HOURS).times)
    assert candles.columns["signal"][0, 9:].tolist() == [1.0] * (HOURS - 9)


def test_archive_csv_without_a_header_is_understood(tmp_path: Path) -> None:
    rows = columns("2025-01-01T00:00:00Z", "1h", 3)
    lines = [
        f"{rows['bucket'][row]},{','.join(repr(float(rows[name][row])) for name in NAMES)},0,1.5,7,0,0,0"
        for row in range(3)
    ]
    (tmp_path / "BTCUSDT-1h-2025-01.csv").write_text("\n".join(lines))
    candles = load_file(tmp_path / "BTCUSDT-1h-2025-01.csv", symbol="BTCUSDT")
    assert candles == series("2025-01-01T00:00:00Z", count=3) or candles.columns["trades"].tolist() == [[7.0] * 3]
    assert np.array_equal(candles.close[0], rows["close"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"# only a comment\n", "holds no rows"),
        (b"time,open,high,low,close,volume\n", "has a header, but no row"),
        (b"1,2,3\n", "needs a header row"),
        (b"time,open,high,low,close,volume\n1672531200,1,1,1,1\n", "row 0 of .* must have 6 fields; found 5"),
        (b"time,open,high,low,close,volume\n1672531200,1,1,1,x,1\n1672534800,1,1,1,1,1\n", "'close' .* row 0 is 'x'"),
        (
            b"time,open,high,low,close,volume\n1672531200,1,1,1,,1\n1672534800,1,1,1,1,1\n",
            "close must be a number; row 0",
        ),
        (b"time,open,open,low,close,volume\n1,1,1,1,1,1\n", "different names"),
        (b"time,open,high,low,close,volume\n\xff\xfe,1,1,1,1,1\n", "cannot be read as text"),
    ],
)
def test_broken_csv_is_refused_with_the_row(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "broken.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        load_file(tmp_path / "broken.csv", symbol="BTCUSDT")


def test_torn_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(frame().to_csv(index=False).encode())
    (tmp_path / "torn.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        load_file(tmp_path / "torn.csv.gz", symbol="BTCUSDT")


@pytest.mark.parametrize("kind", ["TIMESTAMPTZ", "TIMESTAMP", "TIMESTAMP_MS", "TIMESTAMP_NS", "BIGINT"])
def test_parquet_is_read_with_every_kind_of_time(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "candles.parquet"
    time = "bucket" if kind == "BIGINT" else f"make_timestamp(bucket)::{kind}"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows", columns("2023-01-01T00:00:00Z", "1h", HOURS))
        connection.execute(
            f"COPY (SELECT {time} AS bucket, * EXCLUDE bucket, 1::DECIMAL(9,2) AS d FROM rows) TO '{path}'"
        )
    if kind.startswith("TIMESTAMP") and kind != "TIMESTAMPTZ":
        with pytest.raises(DataError, match="times must say their zone"):
            load_file(path, symbol="BTCUSDT")
    candles = load_file(path, symbol="BTCUSDT", assume_utc=True)
    assert np.array_equal(candles.times, series(count=HOURS).times)
    assert candles.columns["d"][0, 0] == 1.0


def test_damaged_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is not parquet PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load_file(tmp_path / "bad.parquet", symbol="BTCUSDT")
    with pytest.raises(DataError, match="does not exist"):
        load_file(tmp_path / "none.csv", symbol="BTCUSDT")
    (tmp_path / "candles.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"must be one of \.csv"):
        load_file(tmp_path / "candles.xlsx", symbol="BTCUSDT")
