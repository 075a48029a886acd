"""Feeds by name, as a command line or a server's settings say them."""

from collections.abc import Sequence

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live.feed import Feed


def make_feed(name: str, symbols: Sequence[str], timeframe: str) -> Feed:
    """The feed of this name: `binance`, or `replay:DATA:START[:SPEED]` for recorded candles, 60 times as fast by default.

    Raises:
        ConfigurationError: there is no such feed.
        DataError: the recording has no such start.
    """
    kind, _, rest = name.partition(":")
    if kind == "binance" and not rest:
        from tradeready_gym.live.binance import BinanceFeed

        return BinanceFeed(symbols, timeframe)
    data, _, start = rest.partition(":")
    if kind != "replay" or not start:
        raise ConfigurationError(f"a feed is binance or replay:DATA:START[:SPEED]; got {name!r}")
    from tradeready_gym.live.replay import ReplayFeed
    from tradeready_gym.market import resolve

    speed = 60.0
    before, _, last = start.rpartition(":")
    # the start itself has colons and ends in Z, a speed is a number
    if before and "T" in before and not last.endswith("Z"):
        start, speed = before, _speed(last)
    candles = resolve(data, symbols=tuple(symbols), timeframe=timeframe)[0]
    return ReplayFeed(candles, start, speed=speed)


def _speed(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(f"the speed of a replay is a number; got {text!r}") from error
