"""Small series for the tests of the market room."""

from typing import Any

import numpy as np

from tradeready_gym.market import Candles, Timeframe, parse_time

NAMES = ("open", "high", "low", "close", "volume")


def columns(start: str, timeframe: str, count: int, level: float = 100.0) -> dict[str, Any]:
    """Open times in microseconds and possible candles that differ from row to row."""
    step = Timeframe(timeframe).microseconds
    rows = np.arange(count)
    close = level + np.sin(rows) + rows % 7
    before = np.concatenate([[level], close[:-1]])
    return {
        "bucket": parse_time(start) + rows.astype(np.int64) * step,
        "open": before,
        "high": np.maximum(before, close) + 0.5,
        "low": np.minimum(before, close) - 0.5,
        "close": close,
        "volume": 1.0 + rows % 5,
    }


def series(
    start: str = "2023-01-01T00:00:00Z",
    timeframe: str = "1h",
    count: int = 48,
    symbol: str = "BTCUSDT",
    level: float = 100.0,
    without: tuple[int, ...] = (),
) -> Candles:
    """Candles of one symbol; the rows in `without` are missing."""
    rows = columns(start, timeframe, count, level)
    kept = [row for row in range(count) if row not in without]
    values = {name: rows[name][kept] for name in NAMES}
    return Candles.from_arrays(symbol, timeframe, rows["bucket"][kept], **values)
