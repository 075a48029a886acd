"""Closed candles of any exchange that ccxt knows, asked for over REST: `pip install tradeready-gym[live]`.

ccxt's own streams do not say whether a candle is closed, so nothing is streamed: when a candle must have closed by the venue's
clock, it is asked for. Requests go through ccxt's throttle, which knows the venue's rate limit.
"""

import logging
import threading
import time as wall
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from tradeready_gym.errors import DataUnavailable, DownloadError, UnknownName
from tradeready_gym.live.assembler import Assembler
from tradeready_gym.live.binance import possible
from tradeready_gym.live.clock import Clock, WallClock
from tradeready_gym.live.feed import Feed, FeedEnded, FeedHealth, FeedState, Slot, require_symbols, slot_out_of_turn
from tradeready_gym.live.venue_clock import VenueClock
from tradeready_gym.market import Candles, Instrument, Span, Timeframe
from tradeready_gym.market.sources.exchange import connect_exchange, fetch_rows, find_market

_DECLARE_AFTER = 8  # times the patience
_POLL = 0.05
_TOLERANCE = 1_500_000  # microseconds; some venues tell whole seconds
_LONGEST_WAIT = 60.0
_REFUSED_FOR = 5.0  # seconds, where the venue does not say for how long
_PAGE = 500
_DECIMAL_PLACES = 2  # of ccxt's precision modes; the others give a step
_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class CcxtFeed(Feed):
    """The feed of a list of symbols of one venue, by polling.

    A candle counts as closed when the venue's own clock has passed its end; a venue that does not tell its time is judged by
    this machine's, `patience` later. A slot that the venue does not have eight times the patience later is a gap. Refusals and
    failures are waited out, and kept as `health.last_problem`.

    Args:
        venue: a ccxt id such as "kraken", or a ccxt object (of its synchronous kind).
        symbols: as elsewhere (`BTCUSDT`) or as in ccxt (`BTC/USDT`).
        timeframe: one that the venue has.
        clock: what time it is here; the venue's offset from it is measured.
        patience: seconds between two questions for a candle that is not there.

    Raises:
        ConfigurationError: ccxt is not installed.
        UnknownName: ccxt has no such venue, or the venue no such symbol or timeframe.
        DownloadError: the venue does not answer.
    """

    def __init__(
        self,
        venue: Any,
        symbols: str | Sequence[str],
        timeframe: str | Timeframe = "1m",
        *,
        clock: Clock | None = None,
        patience: float = 3.0,
    ) -> None:
        self._venue = connect_exchange(venue)
        self.timeframe = Timeframe.parse(timeframe)
        if self.timeframe.label not in (self._venue.timeframes or {}):
            known = self._venue.timeframes or {}
            raise UnknownName("timeframe", self.timeframe.label, known, f" Those are what {self._venue.id} offers.")
        self._clock = clock or WallClock()
        self._patience = int(patience * 1e6)
        self._closing = threading.Event()
        self._asking = threading.RLock()
        self._not_before, self._failures = 0.0, 0
        self._time = VenueClock(self._clock, _TOLERANCE)
        self._state, self._problem = FeedState.CONNECTING, None
        self._counts = {"reconnects": 0, "backfilled": 0, "malformed": 0, "gaps": 0}
        self._opens: dict[str, tuple[int, float]] = {}
        self._newest: dict[str, tuple[int, tuple[float, ...]]] = {}
        self._denied: dict[tuple[str, int], int] = {}
        self._next_poll = 0
        self._assembler: Assembler | None = None
        self._markets = self._insist(self._venue.load_markets)
        names = require_symbols(symbols)
        self._names = {name.replace("/", ""): find_market(self._markets, name, self._venue.id) for name in names}
        self.symbols = tuple(self._names)

    _problem: str | None

    # ---- the contract ----

    def history(self, bars: int) -> Candles:
        """Candles up to the newest that the venue has closed, in pages of its size."""
        there = self._insist(self._venue_time)
        step = self.timeframe.microseconds
        end = there // step * step
        span = Span(end - (bars + 1) * step, end)
        parts = []
        for symbol, market in self._names.items():
            with self._asking:
                rows = fetch_rows(self._venue, market, self.timeframe, span, self._pause, there // 1000)
            if not rows:
                raise DataUnavailable(f"{self._venue.id} has no closed candle of {market} {self.timeframe.label}")
            times, *columns = zip(*rows, strict=True)
            source = f"{self._venue.id}, live"
            moments = [int(time) * 1000 for time in times]
            self._time.has_candle(moments[-1])
            self._newest[symbol] = moments[-1], tuple(float(value) for value in rows[-1][1:6])
            parts.append(Candles.from_arrays(symbol, self.timeframe, moments, *columns, source=source, end=end))
        merged = Candles.merge(parts)
        if len(merged) < bars:
            raise DataUnavailable(
                f"{bars} candles of history are needed; {self._venue.id} hands out {len(merged)} of {self.symbols} "
                f"{self.timeframe.label}. A coarser timeframe, or features and a lookback_window that look back less far, need fewer"
            )
        return merged

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot, as soon as the venue says that it is closed, or it is declared a gap."""
        if self._assembler is None:
            self._assembler = Assembler(self.symbols, self.timeframe.microseconds, time)
        if self._assembler.next != time:
            raise slot_out_of_turn(self._assembler.next, time)
        deadline = None if timeout is None else wall.monotonic() + timeout
        while True:
            if self._closing.is_set():
                raise FeedEnded("the feed was closed")
            slot = self._assembler.take()
            if slot is not None:
                if not slot.gaps.all():
                    self._time.has_candle(time)
                self._denied = {key: at for key, at in self._denied.items() if key[1] > time}
                return slot
            if self._may_poll(time + self.timeframe.microseconds):
                self._poll(self._assembler)
                continue
            left = _POLL if deadline is None else min(_POLL, deadline - wall.monotonic())
            if left <= 0.0:
                return None
            self._closing.wait(left)

    def now(self) -> int:
        """This machine's clock, corrected by the venue's offset; never before what the venue has said to be past."""
        return self._time.now()

    def opening_prices(self) -> Mapping[str, float]:
        """The opens of the candles that are running now, as far as the venue has traded in them."""
        step = self.timeframe.microseconds
        current = self.now() // step * step
        missing = [symbol for symbol in self.symbols if self._opens.get(symbol, (0, 0.0))[0] != current]
        for symbol in missing:
            try:
                self._read(symbol, current, self.now(), None)
            except DownloadError as error:
                self._problem = str(error)
        return {symbol: price for symbol, (time, price) in self._opens.items() if time == current}

    def instruments(self) -> Mapping[str, Instrument]:
        """The venue's filters: steps of price and quantity, the least value, the least and the largest quantity of an order."""
        decimals = self._venue.precisionMode == _DECIMAL_PLACES
        return {symbol: _rules(symbol, self._markets[market], decimals) for symbol, market in self._names.items()}

    def quotes(self) -> Mapping[str, tuple[float, float]]:
        """The best bid and ask of each symbol, asked for now.

        Raises:
            DownloadError: the venue does not answer, or does not say.
        """
        found = {symbol: self._ask(partial(self._ticker, market)) for symbol, market in self._names.items()}
        for symbol, ticker in found.items():
            if not (ticker.get("bid") and ticker.get("ask")):
                raise DownloadError(f"{self._venue.id} says no best bid and ask of {symbol}")
        return {symbol: (float(ticker["bid"]), float(ticker["ask"])) for symbol, ticker in found.items()}

    @property
    def health(self) -> FeedHealth:
        """Counters and state; `reconnects` counts requests that failed."""
        assembler = self._assembler
        arrivals = assembler.arrivals if assembler is not None else None
        return FeedHealth(
            state=self._state,
            newest_slot=None if assembler is None else assembler.next - self.timeframe.microseconds,
            reconnects=self._counts["reconnects"],
            backfilled=self._counts["backfilled"],
            late=arrivals.late if arrivals else 0,
            duplicates=arrivals.duplicates if arrivals else 0,
            corrections=arrivals.corrections if arrivals else 0,
            malformed=self._counts["malformed"],
            declared_gaps=self._counts["gaps"],
            wrong_times=self._time.wrong,
            clock_offset_us=self._time.offset,
            last_problem=self._problem,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._closing.set()
        self._state = FeedState.CLOSED
        session = getattr(self._venue, "session", None)
        if session is not None:
            session.close()

    # ---- asking ----

    def _may_poll(self, closes: int) -> bool:
        now = self.now()
        early = now < closes or 0 < self._next_poll - now <= self._patience
        return not early and wall.monotonic() >= self._not_before

    def _poll(self, assembler: Assembler) -> None:
        """Ask for everything that has closed and is not here."""
        step = self.timeframe.microseconds
        try:
            there = self._ask(self._venue_time)
            absent = assembler.missing(there // step * step)
            for symbol in self.symbols:
                times = [time for name, time in absent if name == symbol]
                if times:
                    present = self._read(symbol, times[0], there, assembler)
                    self._counts["backfilled"] += len(times) > 1
                    self._declare(assembler, symbol, times[:_PAGE], present, there)
        except DownloadError as error:
            if not self._closing.is_set():
                self._state, self._problem = FeedState.CONNECTING, str(error)
            self._next_poll = self.now() + self._patience
            return
        late = assembler.missing(there // step * step)
        self._next_poll = self.now() + self._patience if late or not absent else 0
        if not self._closing.is_set():
            self._state = FeedState.BACKFILLING if late else FeedState.LIVE

    def _read(self, symbol: str, since: int, there: int, assembler: Assembler | None) -> set[int]:
        step, market = self.timeframe.microseconds, self._names[symbol]
        # from a candle on that the venue has: ccxt makes an empty answer of one that it could not read, which is no denial
        known, values_then = self._newest.get(symbol, (since, ()))
        first = min(known, since)
        rows = self._ask(
            lambda: self._venue.fetch_ohlcv(market, self.timeframe.label, since=first // 1000, limit=_PAGE)
        )
        if not rows:
            self._counts["malformed"] += 1
            raise DownloadError(f"{self._venue.id} answered without any candle of {market}")
        present = set()
        for row in rows:
            if len(row) < 6 or any(value is None for value in row[:6]):
                self._counts["malformed"] += 1
                continue
            time, values = int(row[0]) * 1000, tuple(float(value) for value in row[1:6])
            present.add(time)
            if not possible(values):  # type: ignore[arg-type]
                self._counts["malformed"] += 1
            elif time + step > there:
                self._opens[symbol] = (time, values[0])
            elif assembler is not None and (time > known or values != values_then):
                assembler.offer(symbol, time, values)  # type: ignore[arg-type]
                if time >= self._newest.get(symbol, (0, ()))[0]:
                    self._newest[symbol] = time, values
        return present

    def _declare(self, assembler: Assembler, symbol: str, absent: list[int], present: set[int], there: int) -> None:
        for time in absent:
            since = self._denied.setdefault((symbol, time), there)
            if time not in present and there - since > _DECLARE_AFTER * self._patience:
                assembler.declare_gap(symbol, time)
                self._counts["gaps"] += 1

    def _venue_time(self) -> int:
        """A moment that the venue's clock has passed; the offset is measured on the way."""
        if not self._venue.has.get("fetchTime"):
            return self._clock.now() - self._patience
        wrong = self._time.wrong
        try:
            return self._time.measure(self._time_told)
        finally:
            if self._time.wrong > wrong:
                self._problem = self._time.problem

    def _time_told(self, asking: Callable[[], object]) -> int:
        asking()
        there = self._venue.fetch_time()
        if there is None:
            raise DownloadError(f"{self._venue.id} did not say what time it is there")
        return int(there) * 1000

    def _ticker(self, market: str) -> Any:
        if self._venue.has.get("fetchBidsAsks"):
            return self._venue.fetch_bids_asks([market])[market]
        return self._venue.fetch_ticker(market)

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """One request; what ccxt raises becomes one of ours, and a refusal is respected."""
        with self._asking:
            seconds = self._not_before - wall.monotonic()
            if seconds > 0.0:
                raise DownloadError(f"{self._venue.id} has to wait for {seconds:.1f} s: it refused, or failed")
            try:
                answer = call()
            except DownloadError:
                raise
            except Exception as error:
                kinds = {kind.__name__ for kind in type(error).__mro__}
                if "BadSymbol" in kinds:
                    raise UnknownName(f"symbol of {self._venue.id}", str(error), ()) from error
                self._failed(error, kinds)
                raise DownloadError(f"{self._venue.id} failed: {type(error).__name__}: {error}") from error
            self._failures = 0
            return answer

    def _failed(self, error: Exception, kinds: set[str]) -> None:
        if "BaseError" not in kinds:  # ccxt stumbled over an answer that it did not expect
            self._counts["malformed"] += 1
        self._counts["reconnects"] += 1
        self._failures += 1
        seconds = min(_LONGEST_WAIT, 0.25 * 2.0 ** min(self._failures, 10))
        if kinds & {"RateLimitExceeded", "DDoSProtection"}:
            told = {name.lower(): value for name, value in (self._venue.last_response_headers or {}).items()}
            seconds = float(told.get("retry-after") or max(seconds, _REFUSED_FOR))
        self._not_before = wall.monotonic() + seconds
        _log.warning("%s failed, it is asked again in %.1f s: %s", self._venue.id, seconds, error)

    def _insist(self, call: Callable[[], Answer]) -> Answer:
        for _ in range(4):
            try:
                return self._ask(call)
            except DownloadError:
                self._pause(max(0.0, self._not_before - wall.monotonic()))
        return self._ask(call)

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise FeedEnded("the feed was closed")


def _rules(symbol: str, market: Mapping[str, Any], decimals: bool) -> Instrument:
    limits, precision = market.get("limits") or {}, market.get("precision") or {}

    def step(name: str) -> float:
        value = precision.get(name)
        return 0.0 if value is None else 10.0 ** -float(value) if decimals else float(value)

    return Instrument(
        symbol,
        lot_size=step("amount"),
        tick_size=step("price"),
        min_notional=float((limits.get("cost") or {}).get("min") or 0.0),
        max_quantity=float((limits.get("amount") or {}).get("max") or 0.0),
        min_quantity=float((limits.get("amount") or {}).get("min") or 0.0),
    )
