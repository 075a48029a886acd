"""A small random market with everything that a feature must live through: gaps, candles without trades, a halt."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tradeready_gym.market.candles import Candles
from tradeready_gym.market.timeframe import Timeframe, parse_time

MakeMarket = Callable[..., Candles]


def _random_market(
    rows: int = 900,
    symbols: Sequence[str] = ("BTCUSDT",),
    timeframe: str = "1h",
    seed: int = 0,
    price: float = 100.0,
    gaps: bool = True,
    columns: Mapping[str, NDArray[np.float64]] | None = None,
    start: str = "2021-01-01T00:00:00Z",
) -> Candles:
    rng = np.random.default_rng(seed)
    shape = (len(symbols), rows)
    close = price * np.exp(np.cumsum(rng.normal(0.0, 0.01, shape), axis=1))
    opening = np.concatenate([close[:, :1], close[:, :-1]], axis=1) * np.exp(rng.normal(0.0, 0.0005, shape))
    high = np.maximum(opening, close) * np.exp(np.abs(rng.normal(0.0, 0.004, shape)))
    low = np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0.0, 0.004, shape)))
    volume = 1000.0 * np.exp(rng.normal(0.0, 0.7, shape))
    times = parse_time(start) + np.arange(rows) * Timeframe(timeframe).microseconds
    kept = np.ones(rows, dtype=bool)
    if gaps and rows >= 100:
        volume[:, rows // 3] = 0.0  # present, without trades
        kept[rows // 2 : rows // 2 + 6] = False
        kept[[rows // 5, rows - 2]] = False
        kept[3 * rows // 4 : 3 * rows // 4 + 30] = False  # a halt longer than the volume window
    own = {name: values[:, kept] for name, values in (columns or {}).items()}
    series = (values[:, kept] for values in (opening, high, low, close, volume))
    return Candles.from_arrays(symbols, Timeframe(timeframe), times[kept], *series, columns=own)


@pytest.fixture
def random_market() -> MakeMarket:
    """`random_market(rows, symbols, timeframe, ...)` makes candles; the same arguments make the same."""
    return _random_market


@pytest.fixture
def candles_of() -> Callable[..., Candles]:
    """`candles_of(close, ...)` makes hourly candles from a plain series of closes."""

    def build(
        close: Sequence[float],
        *,
        open: Sequence[float] | None = None,
        high: Sequence[float] | None = None,
        low: Sequence[float] | None = None,
        volume: Sequence[float] | None = None,
        missing: Sequence[int] = (),
        columns: Mapping[str, Sequence[float]] | None = None,
        timeframe: str = "1h",
        start: str = "2021-01-01T00:00:00Z",
    ) -> Candles:
        def series(values: Sequence[float] | None) -> NDArray[np.float64]:
            chosen = close if values is None else values
            return np.delete(np.array(chosen, dtype=np.float64), list(missing))

        times = parse_time(start) + np.arange(len(close)) * Timeframe(timeframe).microseconds
        return Candles.from_arrays(
            "BTCUSDT",
            Timeframe(timeframe),
            np.delete(times, list(missing)),
            series(open),
            series(high),
            series(low),
            series(close),
            series(volume if volume is not None else [1.0] * len(close)),
            columns={name: series(values) for name, values in (columns or {}).items()},
        )

    return build
