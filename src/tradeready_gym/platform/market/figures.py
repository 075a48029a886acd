"""Figures of one symbol at the end of what is stored: its price, its last 24 hours, its indicators."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from tradeready_gym.market import Candles, Timeframe
from tradeready_gym.platform import clock
from tradeready_gym.platform.api.wire import decimal_text, rounded_text
from tradeready_gym.platform.errors import BadRequest, Unavailable
from tradeready_gym.platform.market.catalog import Catalog

# name: TA-Lib's function, its output, its parameters; "price" is the last close
INDICATORS: dict[str, tuple[str, str | None, dict[str, float]]] = {
    "adx_14": ("ADX", None, {"timeperiod": 14}),
    "atr_14": ("ATR", None, {"timeperiod": 14}),
    "bb_lower": ("BBANDS", "lowerband", {"timeperiod": 20}),
    "bb_mid": ("BBANDS", "middleband", {"timeperiod": 20}),
    "bb_upper": ("BBANDS", "upperband", {"timeperiod": 20}),
    "ema_12": ("EMA", None, {"timeperiod": 12}),
    "ema_26": ("EMA", None, {"timeperiod": 26}),
    "macd_hist": ("MACD", "macdhist", {}),
    "macd_line": ("MACD", "macd", {}),
    "macd_signal": ("MACD", "macdsignal", {}),
    "price": ("", None, {}),
    "rsi_14": ("RSI", None, {"timeperiod": 14}),
    "sma_20": ("SMA", None, {"timeperiod": 20}),
    "sma_50": ("SMA", None, {"timeperiod": 50}),
    "volume_ma_20": ("SMA", None, {"timeperiod": 20}),
}


def last_candles(catalog: Catalog, symbol: str, bars: int, timeframe: Timeframe | None = None) -> Candles:
    """The last slots of a symbol, at most `bars`; of the shortest candles that there are if no length is said.

    Raises:
        BadRequest: INVALID_SYMBOL: the symbol is unknown.
        NotFound: DATA_NOT_AVAILABLE: there is no candle of this length.
        Unavailable: PRICE_NOT_AVAILABLE: there is no candle at all.
    """
    pieces = [catalog.finest(symbol)] if timeframe is None else catalog.pieces(symbol, timeframe)
    for piece in reversed(pieces):
        candles = catalog.latest(piece, bars)
        if candles is not None:
            return candles
    if timeframe is not None:
        raise catalog.too_short(symbol, timeframe)
    raise Unavailable(
        f"there is no price of {symbol.upper()} here yet", code="PRICE_NOT_AVAILABLE", symbol=symbol.upper()
    )


def price(catalog: Catalog, symbol: str) -> tuple[float, int]:
    """The last close, and the time at which it was known. Raises as `last_candles`."""
    candles = last_candles(catalog, symbol, 1)
    return float(candles.close[0, -1]), candles.end


def ticker(catalog: Catalog, symbol: str) -> dict[str, Any]:
    """The last 24 hours of what is stored. Raises as `last_candles`.

    Volume in quote units is the source's own if it has it, else each candle's volume at its close.
    """
    candles = last_candles(catalog, symbol, catalog.finest(symbol).timeframe.bars_per_day)
    opened, close = float(candles.open[0, 0]), float(candles.close[0, -1])
    quote = candles.columns.get("quote_volume", candles.close * candles.volume)
    trades = candles.columns.get("trades", np.zeros((1, 1)))
    return {
        "symbol": candles.symbols[0],
        "open": decimal_text(opened),
        "high": decimal_text(float(candles.high.max())),
        "low": decimal_text(float(candles.low.min())),
        "close": decimal_text(close),
        "volume": _sum(candles.volume),
        "quote_volume": _sum(quote),
        "change": decimal_text(Decimal(repr(close)) - Decimal(repr(opened))),
        "change_pct": rounded_text(100.0 * (close / opened - 1.0), 4) or "0",
        "trade_count": int(np.nansum(trades)),
        "timestamp": clock.iso(candles.end),
    }


def require_known(names: Sequence[str]) -> None:
    """Check the names of indicators.

    Raises:
        BadRequest: INVALID_SYMBOL, as documented: there is no such indicator.
    """
    for name in names:
        if name not in INDICATORS:
            raise BadRequest(
                f"there is no indicator {name!r}; there are {', '.join(INDICATORS)}",
                code="INVALID_SYMBOL",
                indicator=name,
            )


def indicators(candles: Candles, names: Sequence[str]) -> dict[str, Any]:
    """Indicators at the last close of these candles, all of them without names; one that needs more candles is left out."""
    values = {name: _value(name, candles) for name in names or INDICATORS}
    return {
        "symbol": candles.symbols[0],
        "timestamp": clock.iso(candles.end),
        "candles_used": len(candles),
        "interval": candles.timeframe.label,
        "indicators": {name: value for name, value in values.items() if math.isfinite(value)},
    }


def _value(name: str, candles: Candles) -> float:
    from tradeready_gym.features import TALib

    if name == "price":
        return float(candles.close[0, -1])
    function, output, parameters = INDICATORS[name]
    inputs = ("volume",) if name.startswith("volume") else ()
    return float(TALib(function, output=output, inputs=inputs, **parameters).compute(candles, 0)[-1, 0])


def _sum(values: np.ndarray) -> str:
    # to the precision of the candles, without the noise of the sum
    return decimal_text(round(float(np.nansum(values)), 8))
