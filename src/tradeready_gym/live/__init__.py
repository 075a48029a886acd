"""The same step, now: feeds of closed candles, a market that grows by them, and what is at work on it.

Names are loaded when they are used: whoever only reads what is deployed needs no engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradeready_gym.live.binance import BinanceFeed
    from tradeready_gym.live.ccxt_feed import CcxtFeed
    from tradeready_gym.live.clock import VirtualClock, WallClock
    from tradeready_gym.live.deployments import Deployment, list_deployments
    from tradeready_gym.live.feed import Feed, FeedEnded, FeedHealth, FeedState, Slot
    from tradeready_gym.live.journal import JournaledFeed, SessionJournal
    from tradeready_gym.live.market import GrowingReplayer, LiveExchange
    from tradeready_gym.live.platform_account import PlatformAccount
    from tradeready_gym.live.platform_feed import PlatformFeed
    from tradeready_gym.live.replay import ReplayFeed

__all__ = [
    "BinanceFeed",
    "CcxtFeed",
    "Deployment",
    "Feed",
    "FeedEnded",
    "FeedHealth",
    "FeedState",
    "GrowingReplayer",
    "JournaledFeed",
    "LiveExchange",
    "PlatformAccount",
    "PlatformFeed",
    "ReplayFeed",
    "SessionJournal",
    "Slot",
    "VirtualClock",
    "WallClock",
    "list_deployments",
]

_FILES = {
    "binance": ("BinanceFeed",),
    "ccxt_feed": ("CcxtFeed",),
    "clock": ("VirtualClock", "WallClock"),
    "deployments": ("Deployment", "list_deployments"),
    "feed": ("Feed", "FeedEnded", "FeedHealth", "FeedState", "Slot"),
    "journal": ("JournaledFeed", "SessionJournal"),
    "market": ("GrowingReplayer", "LiveExchange"),
    "platform_account": ("PlatformAccount",),
    "platform_feed": ("PlatformFeed",),
    "replay": ("ReplayFeed",),
}


def __getattr__(name: str) -> Any:
    for file, names in _FILES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
