"""Candles from any exchange that ccxt knows (`pip install tradeready-gym[live]`); ccxt is imported when used."""

import importlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError, DataUnavailable, DownloadError, UnknownName
from tradeready_gym.market.candles import Candles, check_symbols
from tradeready_gym.market.splits import Span
from tradeready_gym.market.timeframe import Timeframe, TimeLike, format_time, parse_time

_ATTEMPTS = 5
_BACK_OFF_S = 1.0
_PAGE = 1000  # exchanges give fewer if they like
_SKIP = 100  # candles to step over where an exchange answers with nothing


def load_exchange(
    exchange: Any,
    *,
    symbols: str | Sequence[str],
    timeframe: str | Timeframe,
    start: TimeLike,
    end: TimeLike,
    sleep: Callable[[float], None] = time.sleep,
) -> Candles:
    """Fetch spot candles of `[start, end)` from an exchange; `exchange` is a ccxt id such as `"kraken"` or a ccxt object.

    Symbols are written as elsewhere (`BTCUSDT`) or as in ccxt (`BTC/USDT`). The candle that is still running is left out,
    so the result may end before `end`. Nothing is stored: candles of another venue are another market, and belong into a
    `CandleStore` of their own. Raises `UnknownName` for a symbol or timeframe that the exchange lacks, `DataUnavailable`
    if it has no candles there, `DownloadError` after repeated network errors.
    """
    frame = Timeframe.parse(timeframe)
    span = Span(parse_time(start, name="start"), parse_time(end, name="end"))
    venue = connect_exchange(exchange)
    if frame.label not in (venue.timeframes or {}):
        raise UnknownName("timeframe", frame.label, venue.timeframes or {}, f" Those are what {venue.id} offers.")
    markets = _retry(venue.load_markets, sleep)
    parts = []
    for symbol in [symbols] if isinstance(symbols, str) else symbols:
        market = find_market(markets, symbol, venue.id)
        rows = fetch_rows(venue, market, frame, span, sleep)
        if not rows:
            raise DataUnavailable(f"{venue.id} has no complete {frame} candles of {market} in {span}")
        values = np.array(rows, dtype=np.float64)
        times = values[:, 0].astype(np.int64) * 1000
        name = check_symbols(symbol.replace("/", ""))
        parts.append(Candles.from_arrays(name, frame, times, *values[:, 1:6].T, source=f"exchange {venue.id}"))
    return Candles.merge(parts)


def connect_exchange(exchange: Any) -> Any:
    """The ccxt object of this id, which respects the venue's rate limit; an object is returned as it is.

    Raises `ConfigurationError` without ccxt, `UnknownName` for an id that it does not have.
    """
    if not isinstance(exchange, str):
        return exchange
    try:
        ccxt = importlib.import_module("ccxt")
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"candles from exchange {exchange!r} need the package ccxt: pip install 'tradeready-gym[live]'"
        ) from None
    if exchange not in ccxt.exchanges:
        raise UnknownName("exchange", exchange, ccxt.exchanges)
    return getattr(ccxt, exchange)({"enableRateLimit": True})


def find_market(markets: dict[str, Any], symbol: str, venue: str) -> str:
    """ccxt's name of a symbol that is written as elsewhere (`BTCUSDT`) or as in ccxt (`BTC/USDT`). Raises `UnknownName`."""
    wanted = symbol.upper().replace("/", "")
    spot = {name: market for name, market in markets.items() if market.get("spot", True)}
    for name, market in spot.items():
        if f"{market['base']}{market['quote']}".upper() == wanted:
            return name
    raise UnknownName("symbol", symbol, [name.replace("/", "") for name in spot], f" Those are what {venue} offers.")


def fetch_rows(
    venue: Any,
    market: str,
    timeframe: Timeframe,
    span: Span,
    sleep: Callable[[float], None],
    now_ms: int | None = None,
) -> list[list[float]]:
    """Rows of ccxt (milliseconds, open, high, low, close, volume) of the span, oldest first, but for what is still running.

    `now_ms` is the venue's clock, this machine's by default. Raises `DownloadError` after repeated network errors.
    """
    step = timeframe.microseconds // 1000
    now = int(venue.milliseconds()) if now_ms is None else now_ms
    at, end = span.start // 1000, min(span.end // 1000, now // step * step)
    rows: dict[int, list[float]] = {}
    while at < end:
        page = _retry(partial(venue.fetch_ohlcv, market, timeframe.label, since=at, limit=_PAGE), sleep)
        fresh = {int(row[0]): row for row in page if at <= int(row[0]) < end}
        for opened, row in fresh.items():
            if len(row) < 6 or any(value is None for value in row[:6]):
                raise DownloadError(
                    f"{venue.id} gave an incomplete candle for {market} {format_time(opened * 1000)}: {row}"
                )
            rows[opened] = row[:6]
        later = [int(row[0]) for row in page if int(row[0]) >= at]
        at = max(later) + step if later else at + _SKIP * step
    return [rows[opened] for opened in sorted(rows)]


def _retry(call: Callable[[], Any], sleep: Callable[[float], None]) -> Any:
    failures = 0
    while True:
        try:
            return call()
        except Exception as error:
            # ccxt's own classes cannot be named without importing it; NetworkError is the root of what may pass.
            if not any(kind.__name__ == "NetworkError" for kind in type(error).__mro__):
                raise
            failures += 1
            if failures == _ATTEMPTS:
                raise DownloadError(f"the exchange failed {_ATTEMPTS} times, the last time with {error!r}") from error
            sleep(_BACK_OFF_S * 2**failures)
