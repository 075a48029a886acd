"""The local candle store: one directory of Parquet files, read through DuckDB, safe with concurrent readers and writers.

    ROOT/BTCUSDT/1h/20210101T000000Z_20210201T000000Z_00000001w_3f9a1c22_71b0c5d81c9e04aa.parquet

A file's name says which span its source has answered for (a candle that is absent inside it never existed), its generation,
its kind, and how the SHA-256 of its bytes begins. Files are written beside their place, renamed into it, and never changed. Where two hold the same candle, the
one of the later generation counts, as a whole row. Compaction joins the files of a span into one (`c`), which a file written
meanwhile (`w`) outranks. There are no locks.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.errors import DataError, DataUnavailable, StoreError
from tradeready_gym.market.candles import VALUE_NAMES, Candles, check_symbols
from tradeready_gym.market.coverage import describe_spans, join_spans, missing_spans
from tradeready_gym.market.gaps import GapReport, find_gaps
from tradeready_gym.market.splits import Span
from tradeready_gym.market.store_files import (
    Columns,
    StoreFile,
    foreign_files,
    list_files,
    publish,
    read_files,
    verify,
)
from tradeready_gym.market.timeframe import Timeframe, TimeLike, format_time, parse_time

COMPACT_ABOVE_FILES = 96
_ATTEMPTS = 20  # readings of a directory that compaction changes meanwhile


def default_root() -> Path:
    """Return the candle store's place: `candles` under `TRADEREADY_HOME` (default `~/.tradeready`), read when called."""
    home = os.environ.get("TRADEREADY_HOME") or "~/.tradeready"
    return Path(home).expanduser() / "candles"


@dataclass(frozen=True)
class StoredSeries:
    """What the store has of one symbol and timeframe."""

    symbol: str
    timeframe: Timeframe
    spans: tuple[Span, ...]
    files: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe}: {describe_spans(self.spans)}"


@dataclass(frozen=True)
class SeriesCheck:
    """Findings about one stored series: what is wrong with its files, and its gaps and odd candles.

    `without_checksum` counts files of earlier versions, in which a damaged candle cannot be told from a true one.
    """

    series: StoredSeries
    problems: tuple[str, ...]
    report: GapReport
    without_checksum: int = 0

    @property
    def ok(self) -> bool:
        """Whether every file is readable and holds possible candles; gaps are no fault."""
        return not self.problems


class CandleStore:
    """Candles of many symbols and timeframes on disk. `root=None` is the default place, looked up at every use."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self._root = None if root is None else Path(root).expanduser()

    @property
    def root(self) -> Path:
        """The store's directory; it need not exist yet."""
        return self._root or default_root()

    def __repr__(self) -> str:
        return f"CandleStore({str(self.root)!r})"

    def write(self, candles: Candles, covers: Span | None = None) -> None:
        """Add candles of every symbol; they replace stored ones of the same time. Gaps are remembered as such.

        `covers` says for which span the source has answered, if that is more than from the first to the last candle.
        Raises `DataError` for columns whose names differ in case only, `StoreError` if the disk refuses.
        """
        span = Span(candles.start, candles.end)
        if covers is not None:
            span = Span(min(span.start, covers.start), max(span.end, covers.end))
        for symbol in candles.symbols:
            part = candles.select(symbol)
            folder = self._folder(symbol, candles.timeframe)
            present = ~part.gaps[0]
            columns = {"bucket": part.times[present]}
            columns |= {name: getattr(part, name)[0, present] for name in VALUE_NAMES}
            columns |= {name: column[0, present] for name, column in part.columns.items()}
            publish(folder, columns, span)
            if len(list_files(folder)) > COMPACT_ABOVE_FILES:
                self.compact(symbol, candles.timeframe)

    def read(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
    ) -> Candles:
        """Return one symbol's candles in `[start, end)`; None means as far as the store goes in one piece.

        Columns that are not there for every candle of the range (after their first value) are left out. Raises
        `DataUnavailable`, naming what there is, for a range that is not stored, `DataError` for a time off the grid, and
        `StoreError` for a damaged file (its checksum is verified once a process).
        """
        name, frame = check_symbols(symbol)[0], Timeframe.parse(timeframe)
        folder = self._folder(name, frame)
        for _ in range(_ATTEMPTS):
            files = list_files(folder)
            wanted, piece = self._wanted(name, frame, files, start, end)
            try:
                columns = _read_from_before(files, wanted, piece)
            except FileNotFoundError:
                continue  # compaction joined files between the listing and the reading
            return self._to_candles(columns, name, frame, wanted, from_first=start is None)
        raise StoreError(f"files in {folder} keep vanishing while they are read; is something deleting them?")

    def spans(self, symbol: str, timeframe: str | Timeframe) -> tuple[Span, ...]:
        """Return the spans that are stored, in order of time."""
        folder = self._folder(check_symbols(symbol)[0], Timeframe.parse(timeframe))
        return tuple(join_spans(file.span for file in list_files(folder)))

    def list(self) -> tuple[StoredSeries, ...]:
        """Return every stored series, sorted by symbol and length of candles."""
        found = []
        for folder in self.root.glob("*/*"):
            files = list_files(folder) if folder.name in {frame.label for frame in Timeframe.all()} else []
            if files:
                spans = tuple(join_spans(file.span for file in files))
                size = sum(file.path.stat().st_size for file in files if file.path.exists())
                found.append(StoredSeries(folder.parent.name, Timeframe(folder.name), spans, len(files), size))
        return tuple(sorted(found, key=lambda series: (series.symbol, series.timeframe.microseconds)))

    def check(self) -> tuple[SeriesCheck, ...]:
        """Read everything; report damaged and foreign files, impossible candles, gaps and odd candles."""
        return tuple(self._check(series) for series in self.list())

    def compact(self, symbol: str, timeframe: str | Timeframe) -> None:
        """Join the files of each stored span into one; readers and writers may go on meanwhile."""
        folder = self._folder(check_symbols(symbol)[0], Timeframe.parse(timeframe))
        files = list_files(folder)
        for span in join_spans(file.span for file in files):
            inside = [file for file in files if span.start <= file.span.start and file.span.end <= span.end]
            if len(inside) < 2:
                continue
            try:
                columns = read_files(inside, span)
            except FileNotFoundError:
                return  # somebody else is compacting
            publish(folder, columns, span, max(file.generation for file in inside))
            for file in inside:
                try:
                    file.path.unlink(missing_ok=True)
                except PermissionError:
                    continue  # Windows, while a reader has it open: the compacted file holds the same rows

    def _folder(self, symbol: str, timeframe: Timeframe) -> Path:
        return self.root / symbol / timeframe.label

    def _wanted(
        self,
        symbol: str,
        timeframe: Timeframe,
        files: Sequence[StoreFile],
        start: TimeLike | None,
        end: TimeLike | None,
    ) -> tuple[Span, Span]:
        spans = join_spans(file.span for file in files)
        first = None if start is None else parse_time(start, name="start")
        last = None if end is None else parse_time(end, name="end")
        for name, edge in (("start", first), ("end", last)):
            if edge is not None and (off := edge % timeframe.microseconds):
                low, high = format_time(edge - off), format_time(edge - off + timeframe.microseconds)
                raise DataError(
                    f"{name} must be on the {timeframe} grid; found {format_time(edge)}. The nearest are {low} and {high}."
                )
        if first is not None and last is not None and first >= last:
            raise DataError(f"end must be after start; found {Span(first, last)}")
        if first is None and last is None and len(spans) > 1:
            raise DataError(
                f"the store has {symbol} {timeframe} in {len(spans)} pieces: {describe_spans(spans)}. Say which with start "
                "and end, or download what lies between."
            )
        for span in spans:
            wanted = Span(span.start if first is None else first, span.end if last is None else last)
            if wanted.start < wanted.end and not missing_spans(wanted, [span]):
                return wanted, span
        asked = " .. ".join("" if edge is None else format_time(edge) for edge in (first, last))
        raise DataUnavailable(
            f"the store at {self.root} does not have {symbol} {timeframe} for {asked}; it has {describe_spans(spans)}"
        )

    def _to_candles(
        self, columns: Columns, symbol: str, timeframe: Timeframe, wanted: Span, *, from_first: bool
    ) -> Candles:
        times = columns.pop("bucket")
        first = int(times[0]) if len(times) else None
        if first is None or (first > wanted.start and not from_first):
            known = "there is none" if first is None else f"the first one is {format_time(first)}"
            raise DataUnavailable(
                f"{symbol} {timeframe} has no candle at or before {format_time(wanted.start)}; {known}"
            )
        values: dict[str, Any] = {name: columns.pop(name, np.full(len(times), np.nan)) for name in VALUE_NAMES}
        own = {name: column for name, column in columns.items() if _complete(column)}
        source = f"store ({self.root})"
        candles = Candles.from_arrays(symbol, timeframe, times, **values, columns=own, source=source, end=wanted.end)
        return candles.between(max(wanted.start, candles.start), wanted.end)

    def _check(self, series: StoredSeries) -> SeriesCheck:
        folder = self._folder(series.symbol, series.timeframe)
        problems = [f"{path}: not a file of the store, or left by a killed writer" for path in foreign_files(folder)]
        unreadable, files = [], list_files(folder)
        for file in files:
            try:
                verify(file)
                read_files([file], file.span)
            except (StoreError, FileNotFoundError) as error:
                unreadable.append(str(error))
        reports = []
        for span in () if unreadable else series.spans:
            try:
                reports.append(find_gaps(self.read(series.symbol, series.timeframe, None, span.end)))
            except (DataError, StoreError) as error:
                problems.append(str(error))
        whole = GapReport(
            sum(report.slots for report in reports),
            tuple(gap for report in reports for gap in report.gaps),
            tuple(odd for report in reports for odd in report.odd),
        )
        return SeriesCheck(series, tuple(problems + unreadable), whole, sum(file.digest is None for file in files))


def _read_from_before(files: Sequence[StoreFile], wanted: Span, piece: Span) -> Columns:
    columns = read_files(
        [file for file in files if file.span.end > wanted.start and file.span.start < wanted.end], wanted
    )
    if len(columns["bucket"]) and columns["bucket"][0] == wanted.start:
        return columns
    # The range begins in a gap: it needs the close of the last candle before it.
    inside = [file for file in files if file.span.end > piece.start and file.span.start < wanted.end]
    columns = read_files(inside, Span(piece.start, wanted.end))
    first = max(int(np.searchsorted(columns["bucket"], wanted.start)) - 1, 0)
    return {name: values[first:] for name, values in columns.items()}


def _complete(column: np.ndarray) -> bool:
    known = ~np.isnan(column)
    return bool(known.any() and known[int(np.argmax(known)) :].all())
