"""A server whose candles close when a test says so."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving import Served, serving

from stepped import SteppedFeed
from tradeready_gym.live import Feed
from tradeready_gym.market import Candles, synthetic
from tradeready_gym.platform.paper.manager import PaperAccounts
from tradeready_gym.platform.state import Platform

START = "2024-01-03T00:00:00Z"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def recording() -> Candles:
    """Four days of minutes."""
    return synthetic(symbols=SYMBOLS, timeframe="1m", start="2024-01-01T00:00:00Z", bars=4 * 1440, seed=4)


@dataclass
class Paper:
    """A server with a feed, and the hand that moves it."""

    served: Served
    feed: SteppedFeed

    def release(self, slots: int = 1) -> None:
        """Let candles close, and wait until the server has taken them."""
        hub = self.served.platform.paper.hub
        wanted = hub.clock + slots * hub.timeframe.microseconds
        self.feed.release(slots)
        until(lambda: hub.clock == wanted)


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that happens in another thread."""
    begin = time.monotonic()
    while not true():
        if time.monotonic() - begin > seconds:
            raise AssertionError("it has not happened in time")
        time.sleep(0.005)


def attach(platform: Platform, feed: Feed) -> None:
    """Give a server that has no feed this one."""
    paper = PaperAccounts(platform.settings, platform.database, platform.events, feed)
    platform.__dict__["paper"] = paper
    object.__setattr__(platform.settings, "feed", "binance")  # so that market routes ask it
    paper.keep()


@contextmanager
def trading(home: Path) -> Iterator[Paper]:
    """A server on a feed that stands still."""
    feed = SteppedFeed(recording(), START)
    with serving(home, ingest_journals=False) as served:
        attach(served.platform, feed)
        yield Paper(served, feed)
