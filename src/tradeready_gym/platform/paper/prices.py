"""What the feed says about a symbol now: its price, its last 24 hours, what a channel tells."""

from decimal import Decimal
from typing import Any

import numpy as np

from tradeready_gym.live.feed import Slot
from tradeready_gym.live.hub import FeedHub
from tradeready_gym.market import Timeframe
from tradeready_gym.platform import clock
from tradeready_gym.platform.api.wire import decimal_text, rounded_text

View = dict[str, Any]


def live_price(hub: FeedHub, symbol: str) -> tuple[float, int] | None:
    """The newest close and when it was; None if the feed does not have the symbol, or lags behind."""
    name = symbol.strip().upper()
    if name not in hub.symbols:
        return None
    slot = hub.newest
    return float(slot.values[hub.symbols.index(name), 3]), slot.time + hub.timeframe.microseconds


def live_ticker(hub: FeedHub, symbol: str) -> View | None:
    """The last 24 hours of the feed; None if it does not have the symbol."""
    name = symbol.strip().upper()
    if name not in hub.symbols:
        return None
    candles = hub.history(max(1, 86_400 // hub.timeframe.seconds)).select(name)
    first, last = float(candles.open[0, 0]), float(candles.close[0, -1])
    return {
        "symbol": name,
        "open": decimal_text(first),
        "high": decimal_text(float(candles.high.max())),
        "low": decimal_text(float(candles.low.min())),
        "close": decimal_text(last),
        "volume": _sum(candles.volume),
        "quote_volume": _sum(candles.close * candles.volume),
        "change": decimal_text(Decimal(repr(last)) - Decimal(repr(first))),
        "change_pct": rounded_text(100.0 * (last / first - 1.0), 4) or "0",
        "trade_count": 0,
        "timestamp": clock.iso(candles.end),
    }


def tick_view(hub: FeedHub, slot: Slot, symbol: str) -> View | None:
    """What a closed slot is to the channel `ticker`: its close and volume; None for a gap."""
    place = hub.symbols.index(symbol)
    if slot.gaps[place]:
        return None
    end = slot.time + hub.timeframe.microseconds
    return {
        "price": decimal_text(float(slot.values[place, 3])),
        "quantity": decimal_text(float(slot.values[place, 4])),
        "timestamp": f"{np.datetime64(end // 1000, 'ms')}Z",
        "is_buyer_maker": False,
    }


def running_candle(hub: FeedHub, slot: Slot, symbol: str, frame: Timeframe) -> View | None:
    """What a closed slot makes of the candle of another length that it lies in; None for a gap."""
    place, step = hub.symbols.index(symbol), hub.timeframe.microseconds
    if slot.gaps[place]:
        return None
    begin, end = slot.time // frame.microseconds * frame.microseconds, slot.time + step
    candles = hub.history((hub.clock - begin) // step).select(symbol).between(begin, end)
    row = {
        "open": candles.open[0, 0],
        "high": candles.high.max(),
        "low": candles.low.min(),
        "close": candles.close[0, -1],
    }
    return {
        "time": clock.iso(begin),
        **{name: decimal_text(float(value)) for name, value in row.items()},
        "volume": _sum(candles.volume),
        "is_closed": end % frame.microseconds == 0,
    }


def _sum(values: Any) -> str:
    # to the precision of the candles, without the noise of the sum
    return decimal_text(round(float(np.nansum(values)), 8))
