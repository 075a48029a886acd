"""The same step, now: feeds of closed candles, and a market that grows by them."""

from tradeready_gym.live.binance import BinanceFeed
from tradeready_gym.live.clock import VirtualClock, WallClock
from tradeready_gym.live.feed import Feed, FeedEnded, FeedHealth, FeedState, Slot
from tradeready_gym.live.journal import JournaledFeed, SessionJournal
from tradeready_gym.live.market import GrowingReplayer, LiveExchange
from tradeready_gym.live.replay import ReplayFeed

__all__ = [
    "BinanceFeed",
    "Feed",
    "FeedEnded",
    "FeedHealth",
    "FeedState",
    "GrowingReplayer",
    "JournaledFeed",
    "LiveExchange",
    "ReplayFeed",
    "SessionJournal",
    "Slot",
    "VirtualClock",
    "WallClock",
]
