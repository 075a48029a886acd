"""The market as it can be known now: what the feed brought, and before that what is stored, up to the feed's clock.

Without a feed everything that is stored is known. With one that plays recorded candles the store has its future, and must not
tell it.
"""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeready_gym.market import Candles, Span, Timeframe
from tradeready_gym.market.candles import VALUE_NAMES
from tradeready_gym.platform.errors import BadRequest, NotFound, Unavailable
from tradeready_gym.platform.market import figures, rows
from tradeready_gym.platform.market.catalog import Catalog

if TYPE_CHECKING:
    from tradeready_gym.live.hub import FeedHub

View = dict[str, Any]


@dataclass(frozen=True)
class Market:
    """The candles that have closed at this moment: `stored` ones, and those of `hub`, which has the newest of its symbols."""

    stored: Catalog
    hub: "FeedHub | None" = None

    def symbols(self) -> list[str]:
        """All of which there are candles."""
        return sorted({source.symbol for source in self.stored.sources()} | set(self.hub.symbols if self.hub else ()))

    def price(self, symbol: str) -> tuple[float, int]:
        """The last close, and when it was known: the feed's if it has the symbol, else as `figures.price`."""
        from tradeready_gym.platform.paper.prices import live_price

        found = None if self.hub is None else live_price(self.hub, symbol)
        return figures.price(self.stored, symbol) if found is None else found

    def ticker(self, symbol: str) -> View:
        """The last 24 hours: the feed's if it has the symbol, else as `figures.ticker`."""
        from tradeready_gym.platform.paper.prices import live_ticker

        found = None if self.hub is None else live_ticker(self.hub, symbol)
        return figures.ticker(self.stored, symbol) if found is None else found

    def page(self, symbol: str, frame: Timeframe, limit: int, start: int | None, end: int | None) -> list[View]:
        """As `rows.page`, the newest ones from the feed."""
        fresh = self._fresh(symbol, frame)
        if fresh is None:
            return rows.page(self.stored, symbol, frame, limit, start, end)
        first, last = fresh.start if start is None else max(start, fresh.start), _earlier(end, fresh.end)
        older_end = _earlier(end, fresh.start)
        if start is not None:
            found = self._older(symbol, frame, limit, start, older_end) if start < older_end else []
            missing = limit - len(found)
            return found + self._rows(symbol, frame, missing, first, last) if missing else found
        # gaps are left out, so that there may be fewer candles than slots
        found = self._rows(symbol, frame, limit, max(first, last - 2 * limit * frame.microseconds), last, newest=True)
        if len(found) < limit:
            found = self._rows(symbol, frame, limit, first, last, newest=True)
        missing = limit - len(found)
        return self._older(symbol, frame, missing, None, older_end) + found if missing else found

    def last_candles(self, symbol: str, bars: int, frame: Timeframe | None = None) -> Candles:
        """As `figures.last_candles`; of the feed's length if it has the symbol and no other is said."""
        wanted = frame or (self.hub.timeframe if self._has(symbol) and self.hub else None)
        fresh = None if wanted is None else self._fresh(symbol, wanted)
        if wanted is None or fresh is None:
            return figures.last_candles(self.stored, symbol, bars, frame)
        newest = self._candles(symbol, wanted, max(fresh.start, fresh.end - bars * wanted.microseconds), fresh.end)
        older = None
        if len(newest) < bars:
            with contextlib.suppress(BadRequest, NotFound, Unavailable):  # nothing is stored of it
                older = figures.last_candles(self.stored.until(newest.start), symbol, bars - len(newest), wanted)
        return _joined(older, newest)

    def whole(self, symbol: str, frame: Timeframe, start: int | None, end: int | None) -> Candles:
        """As `Catalog.whole`; a range that goes on behind what is stored ends with the feed's candles."""
        try:
            return self.stored.whole(symbol, frame, start, end)
        except (BadRequest, NotFound) as error:
            fresh = self._fresh(symbol, frame)
            if fresh is None or start is None or end is None or not start < end <= fresh.end or end <= fresh.start:
                raise
            if start % frame.microseconds or end % frame.microseconds:
                raise
            newest = self._candles(symbol, frame, max(start, fresh.start), end)
            if start >= fresh.start:
                return newest
            try:
                return _joined(self.stored.whole(symbol, frame, start, fresh.start), newest)
            except NotFound:
                raise error from None

    # ---- inside ----

    def _has(self, symbol: str) -> bool:
        return self.hub is not None and symbol.strip().upper() in self.hub.symbols

    def _fresh(self, symbol: str, frame: Timeframe) -> Span | None:
        if self.hub is None or not self._has(symbol) or frame.microseconds % self.hub.timeframe.microseconds:
            return None
        step = frame.microseconds
        # one slot less than are kept: the oldest one may be given up meanwhile
        oldest = self.hub.oldest + self.hub.timeframe.microseconds
        start, end = -(-oldest // step) * step, self.hub.clock // step * step
        return Span(start, end) if start < end else None

    def _candles(self, symbol: str, frame: Timeframe, start: int, end: int) -> Candles:
        hub = self.hub
        if hub is None:
            raise Unavailable("the feed does not answer", code="PRICE_NOT_AVAILABLE")
        bars = (hub.clock - start) // hub.timeframe.microseconds
        return hub.history(bars).select(symbol.strip().upper()).between(start, end).resample(frame)

    def _rows(
        self, symbol: str, frame: Timeframe, limit: int, start: int, end: int, *, newest: bool = False
    ) -> list[View]:
        step = frame.microseconds
        start, end = -(-start // step) * step, -(-end // step) * step
        return rows.views(self._candles(symbol, frame, start, end), limit, newest=newest) if start < end else []

    def _older(self, symbol: str, frame: Timeframe, limit: int, start: int | None, end: int) -> list[View]:
        with contextlib.suppress(BadRequest, NotFound):  # nothing is stored of it
            return rows.page(self.stored, symbol, frame, limit, start, end)
        return []


def _earlier(end: int | None, other: int) -> int:
    return other if end is None else min(end, other)


def _joined(older: Candles | None, newer: Candles) -> Candles:
    """One after the other, if nothing is missing in between; else the newer ones."""
    if older is None or older.end != newer.start:
        return newer
    values: dict[str, Any] = {
        name: np.concatenate([getattr(older, name), getattr(newer, name)], axis=1) for name in (*VALUE_NAMES, "gaps")
    }
    times = np.concatenate([older.times, newer.times])
    return Candles(newer.symbols, newer.timeframe, times, **values, source=newer.source)
