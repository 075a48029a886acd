"""Candles for pictures: what is stored, and a few hundred of them at once. The market is loaded when first asked for."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeready_gym.errors import TradeReadyError

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles
    from tradeready_gym.market.timeframe import Timeframe

DRAWN = 600
GAPS_LISTED = 50


def drawn(home: Path, symbol: str, seconds: int, start: int, end: int, limit: int = DRAWN) -> dict[str, list[float]]:
    """At most `limit` candles of `[start, end)` in microseconds, joined where there are more; empty where there are none.

    `times` are in seconds, at the open; `length` is the length of a candle in seconds.
    """
    try:
        found = _read(home, symbol, seconds, start, end)
    except TradeReadyError:
        return {"times": [], "open": [], "high": [], "low": [], "close": [], "length": [float(seconds)]}
    return _joined(found, seconds, limit)


def stored(home: Path) -> list[dict[str, Any]]:
    """Each stored series, and the packaged sample, which has no size, last.

    `bars` are the stored stretches between `first` and `last` as (place, length) of 100, `slots` the candles in them.
    """
    from tradeready_gym.market.sample import load_sample
    from tradeready_gym.market.store import CandleStore

    found = [
        _series(series.symbol, series.timeframe, [(span.start, span.end) for span in series.spans], series.size_bytes)
        for series in CandleStore(home / "candles").list()
    ]
    sample = load_sample()
    return [*found, _series(sample.symbols[0], sample.timeframe, [(sample.start, sample.end)], None)]


def key(symbol: str, timeframe: str, sample: bool) -> str:
    """What tells a stored series, or the sample, from the others on a page."""
    return f"{symbol} {timeframe}{' sample' if sample else ''}"


def place(whole: tuple[int, int], start: int, end: int) -> tuple[float, float]:
    """Where a stretch is in a series that goes from `whole[0]` to `whole[1]`, and how long it is, of 100."""
    scale = 100.0 / (whole[1] - whole[0])
    return round((start - whole[0]) * scale, 2), round(max((end - start) * scale, 0.4), 2)


def gaps(home: Path, symbol: str, timeframe: str) -> dict[str, Any]:
    """What is missing from a stored series and what looks odd in it: counts, and the first of them."""
    from tradeready_gym.market.gaps import find_gaps
    from tradeready_gym.market.store import CandleStore

    store = CandleStore(home / "candles")
    missing, odd, slots = [], [], 0
    for span in store.spans(symbol, timeframe):
        report = find_gaps(store.read(symbol, timeframe, span.start, span.end))
        slots += report.slots
        missing += [(gap.start, gap.candles) for gap in report.gaps]
        odd += [(candle.time, candle.kind, candle.value) for candle in report.odd]
    return {
        "slots": slots,
        "missing": sum(count for _, count in missing),
        "gaps": missing[:GAPS_LISTED],
        "gap_count": len(missing),
        "odd": odd[:GAPS_LISTED],
        "odd_count": len(odd),
    }


def _series(symbol: str, timeframe: "Timeframe", spans: list[tuple[int, int]], size: int | None) -> dict[str, Any]:
    first, last = spans[0][0], spans[-1][1]
    return {
        "key": key(symbol, str(timeframe), size is None),
        "symbol": symbol,
        "timeframe": str(timeframe),
        "first": first,
        "last": last,
        "spans": spans,
        "slots": sum(end - start for start, end in spans) // timeframe.microseconds,
        "size": size,
        "bars": [place((first, last), start, end) for start, end in spans],
    }


def _read(home: Path, symbol: str, seconds: int, start: int, end: int) -> "Candles":
    from tradeready_gym.market.timeframe import Timeframe
    from tradeready_gym.platform.sessions.markets import Markets

    timeframe = Timeframe.from_microseconds(seconds * 1_000_000)
    return Markets(home).candles(symbol, timeframe, end, max(1, (end - start) // timeframe.microseconds))


def _joined(found: "Candles", seconds: int, limit: int) -> dict[str, list[float]]:
    import numpy as np

    size = max(1, -(-len(found) // limit))
    first = np.arange(0, len(found), size)
    last = np.minimum(first + size, len(found)) - 1
    columns = {
        "times": found.times[first] / 1e6,
        "open": found.open[0, first],
        "high": np.maximum.reduceat(found.high[0], first),
        "low": np.minimum.reduceat(found.low[0], first),
        "close": found.close[0, last],
    }
    return {name: [float(f"{x:.10g}") for x in column.tolist()] for name, column in columns.items()} | {
        "length": [float(seconds * size)]
    }
