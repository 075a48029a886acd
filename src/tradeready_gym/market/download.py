"""Filling the candle store: from Binance's bulk archive, and from files that people have."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from tradeready_gym.errors import DataError, DownloadError, TradeReadyError
from tradeready_gym.market.candles import check_symbols
from tradeready_gym.market.coverage import join_spans, missing_spans
from tradeready_gym.market.sources.archive import ArchiveFile, FetchedFile, archive_url, fetch_file, monthly_files
from tradeready_gym.market.sources.files import read_file
from tradeready_gym.market.sources.http import Fetcher, HostUnreachable, environment_flag
from tradeready_gym.market.splits import Span
from tradeready_gym.market.store import CandleStore
from tradeready_gym.market.timeframe import Timeframe, TimeLike, parse_time

_WORKERS = 6


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is: `done` of `total` months (of all symbols), the newest of them, and bytes so far."""

    done: int
    total: int
    name: str
    size_bytes: int


ProgressCallback = Callable[[DownloadProgress], None]


@dataclass(frozen=True)
class ChecksumFinding:
    """A file whose published checksum is not that of the bytes that the archive serves, twice alike."""

    name: str
    sha256: str
    published_sha256: str
    stored: bool

    def __str__(self) -> str:
        kept = "stored all the same" if self.stored else "not stored (accept_wrong_checksums=True stores it)"
        return f"{self.name}: SHA-256 {self.sha256}, published {self.published_sha256}; {kept}"


@dataclass(frozen=True)
class DownloadReport:
    """What a download did. Names are those of the archive's files.

    `stored` were fetched and stored, `already_stored` months were not fetched again, `missing` spans are not in the
    archive (per symbol), `unverified` files have no published checksum, `off_grid` counts candles left out as gaps.
    """

    stored: tuple[str, ...]
    already_stored: tuple[str, ...]
    missing: tuple[tuple[str, Span], ...]
    wrong_checksums: tuple[ChecksumFinding, ...]
    unverified: tuple[str, ...]
    off_grid: tuple[tuple[str, int], ...]
    candles: int
    size_bytes: int

    def __str__(self) -> str:
        head = f"{len(self.stored)} files ({self.candles} candles, {self.size_bytes / 1e6:.1f} MB) stored"
        lines = [f"{head}, {len(self.already_stored)} months were there already"]
        lines += [f"not in the archive: {symbol} {span}" for symbol, span in self.missing]
        lines += [f"wrong checksum: {finding}" for finding in self.wrong_checksums]
        lines += [f"no checksum published: {name}" for name in self.unverified]
        lines += [f"left out of {name}: {count} candles off the grid" for name, count in self.off_grid]
        return "\n".join(lines)


@dataclass(frozen=True)
class ImportReport:
    """What an import stored, and in one sentence what the file's columns were taken for."""

    symbol: str
    timeframe: Timeframe
    span: Span
    candles: int
    understood: str

    def __str__(self) -> str:
        return f"{self.candles} candles stored for {self.span}; {self.understood}"


def download(
    symbols: str | Sequence[str],
    timeframe: str | Timeframe,
    start: TimeLike,
    end: TimeLike,
    store: CandleStore | None = None,
    progress: ProgressCallback | None = None,
    *,
    base_url: str | None = None,
    accept_wrong_checksums: bool = False,
    sleep: Callable[[float], None] | None = None,
) -> DownloadReport:
    """Fetch what the store lacks of `[start, end)` from Binance's bulk archive: spot candles, whole months, in parallel.

    Where the archive has no monthly file (the current month) daily ones are taken. Each file is verified against its
    published checksum and stored at once, so that an interrupted download goes on where it stopped. `progress` is
    called in the caller's thread. `base_url` defaults to `TRADEREADY_ARCHIVE_URL`, then to Binance's archive.

    A file whose published checksum is wrong is reported and, unless `accept_wrong_checksums`, not stored. Raises
    `DownloadError` if the host cannot be reached (within seconds), if `TRADEREADY_OFFLINE` is set, or after everything else is stored if some files
    did not arrive whole; `DataError` if `end` is not after `start`.
    """
    names, frame = check_symbols(symbols), Timeframe.parse(timeframe)
    span = Span(parse_time(start, name="start"), parse_time(end, name="end"))
    if span.start >= span.end:
        raise DataError(f"end must be after start; found {span}")
    place = store or CandleStore()
    months = [file for name in names for file in monthly_files(name, frame, span)]
    stored = {name: place.spans(name, frame) for name in names}
    wanted = [(file, missing_spans(_overlap(file.span, span), stored[file.symbol])) for file in months]
    run = _Run(place, accept_wrong_checksums)
    run.already_stored = [file.name for file, missing in wanted if not missing]
    todo = [(file, Span(missing[0].start, missing[-1].end)) for file, missing in wanted if missing]
    if todo and environment_flag(os.environ.get("TRADEREADY_OFFLINE")):
        raise DownloadError(
            f"{len(todo)} of {len(months)} months of {'/'.join(names)} {frame} are not in the store at {place.root}, and nothing "
            "is downloaded because TRADEREADY_OFFLINE is set. Unset it, or store candles of your own: tradeready data "
            f"import FILE --symbol {names[0]}."
        )
    if todo:
        with Fetcher(archive_url(base_url), sleep=sleep) as fetcher:
            fetcher.probe()
            _fetch_all(run, fetcher, todo, progress)
    if run.failed:
        more = f" (and {len(run.failed) - 3} more)" if len(run.failed) > 3 else ""
        raise DownloadError(
            f"{len(run.failed)} of {len(todo)} months of {'/'.join(names)} {frame} did not arrive; the others are stored and "
            f"will not be fetched again. {' | '.join(run.failed[:3])}{more}"
        )
    return run.report()


def import_file(
    path: str | os.PathLike[str],
    symbol: str,
    timeframe: str | Timeframe | None = None,
    store: CandleStore | None = None,
    assume_utc: bool = False,
) -> ImportReport:
    """Store the candles of a CSV or Parquet file under `symbol`; they replace stored ones of the same time.

    `timeframe` is that of the file; None deduces it. Raises `DataError` if the file does not hold possible candles, and
    then stores nothing.
    """
    reading = read_file(path, symbol, timeframe, assume_utc)
    candles = reading.candles
    (store or CandleStore()).write(candles)
    present = int((~candles.gaps).sum())
    return ImportReport(
        candles.symbols[0], candles.timeframe, Span(candles.start, candles.end), present, reading.understood
    )


class _Run:
    """What one download has found so far; changed by the caller's thread only."""

    def __init__(self, store: CandleStore, accept_wrong_checksums: bool) -> None:
        self.store = store
        self.accept = accept_wrong_checksums
        self.already_stored: list[str] = []
        self.fetched: list[FetchedFile] = []
        self.missing: list[tuple[str, Span]] = []
        self.failed: list[str] = []
        self.size_bytes = 0

    def keep(self, fetched: FetchedFile) -> FetchedFile:
        if self.accept or not fetched.checksum_differs:
            self.store.write(fetched.candles, covers=fetched.file.span)
        return fetched

    def report(self) -> DownloadReport:
        kept = [one for one in self.fetched if self.accept or not one.checksum_differs]
        missing = []
        for symbol in dict.fromkeys(symbol for symbol, _ in self.missing):
            missing += [(symbol, span) for span in join_spans(span for name, span in self.missing if name == symbol)]
        return DownloadReport(
            stored=tuple(sorted(one.file.name for one in kept)),
            already_stored=tuple(self.already_stored),
            missing=tuple(missing),
            wrong_checksums=tuple(
                ChecksumFinding(one.file.name, one.sha256, str(one.published_sha256), self.accept)
                for one in self.fetched
                if one.checksum_differs
            ),
            unverified=tuple(one.file.name for one in kept if one.published_sha256 is None),
            off_grid=tuple((one.file.name, one.off_grid) for one in kept if one.off_grid),
            candles=sum(int((~one.candles.gaps).sum()) for one in kept),
            size_bytes=self.size_bytes,
        )


def _fetch_all(
    run: _Run, fetcher: Fetcher, todo: list[tuple[ArchiveFile, Span]], progress: ProgressCallback | None
) -> None:
    pool = ThreadPoolExecutor(max_workers=min(_WORKERS, len(todo)), thread_name_prefix="tradeready-download")
    try:
        waiting = {pool.submit(_fetch_month, run, fetcher, month, needed): month for month, needed in todo}
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                month = waiting.pop(future)
                _note(run, future)
                if progress is not None:
                    progress(DownloadProgress(len(todo) - len(waiting), len(todo), month.name, run.size_bytes))
    finally:  # an interrupt must neither start more files nor wait for retries
        fetcher.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _note(run: _Run, future: "Future[tuple[list[FetchedFile], list[tuple[str, Span]]]]") -> None:
    try:
        fetched, missing = future.result()
    except HostUnreachable:
        raise
    except (TradeReadyError, OSError) as error:
        run.failed.append(str(error))
        return
    run.fetched += fetched
    run.missing += missing
    run.size_bytes += sum(one.size_bytes for one in fetched)


def _fetch_month(
    run: _Run, fetcher: Fetcher, month: ArchiveFile, needed: Span
) -> tuple[list[FetchedFile], list[tuple[str, Span]]]:
    whole = fetch_file(fetcher, month)
    if whole is not None:
        return [run.keep(whole)], []
    days = month.days(needed)
    # The archive may have none of them (a month to come, or before the symbol was listed): ask for the ends first.
    ends = {day: fetch_file(fetcher, day) for day in dict.fromkeys((days[0], days[-1]))}
    fetched, missing = [], []
    for day in days:
        found = ends.get(day)
        if day not in ends and any(one is not None for one in ends.values()):
            found = fetch_file(fetcher, day)
        if found is None:
            missing.append((day.symbol, _overlap(day.span, needed)))
        else:
            fetched.append(run.keep(found))
    return fetched, missing


def _overlap(one: Span, other: Span) -> Span:
    return Span(max(one.start, other.start), min(one.end, other.end))
