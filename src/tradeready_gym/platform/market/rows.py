"""Pages of candles as the wire has them: candles that exist, oldest first, decimals as strings."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tradeready_gym.market import Candles, Span, Timeframe
from tradeready_gym.market.candles import VALUE_NAMES
from tradeready_gym.platform import clock
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.market.catalog import Catalog, Piece

# a page is looked for in stretches that grow by this, so that a long gap costs few readings
_GROWTH = 4


def page(
    catalog: Catalog, symbol: str, timeframe: Timeframe, limit: int, start: int | None, end: int | None
) -> list[dict[str, Any]]:
    """At most `limit` candles that open in `[start, end)`: the first ones from `start`, without it the last ones.

    Raises:
        BadRequest: INVALID_SYMBOL: the symbol is unknown.
        NotFound: DATA_NOT_AVAILABLE: there are only longer candles than these, which cannot be made of them.
    """
    stretches, step = catalog.pieces(symbol, timeframe), timeframe.microseconds
    if not stretches:
        raise catalog.too_short(symbol, timeframe)
    first = None if start is None else -(-start // step) * step
    last = None if end is None else -(-end // step) * step
    found: list[dict[str, Any]] = []
    pieces = [_cut(piece, first, last) for piece in stretches]
    for piece in pieces if first is not None else reversed(pieces):
        for span in _stretches(piece, limit, backwards=first is None):
            candles = catalog.read(piece, span)
            rows = [] if candles is None else views(candles)
            found = found + rows if first is not None else rows + found
            if len(found) >= limit:
                return found[:limit] if first is not None else found[-limit:]
    return found


def _cut(piece: Piece, first: int | None, last: int | None) -> Piece:
    start = piece.span.start if first is None else max(first, piece.span.start)
    end = piece.span.end if last is None else min(last, piece.span.end)
    return Piece(piece.source, piece.timeframe, Span(start, end))


def _stretches(piece: Piece, limit: int, *, backwards: bool) -> Iterator[Span]:
    start, end, length = piece.span.start, piece.span.end, limit * piece.timeframe.microseconds
    while start < end:
        span = Span(max(start, end - length), end) if backwards else Span(start, min(end, start + length))
        yield span
        start, end = (start, span.start) if backwards else (span.end, end)
        length *= _GROWTH


def views(candles: Candles, limit: int | None = None, *, newest: bool = False) -> list[dict[str, Any]]:
    """The candles of the first symbol that exist, oldest first; of more than `limit` the first ones, or the newest."""
    there = np.flatnonzero(~candles.gaps[0]).tolist()
    if limit is not None:
        there = there[-limit:] if newest else there[:limit]
    trades = candles.columns.get("trades")
    return [
        {
            "time": clock.iso(int(candles.times[row])),
            **{name: decimal_text(float(getattr(candles, name)[0, row])) for name in VALUE_NAMES},
            "trade_count": 0 if trades is None else int(trades[0, row]),
        }
        for row in there
    ]
