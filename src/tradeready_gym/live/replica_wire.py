"""The messages of Binance's public interface, as its replica sends them. Times in microseconds; the wire's are milliseconds.

Source: https://developers.binance.com/docs/binance-spot-api-docs (market data over REST, and web socket streams).
"""

from collections.abc import Sequence
from typing import Any

from tradeready_gym.live.assembler import Values
from tradeready_gym.market import Instrument, Timeframe

QUOTE_ASSETS = ("USDT", "USDC", "BTC", "ETH", "EUR", "USD")
WEIGHTS = {
    "/api/v3/ping": 1,
    "/api/v3/time": 1,
    "/api/v3/klines": 2,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/ticker/price": 2,
    "/api/v3/ticker/bookTicker": 2,
}
_MOST = "92141578.00000000"


def kline_row(timeframe: Timeframe, time: int, values: Values) -> list[Any]:
    """A candle of `/api/v3/klines`."""
    open, high, low, close, volume = (format(value, ".8f") for value in values)
    return [time // 1000, open, high, low, close, volume, _last(timeframe, time), "0", 0, "0", "0", "0"]


def kline_event(
    symbol: str, timeframe: Timeframe, time: int, values: Values, *, closed: bool, now: int
) -> dict[str, Any]:
    """A kline event of a combined stream."""
    open, high, low, close, volume = (format(value, ".8f") for value in values)
    kline = {
        "t": time // 1000, "T": _last(timeframe, time), "s": symbol, "i": timeframe.label, "f": 0, "L": 0, "o": open,
        "c": close, "h": high, "l": low, "v": volume, "n": 0, "x": closed, "q": "0", "V": "0", "Q": "0", "B": "0",
    }  # fmt: skip
    data = {"e": "kline", "E": now // 1000, "s": symbol, "k": kline}
    return {"stream": f"{symbol.lower()}@kline_{timeframe.label}", "data": data}


def book_ticker(symbol: str, bid: float, ask: float) -> dict[str, Any]:
    """The best bid and ask of one symbol, of `/api/v3/ticker/bookTicker`."""
    return {
        "symbol": symbol,
        "bidPrice": f"{bid:.8f}",
        "bidQty": "1.00000000",
        "askPrice": f"{ask:.8f}",
        "askQty": "1.00000000",
    }


def exchange_info(rules: Sequence[Instrument], weight_limit: int, now: int) -> dict[str, Any]:
    """What the venue trades, and what it demands of orders and of its clients."""
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_limit}
    return {
        "timezone": "UTC",
        "serverTime": now // 1000,
        "rateLimits": [limit],
        "exchangeFilters": [],
        "symbols": [_rules(rule) for rule in rules],
    }


def _rules(rule: Instrument) -> dict[str, Any]:
    quote = next((asset for asset in QUOTE_ASSETS if rule.symbol.endswith(asset)), rule.symbol[-4:])
    most = format(rule.max_quantity, ".8f") if rule.max_quantity else _MOST
    tick, lot = format(rule.tick_size, ".8f"), format(rule.lot_size, ".8f")
    least = format(rule.min_quantity or rule.lot_size, ".8f")
    notional = {
        "filterType": "NOTIONAL",
        "minNotional": format(rule.min_notional, ".8f"),
        "applyMinToMarket": True,
        "maxNotional": format(rule.max_notional or 9_000_000.0, ".8f"),
        "applyMaxToMarket": rule.max_notional > 0.0,
    }
    return {
        "symbol": rule.symbol,
        "status": "TRADING",
        "baseAsset": rule.symbol.removesuffix(quote),
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": least, "maxQty": most, "stepSize": lot},
            notional,
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def _last(timeframe: Timeframe, time: int) -> int:
    return (time + timeframe.microseconds) // 1000 - 1
