"""A feed whose candles close when a test says so."""

import threading
from typing import Any

from tradeready_gym.live import FeedEnded, ReplayFeed, Slot
from tradeready_gym.live.clock import VirtualClock


class SteppedFeed(ReplayFeed):
    """A replay whose clock moves by `release` alone."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._moved = threading.Condition()
        # a clock that does not run by itself, but does not jump either
        self.clock = VirtualClock(self.clock.now(), 1e-12)

    def release(self, slots: int = 1) -> None:
        """Let so many candles close."""
        with self._moved:
            now = self.clock.now() // 1_000_000 * 1_000_000
            self.clock.advance_to(now + slots * self.timeframe.microseconds)
            self._moved.notify_all()

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot, if it has been released."""
        with self._moved:
            ready = self._moved.wait_for(
                lambda: self._closed or self.clock.now() >= time + self.timeframe.microseconds, timeout
            )
            if self._closed:
                raise FeedEnded("the feed was closed")
        return super().wait(time, 0.0) if ready else None

    def close(self) -> None:
        """Wake whoever waits."""
        with self._moved:
            super().close()
            self._moved.notify_all()
