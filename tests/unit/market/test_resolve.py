"""`data=`: every form of it, and "auto", which never gives another market than the one asked for."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from market_archive import Archive, serve
from market_cases import columns, series

from tradeready_gym.errors import ConfigurationError, DataError, DataUnavailable, UnknownName
from tradeready_gym.market import Candles, CandleStore, automatic, download, format_time, load_sample, resolve
from tradeready_gym.market.resolve import symbols_of

SAMPLE_DAYS = ("2022-01-01T00:00:00Z", "2022-02-01T00:00:00Z")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, no network, and nothing remembered about hosts."""
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRADEREADY_OFFLINE", "1")
    monkeypatch.setattr(automatic, "_unreachable", {})
    return tmp_path / "home"


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with serve() as server:
        monkeypatch.setenv("TRADEREADY_ARCHIVE_URL", server.url)
        monkeypatch.delenv("TRADEREADY_OFFLINE")
        yield server


def one(data: Any, symbols: Any = "BTCUSDT", timeframe: str = "1h", **options: Any) -> Candles:
    (candles,) = resolve(data, symbols=symbols, timeframe=timeframe, **options)
    return candles


def pandas_frame(count: int = 48, timeframe: str = "1h", level: float = 100.0) -> pd.DataFrame:
    return pd.DataFrame(columns("2023-01-01T00:00:00Z", timeframe, count, level))


# ---- one's own data ----


def test_frames_of_both_libraries_arrays_and_candles_are_the_same_data() -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 48)
    for data in (pandas_frame(), pl.DataFrame(rows), rows, series(), pandas_frame().set_index("bucket")):
        assert one(data) == series()


def test_files_are_read_by_path_or_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    pandas_frame().to_csv(path, index=False)
    assert one(path) == one(str(path)) == series()


def test_mapping_gives_each_symbol_its_own_data(tmp_path: Path) -> None:
    pandas_frame(level=10.0).to_csv(tmp_path / "eth.csv", index=False)
    both = one({"btcusdt": pandas_frame(), "ETHUSDT": tmp_path / "eth.csv"}, ["BTCUSDT", "ETHUSDT"])
    assert both.symbols == ("BTCUSDT", "ETHUSDT")
    assert both.close[1].tolist() == series(level=10.0).close[0].tolist()
    with pytest.raises(UnknownName, match="'SOLUSDT'; known: BTCUSDT"):
        one({"BTCUSDT": pandas_frame()}, ["SOLUSDT"])


def test_mapping_that_lacks_a_symbol_says_how_to_name_what_is_traded() -> None:
    words = r"'BTCUSDT'; known: AAA, BBB\..* symbols=\['BBB', 'AAA'\] \(with an id, pairs=\['BBB', 'AAA'\]\)"
    with pytest.raises(UnknownName, match=words):
        one({"bbb": pandas_frame(), "AAA": pandas_frame()}, ["BTCUSDT"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "at least one symbol; found an empty mapping"),
        ({"AAA": 1, "aaa": 2}, "each once; found .*'AAA', 'AAA'"),
        (
            {"time": np.arange(3), "open": np.ones(3)},
            "open, high, low and close; found time, open, and ndarray for 'time'",
        ),
    ],
)
def test_mapping_that_can_be_none_has_its_own_error(data: Any, words: str) -> None:
    for attempt in (lambda: symbols_of(data), lambda: one(data)):
        with pytest.raises(ConfigurationError, match=words):
            attempt()


def test_symbols_are_those_that_data_name_themselves() -> None:
    assert symbols_of({" bbb ": pandas_frame(), "AAA": "a.csv"}) == ("BBB", "AAA")
    assert symbols_of(Candles.merge([series(), series(symbol="ETHUSDT")])) == ("BTCUSDT", "ETHUSDT")
    arrays = {name: np.ones(3) for name in ("time", "open", "high", "low", "close")}
    assert [symbols_of(data) for data in (pandas_frame(), arrays, "sample", [series()])] == [None] * 4


def test_list_gives_one_candles_per_data_set() -> None:
    found = resolve([pandas_frame(), series(level=50.0)], symbols="BTCUSDT", timeframe="1h")
    assert [candles.close[0, 0] for candles in found] == [100.0, 50.0]
    with pytest.raises(ConfigurationError, match="at least one"):
        resolve([], symbols="BTCUSDT", timeframe="1h")


def test_finer_data_are_resampled_and_coarser_ones_refused() -> None:
    assert one(pandas_frame(96, "15m"), timeframe="4h") == series(timeframe="15m", count=96).resample("4h")
    with pytest.raises(DataError, match="1h candles cannot make 15m candles.*Use timeframe='1h' or finer data"):
        one(pandas_frame(), timeframe="15m")


def test_one_symbols_frame_for_several_symbols_is_refused_with_the_mapping_to_write() -> None:
    with pytest.raises(DataError, match=r"data=\{'BTCUSDT': \.\.\., 'ETHUSDT': \.\.\.\}"):
        one(pandas_frame(), ["BTCUSDT", "ETHUSDT"])


def test_frame_with_a_symbol_column_serves_several_symbols() -> None:
    both = pd.concat([pandas_frame().assign(symbol="BTCUSDT"), pandas_frame(level=9.0).assign(symbol="ETHUSDT")])
    assert one(both, ["ETHUSDT", "BTCUSDT"]).open[:, 0].tolist() == [9.0, 100.0]


def test_directory_of_files_is_searched_by_symbol_and_timeframe(tmp_path: Path) -> None:
    pandas_frame().to_csv(tmp_path / "BTCUSDT.csv", index=False)
    pandas_frame(level=50.0).to_csv(tmp_path / "btcusdt-1h.csv", index=False)
    assert one(tmp_path).open[0, 0] == 50.0
    with pytest.raises(DataUnavailable, match="holds no candles of ETHUSDT.*btcusdt-1h.csv"):
        one(tmp_path, "ETHUSDT")


def test_directory_that_is_a_store_is_read_as_one(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "candles")
    store.write(series(count=96))
    assert one(tmp_path / "candles") == series(count=96)
    part = one(
        tmp_path / "candles", start="2023-01-02T00:00:00Z", end="2023-01-03T00:00:00Z", timeframe="4h", history_bars=2
    )
    assert (format_time(part.start), format_time(part.end)) == ("2023-01-01T16:00:00Z", "2023-01-03T00:00:00Z")
    with pytest.raises(UnknownName, match="'ETHUSDT'; known: BTCUSDT"):
        one(tmp_path / "candles", "ETHUSDT")


def test_what_is_neither_a_path_nor_a_name_is_refused() -> None:
    with pytest.raises(
        DataUnavailable, match="'smaple' is neither a file nor a directory, nor one of 'auto', 'sample'"
    ):
        one("smaple")
    with pytest.raises(TypeError, match="data must be .* found int"):
        one(3)
    with pytest.raises(TypeError, match="found NoneType"):
        one(None)


# ---- sample and synthetic ----


def test_sample_is_whole_and_resampled_on_demand() -> None:
    assert one("sample") is load_sample()
    assert len(one("sample", timeframe="1d")) == 1095


def test_sample_is_no_other_market() -> None:
    with pytest.raises(UnknownName, match="'ETHUSDT'; known: BTCUSDT"):
        one("sample", ["BTCUSDT", "ETHUSDT"])
    with pytest.raises(DataError, match="1h candles cannot make 5m"):
        one("sample", timeframe="5m")


def test_synthetic_market_covers_the_range_with_its_history() -> None:
    found = one("synthetic", ["BTCUSDT", "ETHUSDT"], start=SAMPLE_DAYS[0], end=SAMPLE_DAYS[1], history_bars=30, seed=3)
    assert (format_time(found.start), len(found)) == ("2021-12-30T18:00:00Z", 31 * 24 + 30)
    assert found.source == "synthetic(seed=3)"
    assert len(one("synthetic", timeframe="1d")) == 1095
    assert format_time(one("synthetic", end="2021-06-01T00:00:00Z").end) == "2021-06-01T00:00:00Z"
    assert format_time(one("synthetic", start="2021-06-01T00:00:00Z", history_bars=2).start) == "2021-05-31T22:00:00Z"
    with pytest.raises(ConfigurationError, match="after start_time"):
        one("synthetic", start=SAMPLE_DAYS[1], end=SAMPLE_DAYS[0])


def test_every_synthetic_span_from_2021_on_is_one_of_the_same_series() -> None:
    whole = one("synthetic")
    begin, end = "2022-03-01T00:00:00Z", "2022-04-01T00:00:00Z"
    assert one("synthetic", end=end, history_bars=30) == whole.between(None, end)
    found = one("synthetic", start=begin, end=end, history_bars=30)
    assert found == whole.between("2022-02-27T18:00:00Z", end)
    assert format_time(one("synthetic", end="2021-01-02T00:00:00Z", history_bars=24).start) == "2018-01-02T00:00:00Z"
    with pytest.raises(DataError, match="on the 1h grid"):
        one("synthetic", start="2022-03-01T00:30:00Z")


# ---- auto ----


def test_auto_takes_the_sample_where_it_covers_the_range() -> None:
    found = one("auto", start=SAMPLE_DAYS[0], end=SAMPLE_DAYS[1], history_bars=10)
    assert found.source == "sample"
    assert (format_time(found.start), format_time(found.end)) == ("2021-12-31T14:00:00Z", SAMPLE_DAYS[1])
    assert one("auto") == load_sample()
    assert one("auto", timeframe="4h") == load_sample().resample("4h")


def test_auto_never_gives_another_market() -> None:
    for options in ({}, {"start": SAMPLE_DAYS[0], "end": SAMPLE_DAYS[1]}):
        with pytest.raises(DataUnavailable) as caught:
            one("auto", "ETHUSDT", **options)
        text = str(caught.value)
        assert "ETHUSDT 1h is not to be had" in text
        assert "the packaged sample has BTCUSDT 1h for 2021-01-01T00:00:00Z .. 2024-01-01T00:00:00Z" in text
        assert "tradeready data download ETHUSDT --timeframe 1h" in text
        assert "data= with candles of your own" in text
    with pytest.raises(DataUnavailable, match="ETHUSDT"):
        one("auto", ["BTCUSDT", "ETHUSDT"])
    with pytest.raises(DataUnavailable, match="BTCUSDT 5m is not to be had"):
        one("auto", timeframe="5m")


def test_auto_prefers_the_store_to_the_sample(home: Path) -> None:
    CandleStore().write(series("2022-01-01T00:00:00Z", count=31 * 24))
    assert one("auto", start=SAMPLE_DAYS[0], end=SAMPLE_DAYS[1]).source == f"store ({home / 'candles'})"
    assert len(one("auto")) == 31 * 24
    assert one("auto", start="2022-06-01T00:00:00Z", end="2022-06-02T00:00:00Z").source == "sample"


def test_auto_resamples_what_is_stored_finer() -> None:
    CandleStore().write(series("2023-01-01T00:00:00Z", "15m", 400, "ETHUSDT"))
    found = one("auto", "ETHUSDT", "4h", start="2023-01-02T00:00:00Z", end="2023-01-03T00:00:00Z", history_bars=1)
    assert (found.timeframe.label, len(found)) == ("4h", 7)


def test_auto_names_the_dates_that_would_work() -> None:
    words = r"with 48 candles of history.*The earliest start_time that works with them is 2021-01-03T00:00:00Z"
    with pytest.raises(DataUnavailable, match=words):
        one("auto", start="2021-01-01T00:00:00Z", end="2021-02-01T00:00:00Z", history_bars=48)
    with pytest.raises(DataUnavailable, match="The latest end_time that works with them is 2024-01-01T00:00:00Z"):
        one("auto", start="2023-01-01T00:00:00Z", end="2025-01-01T00:00:00Z")


def test_auto_refuses_dates_that_cannot_be_meant() -> None:
    with pytest.raises(
        ConfigurationError, match=r"start_time must be on the 1h grid.*00:00:00Z and 2022-01-01T01:00:00Z"
    ):
        one("auto", start="2022-01-01T00:30:00Z", end=SAMPLE_DAYS[1])
    with pytest.raises(ConfigurationError, match="end_time must be after start_time"):
        one("auto", start=SAMPLE_DAYS[1], end=SAMPLE_DAYS[0])
    with pytest.raises(DataError, match="start_time must say its time zone"):
        one("auto", start="2022-01-01", end=SAMPLE_DAYS[1])


def test_auto_downloads_what_is_missing_once(archive: Archive, home: Path) -> None:
    for month, days in (("2024-01", 31), ("2024-02", 29)):
        archive.add(series(f"{month}-01T00:00:00Z", count=days * 24, symbol="ETHUSDT"), month)
    span = {"start": "2024-02-01T00:00:00Z", "end": "2024-02-10T00:00:00Z"}
    found = one("auto", "ETHUSDT", **span, history_bars=24)
    assert (format_time(found.start), len(found)) == ("2024-01-31T00:00:00Z", 240)
    assert sorted(archive.asked()) == ["ETHUSDT-1h-2024-01.zip", "ETHUSDT-1h-2024-02.zip"]
    archive.requests.clear()
    assert one("auto", "ETHUSDT", **span, history_bars=24) == found
    assert archive.requests == []


def test_auto_names_what_the_archive_lacks(archive: Archive) -> None:
    with pytest.raises(DataUnavailable, match="does not have 2024-02-01T00:00:00Z .. 2024-02-10T00:00:00Z"):
        one("auto", "ETHUSDT", start="2024-02-01T00:00:00Z", end="2024-02-10T00:00:00Z")


def test_auto_takes_the_sample_when_the_archive_fails(archive: Archive) -> None:
    for month in ("2021-12", "2022-01"):
        archive.faults[archive.path("BTCUSDT", "1h", month)] = [403]
    found = one("auto", start=SAMPLE_DAYS[0], end=SAMPLE_DAYS[1], history_bars=1)
    assert found.source == "sample"


def test_auto_stays_offline_when_told_to(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEREADY_OFFLINE", "1")
    with pytest.raises(DataUnavailable, match="nothing is downloaded because TRADEREADY_OFFLINE is set"):
        one("auto", "ETHUSDT", start=SAMPLE_DAYS[0], end=SAMPLE_DAYS[1])
    assert archive.requests == []


def test_auto_asks_an_unreachable_host_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def counted(*given: Any) -> Any:
        asked.append(given)
        return download(*given)

    monkeypatch.setattr(automatic, "download", counted)
    monkeypatch.delenv("TRADEREADY_OFFLINE")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("TRADEREADY_ARCHIVE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        for _ in range(3):
            assert one("auto", start=SAMPLE_DAYS[0], end=SAMPLE_DAYS[1]).source == "sample"
            with pytest.raises(DataUnavailable, match="cannot be reached"):
                one("auto", "ETHUSDT", start=SAMPLE_DAYS[0], end=SAMPLE_DAYS[1])
    assert len(asked) == 1


def test_auto_merges_symbols_on_their_common_span() -> None:
    CandleStore().write(series("2022-01-01T00:00:00Z", count=100, symbol="ETHUSDT"))
    both = one("auto", ["BTCUSDT", "ETHUSDT"])
    assert (both.symbols, len(both)) == (("BTCUSDT", "ETHUSDT"), 100)
    assert np.array_equal(both.close[0], load_sample().between("2022-01-01T00:00:00Z", "2022-01-05T04:00:00Z").close[0])


def test_importing_the_market_loads_no_heavy_library() -> None:
    heavy = "{'duckdb', 'httpx2', 'pandas', 'polars', 'ccxt', 'numba'}"
    code = f"import sys, tradeready_gym.market; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
