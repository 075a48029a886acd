"""`tradeready data download`: what it says and its exit code when part of what was asked for does not come."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradeready_gym.cli import main
from tradeready_gym.market import Candles, CandleStore, DownloadReport, Span, Timeframe, parse_time
from tradeready_gym.market.sources.archive import ArchiveFile, FetchedFile
from tradeready_gym.market.sources.http import Fetcher

JANUARY = ["--timeframe", "1d", "--start", "2023-01-01T00:00:00Z", "--end", "2023-02-01T00:00:00Z"]


class Shelf:
    """What the archive of this test has: file names, and of those the ones whose published checksum is wrong."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.wrong: set[str] = set()

    def fetch(self, fetcher: Fetcher, file: ArchiveFile) -> FetchedFile | None:
        if file.name not in self.names:
            return None
        step = file.timeframe.microseconds
        times = np.arange(file.span.start, file.span.end, step)
        ones = np.ones(len(times))
        candles = Candles.from_arrays(file.symbol, file.timeframe, times, ones, ones, ones, ones, ones)
        return FetchedFile(file, candles, "a" * 64, ("b" if file.name in self.wrong else "a") * 64, 1000, 0)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf()
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    monkeypatch.delenv("TRADEREADY_OFFLINE", raising=False)
    monkeypatch.setattr(Fetcher, "probe", lambda _: None)
    monkeypatch.setattr(sys.modules["tradeready_gym.market.download"], "fetch_file", shelf.fetch)
    return shelf


def test_download_of_everything_is_exit_code_0(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.names = {"BTCUSDT-1d-2023-01"}
    assert main(["data", "download", "BTCUSDT", *JANUARY]) == 0
    told = capsys.readouterr()
    assert "1 files (31 candles" in told.out
    assert "error" not in told.err


def test_wrong_checksum_is_exit_code_1_and_names_the_option_of_the_command_line(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.names = shelf.wrong = {"BTCUSDT-1d-2023-01"}
    assert main(["data", "download", "BTCUSDT", *JANUARY]) == 1
    told = capsys.readouterr()
    assert "not stored (--accept-wrong-checksums stores it)" in told.out
    assert "accept_wrong_checksums=" not in told.out + told.err
    assert (
        "error: not all that was asked for is stored: the published checksum of BTCUSDT-1d-2023-01 is wrong" in told.err
    )
    assert CandleStore().list() == ()
    assert main(["data", "download", "BTCUSDT", *JANUARY, "--accept-wrong-checksums"]) == 0
    assert len(CandleStore().read("BTCUSDT", "1d")) == 31


def test_symbol_that_the_archive_lacks_is_exit_code_1_and_the_others_are_stored(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.names = {"BTCUSDT-1d-2023-01"}
    assert main(["data", "download", "BTCUSDT", "TYPOUSDT", *JANUARY]) == 1
    told = capsys.readouterr()
    assert "TYPOUSDT 1d 2023-01-01T00:00:00Z .. 2023-02-01T00:00:00Z is not in the archive" in told.err
    assert len(CandleStore().read("BTCUSDT", "1d")) == 31


def test_days_that_the_archive_does_not_have_yet_are_exit_code_0_unless_nothing_is_stored(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = (f"{today + timedelta(days=days):%Y-%m-%dT00:00:00Z}" for days in (-9, 30))
    span = ["--timeframe", "1d", "--start", start, "--end", end]
    assert main(["data", "download", "BTCUSDT", *span]) == 1
    shelf.names = {f"BTCUSDT-1d-{today - timedelta(days=days):%Y-%m-%d}" for days in range(2, 10)}
    assert main(["data", "download", "BTCUSDT", *span]) == 0
    assert "not in the archive: BTCUSDT" in capsys.readouterr().out
    assert main(["data", "download", "BTCUSDT", *span]) == 0
    tomorrow = f"{today + timedelta(days=1):%Y-%m-%dT00:00:00Z}"
    assert main(["data", "download", "TYPOUSDT", "--timeframe", "1d", "--start", tomorrow, "--end", end]) == 1
    monkeypatch.setattr(
        sys.modules["tradeready_gym.cli.data"], "_lacking", lambda *_: []
    )  # the defect: nothing is ever missed
    assert main(["data", "download", "TYPOUSDT", *JANUARY]) == 0


def test_check_says_which_files_carry_no_checksum_and_calls_a_flipped_bit_damage(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.names = {"BTCUSDT-1d-2023-01"}
    assert main(["data", "download", "BTCUSDT", *JANUARY]) == 0
    assert main(["data", "check"]) == 0
    assert "checksum" not in capsys.readouterr().out
    (path,) = (CandleStore().root / "BTCUSDT" / "1d").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert main(["data", "check"]) == 1
    assert f"{path.name} is damaged" in capsys.readouterr().out
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.rename(path.with_name(f"{path.name.rsplit('_', 1)[0]}.parquet"))  # as an earlier version named it
    assert main(["data", "check"]) == 0
    told = capsys.readouterr().out
    assert "BTCUSDT 1d: sound" in told
    assert "1 of 1 files carry no checksum" in told


def test_a_span_is_absent_three_days_after_it_began() -> None:
    day, empty = 86_400_000_000, ()
    began = parse_time("2024-03-01T00:00:00Z")
    missing: Any = (("BTCUSDT", Span(began, began + 2 * day)),)
    report = DownloadReport(empty, empty, missing, empty, empty, empty, 0, 0)
    assert report.absent(began + 3 * day) == missing
    assert report.absent(began + 3 * day - 1) == ()
    assert Timeframe("1d").microseconds == day
