"""Closed candles of Binance, from its public streams, with what was missed fetched over REST.

Source of the messages: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams (klines). The wire says
when a candle is closed (`k.x`), and is believed once the venue's clock has passed the candle's end.
"""

import contextlib
import json
import logging
import threading
import time as wall
from collections.abc import Mapping, Sequence

import numpy as np

from tradeready_gym.errors import ConfigurationError, DataUnavailable, DownloadError, TradeReadyError
from tradeready_gym.live.assembler import Assembler, Values
from tradeready_gym.live.binance_rest import ATTEMPTS, REST_URL, BinanceRest
from tradeready_gym.live.clock import Clock, WallClock
from tradeready_gym.live.feed import Feed, FeedEnded, FeedHealth, FeedState, Slot, require_symbols, slot_out_of_turn
from tradeready_gym.live.venue_clock import VenueClock
from tradeready_gym.market import Candles, Instrument, Timeframe

STREAM_URL = "wss://data-stream.binance.vision"
_DECLARE_AFTER = 8  # times the patience
_SILENCE = 30.0  # seconds without a message after which a connection is given up
_POLL = 0.25
_TOLERANCE = 500_000  # microseconds by which two readings of the venue's clock may miss one another
_LONGEST_WAY = 5_000_000  # microseconds there and back
_EARLY = 100_000  # microseconds before its end at which a candle's last message may have been made
_REFINE_EVERY = 60.0  # seconds
_log = logging.getLogger(__name__)


class BinanceFeed(Feed):
    """The feed of a list of symbols.

    A thread keeps one connection. Whenever something may have been missed (a reconnect, a slot that is overdue) it asks
    REST; a slot that REST does not have either, `declare_after` later, is a gap. Until then nobody decides.

    Args:
        symbols: such as "BTCUSDT".
        timeframe: 1m, 5m, 15m, 30m, 1h, 4h or 1d.
        rest_url, stream_url: the public hosts by default, which need no key; a replica's for rehearsals.
        clock: what time it is here; the venue's offset from it is measured.
        patience: seconds that a closed candle may take to arrive before REST is asked for it; REST may deny it eight times as
            long before it is a gap.

    Raises:
        ConfigurationError: the package `websockets` is not installed.
    """

    def __init__(
        self,
        symbols: str | Sequence[str],
        timeframe: str | Timeframe = "1m",
        *,
        rest_url: str = REST_URL,
        stream_url: str = STREAM_URL,
        clock: Clock | None = None,
        patience: float = 2.0,
        seed: int | None = None,
    ) -> None:
        try:
            import websockets.sync.client  # noqa: F401
        except ModuleNotFoundError as error:
            raise ConfigurationError("live candles need websockets: pip install 'tradeready-gym[live]'") from error
        self.symbols = require_symbols(symbols)
        self.timeframe = Timeframe.parse(timeframe)
        self._clock = clock or WallClock()
        self._stream_url = stream_url.rstrip("/")
        self._jitter = np.random.default_rng(seed)
        self._patience = int(patience * 1e6)
        self._closing = threading.Event()
        self._rest = BinanceRest(rest_url, self._pause, seed)
        self._time = VenueClock(self._clock, _TOLERANCE, _LONGEST_WAY)
        self._heard = False
        self._measure_again = self._refine_again = 0.0
        self._changed = threading.Condition()
        self._assembler: Assembler | None = None
        self._opens: dict[str, tuple[int, float]] = {}
        self._prices: dict[str, tuple[int, float]] = {}
        self._state = FeedState.CONNECTING
        self._counts = {"reconnects": 0, "backfilled": 0, "malformed": 0, "gaps": 0, "wrong_times": 0, "too_early": 0}
        self._problem: str | None = None
        self._denied: dict[tuple[str, int], int] = {}
        self._next_chase = 0
        self._thread: threading.Thread | None = None
        self._never: ConfigurationError | None = None

    # ---- the contract ----

    def history(self, bars: int) -> Candles:
        """Candles over REST up to the newest closed one."""
        there = self._measure_clock()
        step = self.timeframe.microseconds
        end = there // step * step
        parts = []
        for symbol in self.symbols:
            rows = self._rest.klines(symbol, self.timeframe, end - (bars + 1) * step, end)
            rows = [row for row in rows if row[1] < there]
            if not rows:
                raise DataUnavailable(f"the venue has no closed candle of {symbol} {self.timeframe.label}")
            columns = list(zip(*(values for _, _, values in rows), strict=True))
            times = [time for time, _, _ in rows]
            self._time.has_candle(times[-1])
            parts.append(Candles.from_arrays(symbol, self.timeframe, times, *columns, source="Binance, live", end=end))
        merged = Candles.merge(parts)
        if len(merged) < bars:
            raise DataUnavailable(
                f"{bars} candles of history are needed; the venue has {len(merged)} of {self.symbols}"
            )
        return merged

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot, as soon as it is closed or declared a gap."""
        self._start(time)
        deadline = None if timeout is None else wall.monotonic() + timeout
        with self._changed:
            while True:
                if self._closing.is_set():
                    raise FeedEnded("the feed was closed")
                if self._never is not None:
                    raise self._never
                slot = self._taken(time)
                if slot is not None:
                    return slot
                left = _POLL if deadline is None else min(_POLL, deadline - wall.monotonic())
                if left <= 0.0:
                    return None
                self._changed.wait(left)

    def now(self) -> int:
        """This machine's clock, corrected by the venue's offset; never before what the venue has said to be past."""
        return self._time.now()

    def opening_prices(self) -> Mapping[str, float]:
        """The opens of the candles that are running now."""
        step = self.timeframe.microseconds
        current = self.now() // step * step
        with self._changed:
            return {symbol: price for symbol, (time, price) in self._opens.items() if time == current}

    def instruments(self) -> Mapping[str, Instrument]:
        """The venue's filters."""
        return self._rest.instruments(self.symbols)

    def prices(self) -> Mapping[str, float]:
        """The newest prices of the candles that are running now, as the stream tells them."""
        step = self.timeframe.microseconds
        current = self.now() // step * step
        with self._changed:
            return {symbol: price for symbol, (time, price) in self._prices.items() if time == current}

    def quotes(self) -> Mapping[str, tuple[float, float]]:
        """The best bid and ask of each symbol, asked for now, once.

        Raises:
            DownloadError: the venue does not answer at once.
        """
        return self._rest.quotes(self.symbols)

    @property
    def health(self) -> FeedHealth:
        """Counters and state."""
        with self._changed:
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
                malformed=self._counts["malformed"] + self._rest.malformed,
                declared_gaps=self._counts["gaps"],
                wrong_times=self._counts["wrong_times"] + self._time.wrong,
                too_early=self._counts["too_early"],
                clock_offset_us=self._time.offset,
                last_problem=self._problem,
            )

    def close(self) -> None:
        """End the thread and its connection."""
        self._closing.set()
        with self._changed:
            self._state = FeedState.CLOSED
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10.0)
        self._rest.close()

    # ---- the thread ----

    def _taken(self, time: int) -> Slot | None:
        if self._assembler is None:
            return None
        if self._assembler.next != time:
            raise slot_out_of_turn(self._assembler.next, time)
        if not self._time.has_passed(time + self.timeframe.microseconds):
            return None  # whoever said that it has closed was wrong about the time
        slot = self._assembler.take()
        if slot is not None:
            if not slot.gaps.all():
                self._time.has_candle(time)
            self._denied = {key: at for key, at in self._denied.items() if key[1] > time}
        return slot

    def _start(self, first: int) -> None:
        with self._changed:
            if self._thread is not None:
                return
            self._assembler = Assembler(self.symbols, self.timeframe.microseconds, first)
            self._thread = threading.Thread(target=self._run, name="tradeready-feed", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                self._follow()
                failures = 0
            except _Closing:
                return
            except ConfigurationError as error:
                # such as a symbol that the venue does not have any more: no other connection mends it
                self._note(FeedState.CLOSED, f"{type(error).__name__}: {error}")
                self._never = error
                return
            except Exception as error:
                # whatever a network can do ends here: it is kept as the last problem, and the next connection is tried; one
                # that has brought candles is no failure, however it ended
                failures = 0 if self._heard else failures + 1
                self._note(FeedState.CONNECTING, f"{type(error).__name__}: {error}")
                _log.warning("the feed lost its connection: %s", self._problem)
            self._counts["reconnects"] += 1
            try:
                self._pause(min(30.0, 0.1 * 2.0 ** min(failures, 9)) * self._jitter.uniform(0.5, 1.0))
            except _Closing:
                return

    def _follow(self) -> None:
        from websockets.sync.client import connect

        names = "/".join(f"{symbol.lower()}@kline_{self.timeframe.label}" for symbol in self.symbols)
        with connect(f"{self._stream_url}/stream?streams={names}", open_timeout=10, close_timeout=1) as stream:
            self._heard = False
            self._chase(at_once=True)
            silent = 0.0
            while not self._closing.is_set():
                try:
                    message = stream.recv(timeout=_POLL)
                except TimeoutError:
                    silent += _POLL
                    if silent > _SILENCE:
                        raise DownloadError(f"no message for {silent:.0f} s") from None
                else:
                    silent = 0.0
                    if self._take(message):
                        return
                self._chase()

    def _take(self, message: str | bytes) -> bool:
        """Read one message; returns whether the venue says that it is about to hang up."""
        try:
            event = json.loads(message)
            event = event.get("data", event)
            if event.get("e") == "serverShutdown":
                self._problem = "the venue announced a shutdown"
                return True
            if event.get("e") != "kline":
                return False
            candle = event["k"]
            symbol, time = str(candle["s"]), int(candle["t"]) * 1000
            values: Values = tuple(float(candle[name]) for name in ("o", "h", "l", "c", "v"))  # type: ignore[assignment]
            closed = bool(candle["x"])
            moment = int(event["E"]) * 1000
            if not possible(values):
                raise ValueError(f"no candle has the values {values}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._counts["malformed"] += 1
            self._problem = f"a message that is none of the documented ones: {error}"
            return False
        self._heard = True
        self._compare_clocks(moment)
        with self._changed:
            if closed and not self._may_be_closed(time, moment):
                return False
            if closed:
                self._offer(symbol, time, values)
            elif symbol in self.symbols and self._opens.get(symbol, (0, 0.0))[0] <= time <= self.now() + self._patience:
                self._opens[symbol], self._prices[symbol] = (time, values[0]), (time, values[3])
        return False

    def _may_be_closed(self, time: int, moment: int) -> bool:
        """Whether a candle that is called closed had ended by the message's own time, and may have by the venue's clock."""
        ends = time + self.timeframe.microseconds
        if ends <= moment + _EARLY and ends <= max(self.now(), self._time.latest()) + self._patience:
            return True
        self._counts["too_early"] += 1
        self._problem = f"a candle was called closed at {moment} us that ends at {ends} us; it is not believed"
        return False

    def _offer(self, symbol: str, time: int, values: Values) -> bool:
        if self._assembler is None or not possible(values):
            self._counts["malformed"] += 1
            return False
        news = self._assembler.offer(symbol, time, values)
        self._changed.notify_all()
        return news

    def _backfill(self) -> None:
        """Ask REST for every candle that has closed and is not here."""
        assembler = self._assembler
        if assembler is None:
            return
        step = self.timeframe.microseconds
        # asked for before the candles: what had ended by then was closed when they were read, whatever our clock says
        there = self._measure_clock(attempts=1)
        for symbol in self.symbols:
            with self._changed:
                absent = [time for name, time in assembler.missing(there // step * step) if name == symbol]
            if not absent:
                continue
            rows = self._rest.klines(symbol, self.timeframe, absent[0], absent[-1] + step, attempts=1)
            with self._changed:
                for time, closes, values in rows:
                    if closes < there and self._offer(symbol, time, values):
                        self._counts["backfilled"] += 1
                self._declare(assembler, symbol, absent, {time for time, _, _ in rows}, there)

    def _declare(self, assembler: Assembler, symbol: str, absent: list[int], present: set[int], now: int) -> None:
        for time in absent:
            if time in present:
                continue
            denied_since = self._denied.setdefault((symbol, time), now)
            if now - denied_since > _DECLARE_AFTER * self._patience:
                assembler.declare_gap(symbol, time)
                self._counts["gaps"] += 1
                self._changed.notify_all()

    def _chase(self, *, at_once: bool = False) -> None:
        """Ask REST for what is overdue; the stream goes on whether it answers or not."""
        if self._time.is_doubtful:
            self._measure_now_and_then()
        step, now = self.timeframe.microseconds, self.now()
        with self._changed:
            if self._assembler is None:
                return
            absent = self._assembler.missing((now - (0 if at_once else self._patience)) // step * step)
        if not absent and not at_once:
            self._next_chase = 0
            self._note(FeedState.LIVE, None)
            return
        # a clock that was set back must not put it off
        if not at_once and 0 <= self._next_chase - now <= self._patience:
            return
        self._next_chase = now + self._patience
        self._note(FeedState.BACKFILLING, f"{len(absent)} closed candles have not arrived" if absent else None)
        try:
            self._backfill()
        except DownloadError as error:
            self._note(FeedState.BACKFILLING, str(error))
            return
        if at_once:
            self._note(FeedState.LIVE, None)

    def _measure_clock(self, attempts: int = ATTEMPTS) -> int:
        wrong = self._time.wrong
        try:
            return self._time.measure(lambda asking: self._rest.time(asking, attempts))
        finally:
            if self._time.wrong > wrong:
                self._problem = self._time.problem

    def _compare_clocks(self, moment: int) -> None:
        """Learn the venue's time from an event; one that disagrees is believed only if a measurement agrees with it."""
        if self._time.is_far_from(moment, self._patience):
            self._measure_now_and_then()
        elif moment > self._time.latest() + _TOLERANCE and wall.monotonic() >= self._refine_again:
            self._refine_again = wall.monotonic() + _REFINE_EVERY
            self._measure_now_and_then()
        if self._time.hear(moment, self._patience):
            return
        # what moves the clock forward moves it for good
        self._counts["wrong_times"] += 1
        self._problem = (
            f"an event of {moment} us came at {self.now()} us by the venue's clock; its time is not believed"
        )

    def _measure_now_and_then(self) -> None:
        if wall.monotonic() >= self._measure_again:
            self._measure_again = wall.monotonic() + _POLL
            with contextlib.suppress(DownloadError):  # the next event tries again
                self._measure_clock(attempts=1)

    def _note(self, state: FeedState, problem: str | None) -> None:
        with self._changed:
            if not self._closing.is_set():
                self._state, self._problem = state, problem or self._problem
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise _Closing("the feed is being closed")


class _Closing(TradeReadyError):
    pass


def possible(values: Values) -> bool:
    """Whether they can be the values of a candle."""
    open, high, low, close, volume = values
    return 0.0 < low <= min(open, close) and max(open, close) <= high < float("inf") and 0.0 <= volume < float("inf")
