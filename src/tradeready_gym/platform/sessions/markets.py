"""The candles of the sessions: each range is loaded and packed once, and shared by all who trade on it."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from tradeready_gym.market import Candles, DataReplayer, Span, Timeframe, load_sample
from tradeready_gym.market.coverage import describe_spans, join_spans
from tradeready_gym.platform import clock
from tradeready_gym.platform.errors import BadRequest, Invalid, NotFound
from tradeready_gym.platform.market.catalog import Catalog

# what is shown before the first clock: the largest page of candles
SHOWN_HISTORY = 1000
_CACHED_BYTES = 256 * 1024 * 1024

Key = tuple[tuple[str, ...], str, int, int]


class Markets:
    """Candles by symbols, interval and range: from the store in the server's home, else the packaged sample.

    Never another market than the one asked for, and nothing is downloaded: a request waits for no other server. At most
    `cached_bytes` of candles are kept beyond those in use, and always those of the latest range.
    """

    def __init__(self, home: Path, cached_bytes: int = _CACHED_BYTES) -> None:
        self.catalog = Catalog(home)
        self._cached_bytes = cached_bytes
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._cache: OrderedDict[Key, DataReplayer] = OrderedDict()
        self._bytes = 0

    def replayer(self, symbols: Sequence[str], timeframe: Timeframe, start: int, end: int) -> DataReplayer:
        """Candles that end at `end`, with the last 24 h before `start` that slippage needs, and more where there is more.

        Raises:
            BadRequest: BACKTEST_NO_DATA, with the span that is available.
            Invalid: `start` or `end` is off the grid; names the nearest ones that are on it.
        """
        key = (tuple(symbols), timeframe.label, start, end)
        found = self._cached(key)
        if found is None:
            # who wants what is being loaded waits for it
            with self._loading:
                found = self._cached(key)
                if found is None:
                    found = DataReplayer(self._load(*key))
                    self._keep(key, found)
        return found

    def candles(self, symbol: str, timeframe: Timeframe, end: int, bars: int) -> Candles:
        """At most `bars` candles of one symbol that end at `end` or, where the grid is coarser, before it.

        Raises:
            BadRequest: BACKTEST_NO_DATA: there are none.
        """
        end -= end % timeframe.microseconds
        for span in reversed(self.spans(symbol, timeframe)):
            start = max(_upwards(span.start, timeframe), end - bars * timeframe.microseconds)
            if start < end <= span.end:
                try:
                    return self.catalog.whole(symbol, timeframe, start, end)
                except NotFound:
                    continue
        raise self._no_data(symbol, timeframe, end - bars * timeframe.microseconds, end, 0)

    def symbols(self, timeframe: Timeframe, start: int, end: int) -> list[str]:
        """Every symbol whose candles are here for the range and the 24 h before it, sorted."""
        first = start - timeframe.bars_per_day * timeframe.microseconds
        known = {series.symbol for series in self.catalog.store.list()} | set(load_sample().symbols)
        return sorted(
            symbol
            for symbol in known
            if any(span.start <= first and end <= span.end for span in self.spans(symbol, timeframe))
        )

    def spans(self, symbol: str, timeframe: Timeframe) -> list[Span]:
        """What is on this machine of a symbol, in candles of this length or ones that make it up, source by source."""
        sample = load_sample()
        found: list[Span] = []
        for frame in Timeframe.all():
            if timeframe.microseconds % frame.microseconds:
                continue
            found += self.catalog.store.spans(symbol, frame)
            if frame == sample.timeframe and symbol in sample.symbols:
                found.append(Span(sample.start, sample.end))
        return sorted(found, key=lambda span: span.start)

    def _load(self, symbols: tuple[str, ...], label: str, start: int, end: int) -> Candles:
        timeframe = Timeframe(label)
        require_grid("start_time", start, timeframe)
        require_grid("end_time", end, timeframe)
        needed = timeframe.bars_per_day
        for history in dict.fromkeys((max(needed, self._history(symbols, timeframe, start, end)), needed)):
            first = start - history * timeframe.microseconds
            try:
                return Candles.merge([self.catalog.whole(symbol, timeframe, first, end) for symbol in symbols])
            except (BadRequest, NotFound):
                continue
        missing = next((s for s in symbols if not self._covers(s, timeframe, start, end, needed)), symbols[0])
        raise self._no_data(missing, timeframe, start, end, needed)

    def _history(self, symbols: tuple[str, ...], timeframe: Timeframe, start: int, end: int) -> int:
        # the longest history, up to a page, that all symbols have in one piece with the range
        bars = SHOWN_HISTORY
        for symbol in symbols:
            before = [start - span.start for span in self.spans(symbol, timeframe) if span.start <= start <= span.end]
            bars = min(bars, max(before, default=0) // timeframe.microseconds)
        return bars

    def _covers(self, symbol: str, timeframe: Timeframe, start: int, end: int, history: int) -> bool:
        first = start - history * timeframe.microseconds
        return any(span.start <= first and end <= span.end for span in self.spans(symbol, timeframe))

    def _no_data(self, symbol: str, timeframe: Timeframe, start: int, end: int, history: int) -> BadRequest:
        spans = self.spans(symbol, timeframe)
        first = [span.start + history * timeframe.microseconds for span in spans]
        needs = f", and {history} candles before the start" if history else ""
        return BadRequest(
            f"{symbol} {timeframe} is needed for {Span(start, end)}{needs}; this server has {describe_spans(join_spans(spans))}. "
            f"Choose a range within that, or put candles there with `tradeready data download` or `tradeready data import`",
            code="BACKTEST_NO_DATA",
            symbol=symbol,
            start_time=clock.iso(start),
            end_time=clock.iso(end),
            earliest=clock.iso(min(first, default=None)),
            latest=clock.iso(max((span.end for span in spans), default=None)),
        )

    def _cached(self, key: Key) -> DataReplayer | None:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
            return self._cache.get(key)

    def _keep(self, key: Key, replayer: DataReplayer) -> None:
        with self._lock:
            self._cache[key] = replayer
            self._bytes += _size(replayer)
            while len(self._cache) > 1 and self._bytes > self._cached_bytes:
                self._bytes -= _size(self._cache.popitem(last=False)[1])


def require_grid(name: str, time: int, timeframe: Timeframe) -> None:
    """Raise `Invalid`, naming the nearest legal times, unless `time` is on the grid."""
    late = time % timeframe.microseconds
    if late:
        low, high = clock.iso(time - late), clock.iso(time - late + timeframe.microseconds)
        raise Invalid(
            f"{name} must be on the grid of {timeframe} candles; got {clock.iso(time)}. The nearest are {low} and {high}",
            field=name,
            nearest=[low, high],
        )


def fingerprint(replayer: DataReplayer, start: int) -> str:
    """A digest of what a session that starts then can see and be filled at: the 24 h before, and all that comes."""
    first = max(replayer.row_at(start) - replayer.day_bars, 0)
    digest = hashlib.sha256(f"{replayer.symbols} {replayer.timeframe}".encode())
    for name in ("open", "high", "low", "close", "volume"):
        digest.update(replayer.rows[name][first:].tobytes())
    return digest.hexdigest()


def _size(replayer: DataReplayer) -> int:
    candles = replayer.candles
    own = (getattr(candles, name) for name in ("open", "high", "low", "close", "volume", "gaps"))
    shown = sum(column.nbytes for column in (*own, *candles.columns.values()))
    return int(replayer.rows.nbytes + replayer.times.nbytes + shown)


def _upwards(time: int, timeframe: Timeframe) -> int:
    return -(-time // timeframe.microseconds) * timeframe.microseconds
