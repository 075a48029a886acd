"""Feeds by name, as a command line or a server's settings say them."""

from collections.abc import Sequence

from tradeready_gym.errors import ConfigurationError, DownloadError
from tradeready_gym.live.feed import Feed
from tradeready_gym.market.timeframe import Timeframe


def make_feed(name: str, symbols: Sequence[str], timeframe: str) -> Feed:
    """The feed of this name: `binance`, `ccxt:VENUE` for any venue of ccxt, or `replay:DATA:START[:SPEED]` for recorded
    candles, 60 times as fast by default; a speed of `max` is as fast as they are asked for.

    Raises:
        ConfigurationError: there is no such feed.
        UnknownName: ccxt has no such venue, or the venue no such symbol or timeframe.
        DataError: the recording has no such start.
    """
    kind, _, rest = name.partition(":")
    if kind == "binance" and not rest:
        from tradeready_gym.live.binance import BinanceFeed

        return BinanceFeed(symbols, timeframe)
    if kind == "ccxt" and rest:
        from tradeready_gym.live.ccxt_feed import CcxtFeed

        return CcxtFeed(rest, symbols, timeframe)
    if kind != "replay":
        raise ConfigurationError(f"a feed is binance, ccxt:VENUE or replay:DATA:START[:SPEED]; got {name!r}")
    from tradeready_gym.live.replay import ReplayFeed
    from tradeready_gym.market import resolve

    data, start, speed = replay_parts(name)
    candles = resolve(data, symbols=tuple(symbols), timeframe=timeframe)[0]
    return ReplayFeed(candles, start, speed=speed)


def check_feed(name: str, symbols: Sequence[str], timeframe: str) -> None:
    """Raise what no waiting would mend, before anything is built on it; a venue that is away now is not held against it.

    Raises:
        ConfigurationError: there is no such feed.
        UnknownName: there is no such venue, or it has no such symbol or timeframe.
        DataError: the recording has no such start.
    """
    try:
        if name == "binance":
            from tradeready_gym.live.binance_rest import BinanceRest

            Timeframe.parse(timeframe)
            rest = BinanceRest()
            try:
                rest.instruments(tuple(symbol.upper() for symbol in symbols), attempts=1)
            finally:
                rest.close()
        else:
            make_feed(name, symbols, timeframe).close()
    except DownloadError:
        return


def replay_parts(name: str) -> tuple[str, str, float | None]:
    """What `replay:DATA:START[:SPEED]` plays, from when on, and how fast; None is as fast as it is asked for.

    Raises:
        ConfigurationError: it is no replay.
    """
    kind, _, rest = name.partition(":")
    data, _, start = rest.partition(":")
    if kind != "replay" or not start:
        raise ConfigurationError(f"a replay is replay:DATA:START[:SPEED]; got {name!r}")
    before, _, last = start.rpartition(":")
    # the start itself has colons and ends in Z, a speed is a number
    if before and "T" in before and not last.endswith("Z"):
        return data, before, _speed(last)
    return data, start, 60.0


def _speed(text: str) -> float | None:
    if text in {"max", ""}:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(f"the speed of a replay is a number; got {text!r}") from error
