"""Closed candles of the feed of a platform: `tradeready serve --feed ...` listens to the venue, and many trade at what it hears."""

import threading
import time as wall
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from tradeready_gym.errors import (
    ConfigurationError,
    DataUnavailable,
    DownloadError,
    PlatformRefused,
    PlatformUnavailable,
)
from tradeready_gym.live.binance import possible
from tradeready_gym.live.clock import Clock, WallClock
from tradeready_gym.live.feed import Feed, FeedEnded, FeedHealth, FeedState, Slot, require_symbols, slot_out_of_turn
from tradeready_gym.live.platform_rest import ATTEMPTS, PlatformRest
from tradeready_gym.market import Candles, Instrument, Timeframe, format_time, parse_time

_NAMES = ("open", "high", "low", "close", "volume")
_CANDLES = ("slots", "clock", "state", "ended")
_NOW = ("interval", "clock", "newest_end", "oldest", "state", "opens", "prices", "filters", "has_book")
_FILTERS = tuple(field.name for field in fields(Instrument) if field.name != "symbol")
_LONGEST_POLL = 5.0  # seconds for which the platform may keep an answer back until a candle has closed
_POLL = 0.25


class PlatformFeed(Feed):
    """The feed of some of the symbols that a platform's own feed brings, over REST.

    The platform is asked for the slot that comes next, and answers when every candle of it has closed; after an interruption it
    answers with everything that closed meanwhile. Slots are taken in their order, each once; one that the platform leaves out is
    asked for again. A platform that is away is asked again, later and later; `health` says so, and nobody decides meanwhile: the
    clock is the platform's, and `now` waits for it.

    Args:
        base_url: the platform's address; `$TRADEREADY_URL` or http://localhost:8000 by default.
        api_key: a key of its, with the scope `read`.
        symbols: some of those that its feed brings.
        timeframe: that of its feed.
        clock: what time it is here, from which `health` counts the platform's offset.

    Raises:
        PlatformUnavailable: no platform answers.
        PlatformRefused: it does not take the key, or is none.
        DataUnavailable: it has no feed.
        UnknownName: its feed has no such symbol.
        ConfigurationError: its feed has candles of another length.
    """

    def __init__(
        self,
        base_url: str | None,
        api_key: str,
        symbols: str | Sequence[str],
        timeframe: str | Timeframe = "1m",
        *,
        clock: Clock | None = None,
    ) -> None:
        self.symbols, self.timeframe = require_symbols(symbols), Timeframe.parse(timeframe)
        self._clock = clock or WallClock()
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._rest = PlatformRest(base_url, api_key, self._pause)
        self._slots: deque[Slot] = deque()
        self._next: int | None = None
        self._seen = self._offset = 0
        self._state = FeedState.CONNECTING
        self._counts = {"backfilled": 0, "duplicates": 0, "malformed": 0, "gaps": 0}
        self._problem: str | None = None
        self._book = False
        try:
            self._rules = self._checked()
        except BaseException:
            self._rest.close()
            raise

    def __repr__(self) -> str:
        return f"PlatformFeed({self._rest.url!r}, '...', {self.symbols!r}, {self.timeframe.label!r})"

    # ---- the contract ----

    def history(self, bars: int) -> Candles:
        """The newest `bars` candles that the platform keeps; it keeps some days of them.

        Raises:
            DataUnavailable: it keeps fewer.
            PlatformUnavailable: it does not answer.
        """
        now, step = self._now_there(), self.timeframe.microseconds
        end, oldest = parse_time(now["newest_end"]), parse_time(now["oldest"])
        first = end - bars * step
        if first < oldest:
            raise DataUnavailable(
                f"{bars} candles of history are needed; the platform at {self._rest.url} keeps {(end - oldest) // step} of its "
                f"feed. A coarser timeframe, or features and a lookback_window that look back less far, need fewer"
            )
        slots: list[Slot] = []
        while len(slots) < bars:
            start = first + len(slots) * step
            page, _ = self._page(start, self._rest.ask("/feed/candles", self._query(start), _CANDLES))
            if not page:
                raise DataUnavailable(
                    f"the platform at {self._rest.url} said that it keeps the candle of {format_time(start)}, and does not give it"
                )
            slots += page
        slots = slots[:bars]
        values = np.stack([slot.values for slot in slots], axis=1)
        columns: dict[str, Any] = {name: values[:, :, place] for place, name in enumerate(_NAMES)}
        gaps = np.stack([slot.gaps for slot in slots], axis=1)
        times = np.array([slot.time for slot in slots], np.int64)
        source = f"platform ({self._rest.url}), live"
        return Candles(self.symbols, self.timeframe, times, **columns, gaps=gaps, source=source)

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot, as soon as the platform has it.

        Raises:
            FeedEnded: its recording is over, or this feed was closed.
            PlatformRefused: it does not take the key any more.
            DataUnavailable: it has no feed any more, or does not keep the slot any more.
        """
        deadline = None if timeout is None else wall.monotonic() + timeout
        while True:
            if self._closing.is_set():
                raise FeedEnded("the feed was closed")
            slot = self._taken(time)
            if slot is not None:
                return slot
            left = _LONGEST_POLL if deadline is None else max(0.0, deadline - wall.monotonic())
            held = self._rest.held()
            if held > 0.0:
                self._closing.wait(min(_POLL, held, left))
            else:
                self._fetch(time, left)
            if deadline is not None and not self._slots and wall.monotonic() >= deadline:
                return None

    def now(self) -> int:
        """The platform's clock, which it is asked for; never before what it has said to be past.

        Raises:
            FeedEnded: the feed was closed.
            PlatformRefused: it does not take the key any more.
        """
        self._now_there(attempts=None)
        return self._seen

    def opening_prices(self) -> Mapping[str, float]:
        """The opens of the candles that are running, as the platform knows them; none while it is away."""
        return self._figures("opens")

    def prices(self) -> Mapping[str, float]:
        """The newest prices of the candles that are running, as the platform knows them; none while it is away."""
        return self._figures("prices")

    def quotes(self) -> Mapping[str, tuple[float, float]]:
        """The best bid and ask of each symbol, for which the platform asks its venue now.

        Raises:
            DataUnavailable: there is no book behind its feed.
            DownloadError: it does not answer, or its venue does not say.
        """
        if not self._book:
            return super().quotes()
        try:
            told = self._now_there(attempts=1, quotes="true").get("quotes") or {}
        except PlatformUnavailable as error:
            raise DownloadError(str(error)) from error
        if not set(self.symbols) <= told.keys():
            raise DownloadError(
                f"the platform at {self._rest.url} does not know the best bid and ask of {self.symbols}"
            )
        return {symbol: (float(bid), float(ask)) for symbol, (bid, ask) in told.items()}

    @property
    def has_book(self) -> bool:
        """Whether the platform's feed has one."""
        return self._book

    def instruments(self) -> Mapping[str, Instrument]:
        """The filters of the platform's venue."""
        return self._rules

    @property
    def health(self) -> FeedHealth:
        """Counters and state; `reconnects` counts questions that were not answered."""
        rest, step = self._rest, self.timeframe.microseconds
        away = rest.away and self._state is not FeedState.CLOSED
        return FeedHealth(
            state=FeedState.CONNECTING if away else self._state,
            newest_slot=None if self._next is None else self._next - step,
            reconnects=rest.failed,
            backfilled=self._counts["backfilled"],
            duplicates=self._counts["duplicates"],
            malformed=self._counts["malformed"] + rest.malformed,
            declared_gaps=self._counts["gaps"],
            clock_offset_us=self._offset,
            last_problem=rest.problem if away else self._problem or rest.problem,
        )

    def close(self) -> None:
        """Ask no more."""
        self._closing.set()
        self._state = FeedState.CLOSED
        self._rest.close()

    # ---- asking ----

    def _checked(self) -> dict[str, Instrument]:
        now = self._now_there()
        if now["interval"] != self.timeframe.label:
            raise ConfigurationError(
                f"the feed at {self._rest.url} has candles of {now['interval']}; got timeframe={self.timeframe.label!r}. Take "
                f"that, or a platform that was started with --timeframe {self.timeframe.label}"
            )
        self._book = bool(now["has_book"])
        return {
            symbol: Instrument(symbol, **{name: rule[name] for name in _FILTERS if name in rule})
            for symbol, rule in now["filters"].items()
        }

    def _now_there(self, attempts: int | None = ATTEMPTS, **more: str) -> dict[str, Any]:
        now: dict[str, Any] = self._rest.ask("/feed", {"symbols": ",".join(self.symbols), **more}, _NOW, attempts)
        self._learn(now)
        return now

    def _figures(self, name: str) -> Mapping[str, float]:
        if self._rest.held() > 0.0:
            return {}
        try:
            return {symbol: float(price) for symbol, price in self._now_there(attempts=1)[name].items()}
        except PlatformUnavailable:
            return {}

    def _learn(self, told: Mapping[str, Any]) -> None:
        try:
            there, state = parse_time(told["clock"]), FeedState(told["state"])
        except (TypeError, ValueError) as error:
            raise PlatformRefused(
                f"what answers at {self._rest.url} is no platform of this version: {error}"
            ) from error
        with self._lock:
            self._seen = max(self._seen, there)
            self._offset = there - self._clock.now()
            if not self._closing.is_set():
                self._state = state

    def _taken(self, time: int) -> Slot | None:
        with self._lock:
            if self._next is None:
                self._next = time
            expected = self._slots[0].time if self._slots else self._next
            if expected != time:
                raise slot_out_of_turn(expected, time)
            return self._slots.popleft() if self._slots else None

    def _fetch(self, time: int, seconds: float) -> None:
        query = self._query(time) | {"wait_seconds": f"{min(_LONGEST_POLL, seconds):.3f}"}
        begin = wall.monotonic()
        try:
            told = self._rest.ask("/feed/candles", query, _CANDLES, attempts=1)
        except PlatformUnavailable:
            return
        self._learn(told)
        page, problem = self._page(time, told)
        with self._lock:
            self._problem = problem or self._problem
            if self._slots or self._next != time:
                return  # somebody else has asked meanwhile
            self._slots.extend(page)
            self._next = time + len(page) * self.timeframe.microseconds
            self._counts["backfilled"] += max(0, len(page) - 1)
            self._counts["gaps"] += sum(bool(slot.gaps.any()) for slot in page)
        if not page and told["ended"]:
            raise FeedEnded(f"the feed at {self._rest.url} has no candle after {format_time(time)}: it is over")
        if not page and wall.monotonic() - begin < min(_POLL, seconds):
            # it is behind, or does not have it: asked again, at a pace
            self._closing.wait(min(_POLL, seconds))

    def _query(self, time: int) -> dict[str, str]:
        return {"symbols": ",".join(self.symbols), "start_time": format_time(time)}

    def _page(self, first: int, told: Mapping[str, Any]) -> tuple[list[Slot], str | None]:
        """The slots of an answer from `first` on, up to the first that is missing or impossible; what was wrong."""
        page: list[Slot] = []
        expected, step = first, self.timeframe.microseconds
        for entry in told["slots"]:
            slot = self._slot(entry)
            if slot is None:
                self._counts["malformed"] += 1
                return page, f"the slot of {format_time(expected)} cannot be one; it is asked for again"
            if slot.time > expected:
                return page, f"the platform left out the slot of {format_time(expected)}; it is asked for again"
            if slot.time < expected:
                self._counts["duplicates"] += 1
                continue
            page.append(slot)
            expected += step
        return page, None

    def _slot(self, entry: Any) -> Slot | None:
        try:
            values, gaps = np.array(entry["values"], np.float64), np.array(entry["gaps"], np.bool_)
            time = parse_time(entry["time"])
        except (KeyError, TypeError, ValueError):
            return None
        if values.shape != (len(self.symbols), 5) or gaps.shape != (len(self.symbols),):
            return None
        rows = zip(values.tolist(), gaps.tolist(), strict=True)
        return Slot(time, values, gaps) if all(gap or possible(tuple(row)) for row, gap in rows) else None

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise FeedEnded("the feed was closed")
