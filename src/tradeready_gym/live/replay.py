"""Recorded candles as a feed: a rehearsal, at the speed of the market, faster, or as fast as decisions are taken."""

import threading
from collections.abc import Mapping

import numpy as np

from tradeready_gym.errors import ConfigurationError, DataUnavailable
from tradeready_gym.live.clock import VirtualClock
from tradeready_gym.live.feed import Feed, FeedEnded, FeedHealth, FeedState, Slot
from tradeready_gym.market import Candles, Instrument, format_time
from tradeready_gym.market.timeframe import TimeLike


class ReplayFeed(Feed):
    """Play `candles` from `start` on; what lies before is history.

    Args:
        candles: the recording.
        start: the first candle that is played; everything before it has closed already.
        speed: how many times as fast as the market; None plays as fast as candles are asked for.
        instruments: filters by symbol.

    Raises:
        DataError: `start` is off the grid or outside the recording.
        ConfigurationError: a speed that is not positive.
    """

    def __init__(
        self,
        candles: Candles,
        start: TimeLike,
        *,
        speed: float | None = None,
        instruments: Mapping[str, Instrument] | None = None,
    ) -> None:
        if speed is not None and not speed > 0:
            raise ConfigurationError(f"speed must be positive, or None for as fast as possible; got {speed!r}")
        self.candles = candles
        self.symbols, self.timeframe = candles.symbols, candles.timeframe
        self._first = candles.row_of(start, name="start")
        self._instruments = dict(instruments or {})
        begin = candles.start + self._first * self.timeframe.microseconds
        self.clock = VirtualClock(begin, speed)
        self._next = begin
        self._closed = False
        self._woken = threading.Event()
        self._gaps = 0

    def history(self, bars: int) -> Candles:
        """All candles that have closed by now."""
        if self._first < bars:
            raise DataUnavailable(
                f"{bars} candles of history are needed; the recording has {self._first} before "
                f"{format_time(self._next)}. Start later, or give a longer recording"
            )
        last = (self.now() - self.candles.start) // self.timeframe.microseconds
        return self.candles.between(
            None, self.candles.start + min(last, len(self.candles)) * self.timeframe.microseconds
        )

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot at `time`, when the clock has passed its end."""
        row, off = divmod(time - self.candles.start, self.timeframe.microseconds)
        if self._closed or not 0 <= row < len(self.candles) or off:
            raise FeedEnded(f"the recording ends at {format_time(self.candles.end)}")
        if not self._comes(time + self.timeframe.microseconds, timeout):
            return None
        names = ("open", "high", "low", "close", "volume")
        values = np.column_stack([getattr(self.candles, name)[:, row] for name in names])
        self._next = time + self.timeframe.microseconds
        self._gaps += int(self.candles.gaps[:, row].any())
        return Slot(time, values, self.candles.gaps[:, row].copy())

    def passed(self, time: int) -> None:
        """Go on behind the slot."""
        self.clock.advance_to(time + self.timeframe.microseconds)

    def now(self) -> int:
        """The recording's clock."""
        return self.clock.now()

    def opening_prices(self) -> Mapping[str, float]:
        """The opens of the candles that are running."""
        row = (self.now() - self.candles.start) // self.timeframe.microseconds
        if not 0 <= row < len(self.candles):
            return {}
        return {
            symbol: float(self.candles.open[j, row])
            for j, symbol in enumerate(self.symbols)
            if not self.candles.gaps[j, row]
        }

    def prices(self) -> Mapping[str, float]:
        """The opens, at the moment of the opening; what comes after it within a candle is not recorded."""
        return self.opening_prices() if not (self.now() - self.candles.start) % self.timeframe.microseconds else {}

    def instruments(self) -> Mapping[str, Instrument]:
        """The filters that were given."""
        return self._instruments

    @property
    def health(self) -> FeedHealth:
        """Always live until it is closed."""
        state = FeedState.CLOSED if self._closed else FeedState.LIVE
        newest = self._next - self.timeframe.microseconds
        return FeedHealth(state, newest_slot=newest, declared_gaps=self._gaps)

    def close(self) -> None:
        """Play no more; whoever waits for a candle wakes up."""
        self._closed = True
        self._woken.set()

    def _comes(self, moment: int, timeout: float | None) -> bool:
        speed = self.clock.speed
        if speed is None:
            return self.clock.sleep_until(moment)
        seconds = max(0.0, (moment - self.now()) / 1e6 / speed)
        if self._woken.wait(seconds if timeout is None else min(seconds, timeout)):
            raise FeedEnded("the feed was closed")
        return self.clock.sleep_until(moment, timeout=0.0 if timeout is not None else None)
