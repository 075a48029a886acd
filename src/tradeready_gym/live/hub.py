"""One feed for many: its closed candles are kept for a while, and whoever wants them asks for them at a pace of their own."""

import logging
import threading
import time as wall
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError, DataUnavailable, UnknownName
from tradeready_gym.live.feed import Feed, FeedEnded, FeedHealth, FeedState, Slot, require_symbols
from tradeready_gym.market import Candles, Instrument, format_time

_NAMES = ("open", "high", "low", "close", "volume")
_WAIT = 0.5
_TRIES = 3  # to fetch what is old, if more candles close meanwhile than are kept
_log = logging.getLogger(__name__)


class Selected(Feed):
    """Some symbols of a feed. Closing it leaves the feed open.

    Raises:
        UnknownName: the feed has no such symbol.
    """

    def __init__(self, feed: Feed, symbols: str | Sequence[str]) -> None:
        self._feed = feed
        self.symbols, self.timeframe = require_symbols(symbols), feed.timeframe
        for symbol in self.symbols:
            if symbol not in feed.symbols:
                raise UnknownName("symbol", symbol, feed.symbols)
        self._places = [feed.symbols.index(symbol) for symbol in self.symbols]

    def history(self, bars: int) -> Candles:
        """Candles of these symbols."""
        return self._feed.history(bars).select(self.symbols)

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot of these symbols."""
        slot = self._feed.wait(time, timeout)
        return None if slot is None else Slot(slot.time, slot.values[self._places], slot.gaps[self._places], slot.info)

    def passed(self, time: int) -> None:
        """Tell the feed."""
        self._feed.passed(time)

    def now(self) -> int:
        """The feed's clock."""
        return self._feed.now()

    def opening_prices(self) -> Mapping[str, float]:
        """Those of these symbols."""
        return {symbol: price for symbol, price in self._feed.opening_prices().items() if symbol in self.symbols}

    def prices(self) -> Mapping[str, float]:
        """Those of these symbols."""
        return {symbol: price for symbol, price in self._feed.prices().items() if symbol in self.symbols}

    def quotes(self) -> Mapping[str, tuple[float, float]]:
        """Those of these symbols."""
        return {symbol: quote for symbol, quote in self._feed.quotes().items() if symbol in self.symbols}

    @property
    def has_book(self) -> bool:
        """As the feed."""
        return self._feed.has_book

    def instruments(self) -> Mapping[str, Instrument]:
        """Those of these symbols."""
        return {symbol: rule for symbol, rule in self._feed.instruments().items() if symbol in self.symbols}

    @property
    def health(self) -> FeedHealth:
        """That of the feed."""
        return self._feed.health

    def close(self) -> None:
        """Nothing: the feed is somebody else's."""


class FeedHub(Feed):
    """A feed that many can wait on: a thread takes its slots, and keeps the newest `kept`.

    A slot can be asked for any number of times; one from before the hub began is fetched again from the feed's history.

    Args:
        feed: where candles come from; the hub closes it.
        kept: slots that are kept, and asked for at the start.

    Raises:
        DataUnavailable: the feed has fewer candles than a day and one.
    """

    def __init__(self, feed: Feed, kept: int) -> None:
        self._feed, self.kept = feed, kept
        self.symbols, self.timeframe = feed.symbols, feed.timeframe
        self._step = feed.timeframe.microseconds
        self._changed, self._fetching = threading.Condition(), threading.Lock()
        self._slots: OrderedDict[int, Slot] = OrderedDict()
        self._ended: str | None = None
        self._closing = threading.Event()
        self._listeners: list[Callable[[Slot], object]] = []
        self._instruments = dict(feed.instruments())
        self._take_in(self._longest_history())
        self._next = next(reversed(self._slots)) + self._step
        self._thread = threading.Thread(target=self._follow, name="tradeready-hub", daemon=True)

    def start(self) -> None:
        """Begin to take slots."""
        self._thread.start()

    def listen(self, listener: Callable[[Slot], object]) -> None:
        """Call `listener` with each slot, in the hub's thread."""
        self._listeners.append(listener)

    # ---- the contract ----

    def history(self, bars: int) -> Candles:
        """The newest candles that are kept; more of them from the feed."""
        with self._changed:
            slots = list(self._slots.values())
        return _candles(self, slots[-bars:]) if len(slots) >= bars else self._feed.history(bars)

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot, also one that was handed out before."""
        deadline = None if timeout is None else wall.monotonic() + timeout
        while (slot := self._fetched(time, deadline)) is None:
            with self._changed:
                if time >= next(iter(self._slots)):
                    return self._kept_or_coming(time, deadline)
            if deadline is not None and wall.monotonic() >= deadline:
                return None
        return slot

    def passed(self, time: int) -> None:
        """A recording goes on behind the slot; the venue's past is none of our business."""
        if time >= self._next:
            self._feed.passed(time)

    def now(self) -> int:
        """The feed's clock."""
        return self._feed.now()

    def opening_prices(self) -> Mapping[str, float]:
        """Those of the feed."""
        return self._feed.opening_prices()

    def prices(self) -> Mapping[str, float]:
        """Those of the feed."""
        return self._feed.prices()

    def quotes(self) -> Mapping[str, tuple[float, float]]:
        """Those of the feed."""
        return self._feed.quotes()

    @property
    def has_book(self) -> bool:
        """As the feed."""
        return self._feed.has_book

    def instruments(self) -> Mapping[str, Instrument]:
        """Those that the venue had when the hub was made."""
        return self._instruments

    @property
    def health(self) -> FeedHealth:
        """That of the feed."""
        return self._feed.health

    @property
    def newest(self) -> Slot:
        """The newest closed slot."""
        with self._changed:
            return next(reversed(self._slots.values()))

    @property
    def clock(self) -> int:
        """When the newest closed slot ended."""
        return self.newest.time + self._step

    @property
    def oldest(self) -> int:
        """When the oldest slot that is kept opened."""
        with self._changed:
            return next(iter(self._slots))

    @property
    def ended(self) -> bool:
        """Whether no further candle will come: the recording is over, or the feed was closed."""
        return self._ended is not None

    def kept_from(self, time: int, most: int) -> list[Slot]:
        """The slots that are kept from `time` on, oldest first, at most so many."""
        with self._changed:
            skipped = max(0, -((next(iter(self._slots)) - time) // self._step))
            return list(islice(self._slots.values(), skipped, skipped + most))

    @property
    def live(self) -> bool:
        """Whether further candles may come, and none is missing."""
        return self._ended is None and self.health.state is FeedState.LIVE

    def close(self) -> None:
        """Close the feed and end the thread."""
        self._closing.set()
        self._feed.close()
        self._end("the feed was closed")
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(10.0)

    # ---- inside ----

    def _longest_history(self) -> Candles:
        try:
            return self._feed.history(self.kept)
        except DataUnavailable:
            return self._feed.history(max(2, 86_400 // self.timeframe.seconds) + 1)

    def _take_in(self, candles: Candles) -> None:
        values = np.stack([getattr(candles, name) for name in _NAMES], axis=2)
        for row, time in enumerate(candles.times.tolist()):
            self._slots[time] = Slot(time, values[:, row], candles.gaps[:, row])

    def _kept_or_coming(self, time: int, deadline: float | None) -> Slot | None:
        with self._changed:
            while time not in self._slots:
                if self._ended is not None:
                    raise FeedEnded(self._ended)
                left = _WAIT if deadline is None else min(_WAIT, deadline - wall.monotonic())
                if left <= 0.0:
                    return None
                self._changed.wait(left)
            return self._slots[time]

    def _fetched(self, time: int, deadline: float | None) -> Slot | None:
        # a venue that does not answer must hold up nobody else: only those who want old slots wait for one another
        if time >= self.oldest:
            return None
        if not self._fetching.acquire(timeout=-1.0 if deadline is None else max(0.0, deadline - wall.monotonic())):
            return None
        try:
            for _ in range(_TRIES):
                if time >= self.oldest:
                    return None
                bars = self._bars_since(time)
                candles = self._feed.history(bars)
                if candles.start > time and self._bars_since(time) > bars:
                    continue  # the newest have moved on while it was asked
                slot = self._put_before(candles, time)
                if slot is not None:
                    return slot
            raise DataUnavailable(
                f"the candles from {format_time(time)} to {format_time(self.oldest)} could not be had in one piece in {_TRIES} "
                f"attempts: the feed moved on meanwhile, or its history lags behind. Ask again"
            )
        finally:
            self._fetching.release()

    def _bars_since(self, time: int) -> int:
        return (self._feed.now() - time) // self._step + 2

    def _put_before(self, candles: Candles, time: int) -> Slot | None:
        with self._changed:
            first = next(iter(self._slots))
            if not candles.start <= time < candles.end:
                raise ConfigurationError(
                    f"the feed has no candle of {format_time(time)}; it cannot be gone on from there"
                )
            older = candles.between(time, min(first, candles.end))
            if older.end < first:
                return None  # so many candles have closed meanwhile that some are missing between the two
            slots, self._slots = self._slots, OrderedDict()
            self._take_in(older)
            self._slots.update(slots)
            return self._slots[time]

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                slot = self._feed.wait(self._next, _WAIT)
            except (FeedEnded, ConfigurationError) as error:
                # no further question would be answered otherwise
                _log.error("the feed has ended: %s", error)
                self._end(str(error))
                return
            except Exception:
                _log.exception("the feed failed; it is asked again")
                self._closing.wait(_WAIT)
                continue
            if slot is not None:
                self._add(slot)

    def _add(self, slot: Slot) -> None:
        with self._changed:
            before = next(reversed(self._slots.values())).values
            filler = np.column_stack([before[:, 3]] * 4 + [np.zeros(len(before))])
            values = np.where(slot.gaps[:, None], filler, slot.values)
            self._slots[slot.time] = Slot(slot.time, values, slot.gaps, slot.info)
            while len(self._slots) > self.kept:
                self._slots.popitem(last=False)
            self._next = slot.time + self._step
            self._changed.notify_all()
        for listener in self._listeners:
            try:
                listener(slot)
            except Exception:
                _log.exception("a listener failed at the candle of %s", format_time(slot.time))

    def _end(self, reason: str) -> None:
        with self._changed:
            self._ended = self._ended or reason
            self._changed.notify_all()


def _candles(feed: Feed, slots: Sequence[Slot]) -> Candles:
    values = np.stack([slot.values for slot in slots], axis=1)
    columns: dict[str, Any] = {name: values[:, :, place] for place, name in enumerate(_NAMES)}
    gaps = np.stack([slot.gaps for slot in slots], axis=1)
    times = np.array([slot.time for slot in slots], np.int64)
    return Candles(feed.symbols, feed.timeframe, times, **columns, gaps=gaps, source="live")
