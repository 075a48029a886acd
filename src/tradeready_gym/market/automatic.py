"""`data="auto"`: the store, then the archive, then the packaged sample. Never another market than the one asked for."""

import os
from collections.abc import Sequence

from tradeready_gym.errors import ConfigurationError, DataUnavailable, DownloadError, HostUnreachable
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.coverage import describe_spans, missing_spans
from tradeready_gym.market.download import ProgressCallback, download
from tradeready_gym.market.sample import SAMPLE_SYMBOL, SAMPLE_TIMEFRAME, load_sample
from tradeready_gym.market.sources.archive import archive_url
from tradeready_gym.market.sources.http import environment_flag
from tradeready_gym.market.splits import Span
from tradeready_gym.market.store import CandleStore
from tradeready_gym.market.timeframe import Timeframe, TimeLike, format_time, parse_time

# Hosts that did not answer in this process: asked once, so that a hundred environments do not wait a hundred times.
_unreachable: dict[str, str] = {}


def find_candles(
    symbols: Sequence[str],
    timeframe: Timeframe,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    history_bars: int = 0,
    store: CandleStore | None = None,
    progress: ProgressCallback | None = None,
) -> Candles:
    """Return candles of `symbols` in `[start, end)` and `history_bars` before; without dates, all there is on this machine.

    For each symbol: the store (finer candles are resampled if the timeframe itself is not stored); if both dates are
    given, what is missing is downloaded into the store, unless `TRADEREADY_OFFLINE` is set or the host is unreachable;
    the packaged sample, if it is that market and covers the range. Raises `DataUnavailable` with what there is and the
    ways out, `ConfigurationError` for dates off the grid or in the wrong order.
    """
    wanted = _window(timeframe, start, end, history_bars)
    place = store or CandleStore()
    parts = [_find_one(symbol, timeframe, wanted, history_bars, place, progress) for symbol in symbols]
    return Candles.merge(parts)


Window = tuple[int | None, int | None]


def _window(timeframe: Timeframe, start: TimeLike | None, end: TimeLike | None, history_bars: int) -> Window:
    first = None if start is None else parse_time(start, name="start_time")
    last = None if end is None else parse_time(end, name="end_time")
    for name, edge in (("start_time", first), ("end_time", last)):
        if edge is not None and (off := edge % timeframe.microseconds):
            low, high = format_time(edge - off), format_time(edge - off + timeframe.microseconds)
            raise ConfigurationError(
                f"{name} must be on the {timeframe} grid; found {format_time(edge)}. The nearest are {low} and {high}."
            )
    if first is not None and last is not None and first >= last:
        raise ConfigurationError(f"end_time must be after start_time; found {Span(first, last)}")
    return None if first is None else first - history_bars * timeframe.microseconds, last


def _find_one(
    symbol: str,
    timeframe: Timeframe,
    wanted: Window,
    history_bars: int,
    store: CandleStore,
    progress: ProgressCallback | None,
) -> Candles:
    reasons: list[str] = []
    found = _from_store(store, symbol, timeframe, wanted, reasons)
    if found is None and _download_missing(store, symbol, timeframe, wanted, progress, reasons):
        found = _from_store(store, symbol, timeframe, wanted, reasons)
    if found is None:
        found = _from_sample(symbol, timeframe, wanted)
    if found is not None:
        return found
    raise DataUnavailable(_explain(store, symbol, timeframe, wanted, history_bars, reasons))


def _from_store(
    store: CandleStore, symbol: str, timeframe: Timeframe, wanted: Window, reasons: list[str]
) -> Candles | None:
    for frame in reversed(Timeframe.all()):
        if timeframe.microseconds % frame.microseconds or not store.spans(symbol, frame):
            continue
        try:
            return store.read(symbol, frame, *wanted).resample(timeframe)
        except DataUnavailable as error:
            reasons.append(str(error))
    return None


def _download_missing(
    store: CandleStore,
    symbol: str,
    timeframe: Timeframe,
    wanted: Window,
    progress: ProgressCallback | None,
    reasons: list[str],
) -> bool:
    start, end = wanted
    if start is None or end is None:
        reasons.append("nothing is downloaded without start_time and end_time")
        return False
    if environment_flag(os.environ.get("TRADEREADY_OFFLINE")):
        reasons.append("nothing is downloaded because TRADEREADY_OFFLINE is set")
        return False
    missing = missing_spans(Span(start, end), store.spans(symbol, timeframe))
    if not missing:
        return False
    host = archive_url()
    if host in _unreachable:
        reasons.append(_unreachable[host])
        return False
    try:
        report = download(symbol, timeframe, missing[0].start, missing[-1].end, store, progress)
    except HostUnreachable as error:
        _unreachable[host] = str(error)
        reasons.append(str(error))
        return False
    except DownloadError as error:
        reasons.append(str(error))
        return True  # some months may have arrived, and they may be enough
    absent = describe_spans(span for _, span in report.missing)
    if report.missing:
        reasons.append(f"{host} does not have {absent}")
    accept = "tradeready data download --accept-wrong-checksums"
    reasons += [f"wrong checksum: {finding.describe(accept)}" for finding in report.wrong_checksums]
    return True


def _from_sample(symbol: str, timeframe: Timeframe, wanted: Window) -> Candles | None:
    if symbol != SAMPLE_SYMBOL or timeframe.microseconds % Timeframe(SAMPLE_TIMEFRAME).microseconds:
        return None
    sample = load_sample().resample(timeframe)
    start, end = wanted
    if (start is not None and start < sample.start) or (end is not None and end > sample.end):
        return None
    if (start is not None and start >= sample.end) or (end is not None and end <= sample.start):
        return None
    return sample.between(start, end)


def _explain(
    store: CandleStore, symbol: str, timeframe: Timeframe, wanted: Window, history_bars: int, reasons: list[str]
) -> str:
    start, end = wanted
    span = " .. ".join("(open)" if edge is None else format_time(edge) for edge in wanted)
    history = (
        f" (with {history_bars} candles of history before start_time)" if history_bars and start is not None else ""
    )
    stored = store.spans(symbol, timeframe)
    has = [f"the store at {store.root} has {symbol} {timeframe} for {describe_spans(stored)}"]
    pieces = list(stored)
    sample = load_sample()
    has.append(f"the packaged sample has {SAMPLE_SYMBOL} {SAMPLE_TIMEFRAME} for {Span(sample.start, sample.end)}")
    if symbol == SAMPLE_SYMBOL and not timeframe.microseconds % sample.timeframe.microseconds:
        pieces.append(Span(sample.start, sample.end))
    works = ""
    for piece in pieces:
        earliest = piece.start + history_bars * timeframe.microseconds
        if start is not None and start < piece.start and earliest < (end or piece.end) <= piece.end:
            works = f" The earliest start_time that works with them is {format_time(earliest)}."
        elif end is not None and end > piece.end and (start is None or piece.start <= start < piece.end):
            works = f" The latest end_time that works with them is {format_time(piece.end)}."
    begin, stop = (format_time(edge) if edge is not None else "TIME" for edge in wanted)
    return (
        f"{symbol} {timeframe} is not to be had for {span}{history}: {'; '.join([*has, *dict.fromkeys(reasons)])}.{works} "
        f"Two ways out: `tradeready data download {symbol} --timeframe {timeframe} --start {begin} --end {stop}` where "
        "there is a network, or data= with candles of your own (a DataFrame, a file, a mapping from symbol to either, or "
        "'synthetic')."
    )
