"""Filling the candle store: from Binance's bulk archive, and from files that people have."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

from tradeready_gym.errors import DataError, DownloadError, HostUnreachable, TradeReadyError
from tradeready_gym.market.candles import check_symbols
from tradeready_gym.market.coverage import join_spans, missing_spans
from tradeready_gym.market.sources.archive import ArchiveFile, FetchedFile, archive_url, fetch_file, monthly_files
from tradeready_gym.market.sources.files import read_file
from tradeready_gym.market.sources.http import Fetcher, environment_flag
from tradeready_gym.market.splits import Span
from tradeready_gym.market.store import CandleStore
from tradeready_gym.market.timeframe import MICROSECONDS_PER_DAY, Timeframe, TimeLike, parse_time

_WORKERS = 6
_REFUSALS = _WORKERS  # months without any answer, before it is the host and no longer a file
_FAILURES_OF_DAYS = 3  # of one month, before its other days are left alone
_PUBLISHED_AFTER = 3 * MICROSECONDS_PER_DAY  # of a day's beginning; it is usually there some hours after its end
_ACCEPT = "accept_wrong_checksums=True"


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
        return self.describe()

    def describe(self, accept: str = _ACCEPT) -> str:
        """The finding in words; `accept` is how its reader would have the file stored all the same."""
        kept = "stored all the same" if self.stored else f"not stored ({accept} stores it)"
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
        return self.describe()

    def absent(self, now: TimeLike) -> tuple[tuple[str, Span], ...]:
        """The missing spans that the archive should have by `now`: not those that begin in the last three days, or later."""
        latest = parse_time(now, name="now") - _PUBLISHED_AFTER
        return tuple((symbol, span) for symbol, span in self.missing if span.start <= latest)

    def describe(self, accept: str = _ACCEPT) -> str:
        """The report in words, a line each; `accept` is how its reader would have files stored whose checksum is wrong."""
        head = f"{len(self.stored)} files ({self.candles} candles, {self.size_bytes / 1e6:.1f} MB) stored"
        lines = [f"{head}, {len(self.already_stored)} months were there already"]
        lines += [f"not in the archive: {symbol} {span}" for symbol, span in self.missing]
        lines += [f"wrong checksum: {finding.describe(accept)}" for finding in self.wrong_checksums]
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
    `HostUnreachable` if the host cannot be reached (within seconds) or none of the first six months gets any answer from it;
    `DownloadError` if `TRADEREADY_OFFLINE` is set, or, after everything else is stored, if some files did not arrive whole
    (a body that stalls is given up after 20 s or so); `DataError` if `end` is not after `start`.
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
    if run.unreachable and not run.arrived:
        raise run.unreachable[0]
    if run.failed:
        more = f" (and {len(run.failed) - 3} more)" if len(run.failed) > 3 else ""
        raise DownloadError(
            f"{len(run.failed)} of {len(todo)} months of {'/'.join(names)} {frame} did not arrive; what came of the others is "
            f"stored and will not be fetched again. {' | '.join(run.failed[:3])}{more}\n"
            f"{run.report().describe(f'{_ACCEPT}, or --accept-wrong-checksums,')}"
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
        self.unreachable: list[HostUnreachable] = []
        self.size_bytes = 0

    @property
    def arrived(self) -> bool:
        return bool(self.fetched or self.missing)

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
                _note(run, future.result())
                if len(run.unreachable) >= _REFUSALS and not fetcher.answered:
                    raise run.unreachable[0]
                if progress is not None:
                    progress(DownloadProgress(len(todo) - len(waiting), len(todo), month.name, run.size_bytes))
    finally:  # an interrupt must neither start more files nor wait for retries
        fetcher.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _note(run: _Run, month: "_Month") -> None:
    run.fetched += month.fetched
    run.missing += month.missing
    run.size_bytes += sum(one.size_bytes for one in month.fetched)
    if month.errors:
        more = f" (and {len(month.errors) - 1} more of its days)" if len(month.errors) > 1 else ""
        run.failed.append(f"{month.errors[0]}{more}")
        run.unreachable += [error for error in month.errors[:1] if isinstance(error, HostUnreachable)]


class _Month:
    """What came of one month: its file, or those of its days."""

    def __init__(self, run: _Run, fetcher: Fetcher, needed: Span) -> None:
        self.run, self.fetcher, self.needed = run, fetcher, needed
        self.fetched: list[FetchedFile] = []
        self.missing: list[tuple[str, Span]] = []
        self.errors: list[Exception] = []

    def take(self, file: ArchiveFile) -> bool:
        """Whether the archive may have the file; it is kept, if it arrived."""
        if len(self.errors) >= _FAILURES_OF_DAYS:
            return True
        try:
            found = fetch_file(self.fetcher, file)
            if found is not None:
                self.fetched.append(self.run.keep(found))
        except (TradeReadyError, OSError) as error:
            self.errors.append(error)
            return True
        return found is not None

    def lacks(self, day: ArchiveFile) -> None:
        self.missing.append((day.symbol, _overlap(day.span, self.needed)))


def _fetch_month(run: _Run, fetcher: Fetcher, file: ArchiveFile, needed: Span) -> _Month:
    month = _Month(run, fetcher, needed)
    if month.take(file):
        return month
    days = file.days(needed)
    # The archive may have none of them (a month to come, or before the symbol was listed): ask for the ends first.
    there = {day: month.take(day) for day in dict.fromkeys((days[0], days[-1]))}
    worthwhile = any(there.values())
    for day in days:
        if not (there[day] if day in there else worthwhile and month.take(day)):
            month.lacks(day)
    return month


def _overlap(one: Span, other: Span) -> Span:
    return Span(max(one.start, other.start), min(one.end, other.end))
