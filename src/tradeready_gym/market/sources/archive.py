"""Binance's bulk archive: where its files lie, what is in them, and whether they are whole.

    data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2023-01.zip       and  .CHECKSUM (SHA-256) beside each
    data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2023-01-31.zip

Each zip holds one CSV of twelve columns, with or without a header row; times are milliseconds until 2024 and microseconds
from 2025-01-01 on. Files are replaced now and then, and a few published checksums are wrong.
"""

import dataclasses
import datetime
import hashlib
import io
import os
import zipfile
from dataclasses import dataclass

import numpy as np

from tradeready_gym.errors import DataError, DownloadError
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.sources.columns import read_table
from tradeready_gym.market.sources.files import read_csv
from tradeready_gym.market.sources.http import Fetcher
from tradeready_gym.market.sources.times import read_times
from tradeready_gym.market.splits import Span
from tradeready_gym.market.timeframe import MICROSECONDS_PER_DAY, Timeframe, format_time, parse_time

DEFAULT_URL = "https://data.binance.vision"
_FETCHES = 3  # of a file that arrives broken


def archive_url(base_url: str | None = None) -> str:
    """Return the archive's address: the argument, else `TRADEREADY_ARCHIVE_URL`, else Binance's."""
    return (base_url or os.environ.get("TRADEREADY_ARCHIVE_URL") or DEFAULT_URL).rstrip("/")


@dataclass(frozen=True)
class ArchiveFile:
    """One file of the archive; `span` is the month or day that it covers."""

    symbol: str
    timeframe: Timeframe
    span: Span
    daily: bool

    @property
    def name(self) -> str:
        """File name without suffix, such as `BTCUSDT-1h-2023-01`."""
        return f"{self.symbol}-{self.timeframe}-{self.span.start_time[: 10 if self.daily else 7]}"

    @property
    def path(self) -> str:
        """Path of the zip below the archive's address."""
        period = "daily" if self.daily else "monthly"
        return f"data/spot/{period}/klines/{self.symbol}/{self.timeframe}/{self.name}.zip"

    def days(self, inside: Span) -> list["ArchiveFile"]:
        """Return the daily files of this month that touch `inside`."""
        first = max(self.span.start, inside.start) // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY
        starts = range(first, min(self.span.end, inside.end), MICROSECONDS_PER_DAY)
        return [ArchiveFile(self.symbol, self.timeframe, Span(at, at + MICROSECONDS_PER_DAY), True) for at in starts]


@dataclass(frozen=True)
class FetchedFile:
    """A file that arrived whole. `published_sha256` is None if the archive has no checksum for it.

    `off_grid` counts its candles that do not open on the grid (after a halt in February 2018 the exchange's did not):
    they are left out and so become gaps.
    """

    file: ArchiveFile
    candles: Candles
    sha256: str
    published_sha256: str | None
    size_bytes: int
    off_grid: int

    @property
    def checksum_differs(self) -> bool:
        """Whether the archive publishes another checksum than that of the bytes it serves."""
        return self.published_sha256 not in (None, self.sha256)


def monthly_files(symbol: str, timeframe: Timeframe, span: Span) -> list[ArchiveFile]:
    """Return the monthly files that touch `span`, oldest first."""
    files = []
    year, month = (int(part) for part in format_time(span.start)[:7].split("-"))
    start = _month_start(year, month)
    while start < span.end:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        end = _month_start(year, month)
        files.append(ArchiveFile(symbol, timeframe, Span(start, end), False))
        start = end
    return files


def fetch_file(fetcher: Fetcher, file: ArchiveFile) -> FetchedFile | None:
    """Fetch one file and its checksum; None if the archive does not have it.

    A broken zip, or one whose checksum differs from the published one, is fetched again. If the bytes are a whole zip and
    the same each time, the published checksum is taken to be wrong and that is left to the caller
    (`FetchedFile.checksum_differs`). Raises `DownloadError` if no whole file arrives.
    """
    previous = ""
    problem = ""
    for attempt in range(_FETCHES):
        content = fetcher.get(file.path, fresh=attempt > 0)
        if content is None:
            return None
        checksum = fetcher.get(file.path + ".CHECKSUM", fresh=attempt > 0)
        published = checksum.decode("ascii", "replace").split()[0].lower() if checksum and checksum.strip() else None
        found = hashlib.sha256(content).hexdigest()
        if published in (None, found) or found == previous:
            try:
                candles, off_grid = read_archive(content, file)
            except zipfile.BadZipFile as error:
                problem = f"it is no whole zip ({error})"
            else:
                return FetchedFile(file, candles, found, published, len(content), off_grid)
        else:
            problem = f"its SHA-256 is {found}, published is {published}"
        previous = found
    raise DownloadError(f"{file.name}.zip arrived broken {_FETCHES} times: {problem}. Try again later.")


def read_archive(content: bytes, file: ArchiveFile) -> tuple[Candles, int]:
    """Return the candles in a zip of the archive and the number of rows left out because they are off the grid.

    Raises `zipfile.BadZipFile` for a damaged zip and `DataError` for contents that are not what the name says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(members) != 1:
                raise DataError(f"{file.name}.zip must hold one CSV; found {archive.namelist()}")
            text = archive.read(members[0]).decode()
    except (EOFError, OSError, UnicodeDecodeError, ValueError, NotImplementedError) as error:
        if isinstance(error, DataError):
            raise
        raise zipfile.BadZipFile(str(error)) from error
    table = read_csv(io.StringIO(text), f"{file.name}.zip")
    columns = {"trades" if name == "count" else name: values for name, values in table.columns.items()}
    if "open_time" not in columns:
        raise DataError(f"{file.name}.zip must have a column 'open_time'; found {', '.join(columns)}")
    times, _ = read_times(columns["open_time"], False, True, "open_time", f"{file.name}.zip")
    if len(times) and not (file.span.start <= int(times.min()) and int(times.max()) < file.span.end):
        raise DataError(
            f"{file.name}.zip must hold candles of {file.span}; found {format_time(int(times.min()))} .. "
            f"{format_time(int(times.max()))}"
        )
    on_grid = np.flatnonzero(times % file.timeframe.microseconds == 0)
    kept = {name: values[on_grid] for name, values in columns.items()}
    reading = read_table(dataclasses.replace(table, columns=kept), file.symbol, file.timeframe)
    return reading.candles, len(times) - len(on_grid)


def _month_start(year: int, month: int) -> int:
    return parse_time(datetime.date(year, month, 1))
