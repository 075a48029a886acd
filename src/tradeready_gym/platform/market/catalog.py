"""Which candles are on this machine, and reading them: the store in the server's home, and the packaged sample."""

import copy
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tradeready_gym.errors import DataError, DataUnavailable, StoreError
from tradeready_gym.market import Candles, CandleStore, Span, Timeframe, load_sample, parse_time
from tradeready_gym.market.coverage import describe_spans, missing_spans
from tradeready_gym.market.sample import SAMPLE_SPAN, SAMPLE_SYMBOL, SAMPLE_TIMEFRAME
from tradeready_gym.market.store_files import list_files
from tradeready_gym.platform import clock
from tradeready_gym.platform.errors import BadRequest, NotFound, Unavailable

_log = logging.getLogger(__name__)
_LISTED_SECONDS = 1.0
_LATEST_KEPT = 256  # of at most 1,440 candles each


@dataclass(frozen=True)
class Source:
    """Candles of one symbol and length that lie somewhere; `sample` for those of the package."""

    symbol: str
    timeframe: Timeframe
    spans: tuple[Span, ...]
    sample: bool = False


@dataclass(frozen=True)
class Piece:
    """A stretch of candles that one source can make; the span is on the grid of the candles that were asked for."""

    source: Source
    timeframe: Timeframe
    span: Span


class Catalog:
    """The candles of one server; `home` is its directory. What is downloaded shows within a second.

    `until(moment)` is the same catalog as it was at a moment: candles that close later are not in it.
    """

    def __init__(self, home: Path) -> None:
        self.store = CandleStore(home / "candles")
        self._lock = threading.Lock()
        self._listed: tuple[float, list[Source]] = (-math.inf, [])
        self._latest: OrderedDict[tuple[str, str, str, int], tuple[object, Candles | None]] = OrderedDict()
        self._whole, self._moment = self, math.inf
        self._closed: list[Source] | None = None

    def until(self, moment: int) -> "Catalog":
        """The candles that have closed at this moment, by the clock of a feed that plays the past."""
        then = copy.copy(self)
        then._moment, then._closed = min(moment, self._moment), None
        return then

    def sources(self) -> list[Source]:
        """Everything there is: the store's series by symbol and length, then the sample."""
        if self._moment == math.inf:
            return self._whole._everything()
        if self._closed is None:
            self._closed = [cut for source in self._whole._everything() for cut in _closed(source, self._moment)]
        return self._closed

    def _everything(self) -> list[Source]:
        at, found = self._listed
        if time.monotonic() - at >= _LISTED_SECONDS:
            at, found = time.monotonic(), self._list()
            self._listed = at, found
        return found

    def _list(self) -> list[Source]:
        found = [Source(series.symbol, series.timeframe, series.spans) for series in self.store.list()]
        sample = Span(*map(parse_time, SAMPLE_SPAN))
        return [*found, Source(SAMPLE_SYMBOL, Timeframe.parse(SAMPLE_TIMEFRAME), (sample,), sample=True)]

    def of(self, symbol: str) -> list[Source]:
        """The sources of one symbol, in any case of its letters.

        Raises:
            BadRequest: INVALID_SYMBOL: there are none.
        """
        name, sources = symbol.strip().upper(), self.sources()
        found = [source for source in sources if source.symbol == name]
        if not found:
            known = ", ".join(sorted({source.symbol for source in sources})[:20])
            raise BadRequest(
                f"this server has no candles of {name!r}; it has {known}. More come with `tradeready data download`",
                code="INVALID_SYMBOL",
                symbol=name,
            )
        return found

    def pieces(self, symbol: str, timeframe: Timeframe) -> list[Piece]:
        """The stretches of candles of this length, in order of time, no two of which overlap.

        Candles of the length itself are taken before those that are made of shorter ones, the store's before the sample's.

        Raises:
            BadRequest: INVALID_SYMBOL: the symbol is unknown.
        """
        found: list[Piece] = []
        for piece in self._overlapping(symbol, timeframe):
            covered = [other.span for other in found]
            found += [Piece(piece.source, timeframe, span) for span in missing_spans(piece.span, covered)]
        return sorted(found, key=lambda piece: piece.span.start)

    def too_short(self, symbol: str, timeframe: Timeframe) -> NotFound:
        """The answer to who asks for candles that are shorter than all there are; names those that can be had."""
        lengths = [source.timeframe.microseconds for source in self.of(symbol)]
        frames = [f.label for f in Timeframe.all() if any(f.microseconds % length == 0 for length in lengths)]
        return NotFound(
            f"this server has no {timeframe} candles of {symbol.upper()}, and they cannot be made of longer ones; it has "
            f"{', '.join(frames)}. Shorter ones come with `tradeready data download`",
            code="DATA_NOT_AVAILABLE",
            symbol=symbol.upper(),
            interval=timeframe.label,
            intervals_available=frames,
        )

    def finest(self, symbol: str) -> Piece:
        """The stretch that ends last, in the shortest candles that reach so far.

        Raises:
            BadRequest: INVALID_SYMBOL: the symbol is unknown.
        """
        ends = [Piece(source, source.timeframe, span) for source in self.of(symbol) for span in source.spans]
        return max(ends, key=lambda piece: (piece.span.end, -piece.timeframe.microseconds))

    def read(self, piece: Piece, span: Span) -> Candles | None:
        """The candles of a piece in a span of its grid; None if there are none.

        Raises:
            Unavailable: DATA_DAMAGED: a file of the store cannot be read.
        """
        try:
            return self._read(piece, span)
        except DataUnavailable:
            return None  # the stretch begins with a gap
        except StoreError as error:
            _log.exception("candles of %s cannot be read", piece.source.symbol)
            raise Unavailable(
                f"the stored candles of {piece.source.symbol} cannot be read; `tradeready data check` says why",
                code="DATA_DAMAGED",
                symbol=piece.source.symbol,
            ) from error

    def latest(self, piece: Piece, bars: int) -> Candles | None:
        """The last slots of a piece, at most `bars`; None if there are none. Read again only if files have changed.

        Raises:
            Unavailable: DATA_DAMAGED: a file of the store cannot be read.
        """
        source = piece.source
        folder = self.store.root / source.symbol / source.timeframe.label
        files = () if source.sample else tuple(file.path.name for file in list_files(folder))
        key, stamp = (source.symbol, source.timeframe.label, piece.timeframe.label, bars), (piece.span, files)
        with self._lock:
            known = self._latest.get(key)
        if known is None or known[0] != stamp:
            start = max(piece.span.start, piece.span.end - bars * piece.timeframe.microseconds)
            known = stamp, self.read(piece, Span(start, piece.span.end))
            with self._lock:
                self._latest[key] = known
                self._latest.move_to_end(key)
                while len(self._latest) > _LATEST_KEPT:
                    self._latest.popitem(last=False)
        return known[1]

    def whole(self, symbol: str, timeframe: Timeframe, start: int | None, end: int | None) -> Candles:
        """Candles of `[start, end)` from one source; None means as far as the stretch goes, the last one for both.

        Raises:
            BadRequest: INVALID_SYMBOL: the symbol is unknown; INVALID_RANGE: off the grid, or the end is not after the start.
            NotFound: DATA_NOT_AVAILABLE: no source has all of it; says what there is.
        """
        pieces = self._overlapping(symbol, timeframe)
        for name, edge in (("start_time", start), ("end_time", end)):
            if edge is not None and edge % timeframe.microseconds:
                raise BadRequest(
                    f"{name} must be on the grid of {timeframe} candles; got {clock.iso(edge)}", code="INVALID_RANGE"
                )
        if start is not None and end is not None and start >= end:
            raise BadRequest("end_time must be after start_time", code="INVALID_RANGE")
        if start is None and end is None:
            pieces = sorted(pieces, key=lambda piece: piece.span.end, reverse=True)
        for piece in pieces:
            wanted = Span(piece.span.start if start is None else start, piece.span.end if end is None else end)
            if wanted.start < wanted.end and not missing_spans(wanted, [piece.span]):
                candles = self.read(piece, wanted)
                if candles is not None and candles.start == wanted.start:
                    return candles
        raise _no_data(symbol, timeframe, [piece.span for piece in pieces], self._moment)

    def _overlapping(self, symbol: str, timeframe: Timeframe) -> list[Piece]:
        usable = [source for source in self.of(symbol) if timeframe.microseconds % source.timeframe.microseconds == 0]
        usable.sort(key=lambda source: (source.sample, -source.timeframe.microseconds))
        pieces = [Piece(source, timeframe, _on_grid(span, timeframe)) for source in usable for span in source.spans]
        return [piece for piece in pieces if piece.span.start < piece.span.end]

    def _read(self, piece: Piece, span: Span) -> Candles:
        source = piece.source
        if source.sample:
            return load_sample().between(span.start, span.end).resample(piece.timeframe)
        try:
            candles = self.store.read(source.symbol, source.timeframe, span.start, span.end)
        except DataUnavailable:
            found = self.store.read(source.symbol, source.timeframe, None, span.end)
            step = piece.timeframe.microseconds
            candles = found.between(max(-(-found.start // step) * step, span.start), span.end)
        try:
            return candles.resample(piece.timeframe)
        except DataError as error:
            raise DataUnavailable(str(error)) from error


def parse_interval(text: str) -> Timeframe:
    """A length of candles by its name, `1h`, or in seconds, `3600`.

    Raises:
        BadRequest: INVALID_SYMBOL, as documented: there are no candles of this length.
    """
    for frame in Timeframe.all():
        if text.strip() in {frame.label, str(frame.seconds)}:
            return frame
    known = ", ".join(frame.label for frame in Timeframe.all())
    raise BadRequest(
        f"interval must be one of {known}, or as many seconds; got {text!r}", code="INVALID_SYMBOL", interval=text
    )


def _closed(source: Source, moment: float) -> list[Source]:
    # of each span what has closed: whole candles of the source's own length
    cut = [Span(span.start, min(span.end, int(moment))) for span in source.spans if span.start < moment]
    spans = tuple(span for span in (_on_grid(span, source.timeframe) for span in cut) if span.start < span.end)
    return [replace(source, spans=spans)] if spans else []


def _on_grid(span: Span, timeframe: Timeframe) -> Span:
    step = timeframe.microseconds
    return Span(-(-span.start // step) * step, span.end // step * step)


def _no_data(symbol: str, timeframe: Timeframe, spans: Sequence[Span], moment: float) -> NotFound:
    bounded = (
        "" if moment == math.inf else ", up to the clock of its feed; with history=true it tells what is stored beyond"
    )
    return NotFound(
        f"no stretch of {symbol.upper()} {timeframe} on this server has all of that; it has {describe_spans(spans)}{bounded}",
        code="DATA_NOT_AVAILABLE",
        earliest=clock.iso(min((span.start for span in spans), default=None)),
        latest=clock.iso(max((span.end for span in spans), default=None)),
    )
