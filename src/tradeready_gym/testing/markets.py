"""Markets that a component has to live through."""

from collections.abc import Sequence

import numpy as np

from tradeready_gym.market import Candles, Timeframe, parse_time

_BARS = 64
_START = "2024-01-01T00:00:00Z"


def hard_markets(symbols: Sequence[str] = ("BTCUSDT",), seed: int = 0) -> dict[str, Candles]:
    """A random market with gaps and candles without trades, one that stands still, and a crash to a hundredth."""
    generator = np.random.Generator(np.random.PCG64(seed))
    count = len(symbols)
    moves = np.exp(np.cumsum(generator.normal(0.0, 0.01, (count, _BARS)), axis=1))
    volume = np.exp(generator.normal(7.0, 1.0, (count, _BARS)))
    quiet = volume.copy()
    quiet[:, 45:48] = 0.0
    crash = 100.0 * np.exp(np.linspace(0.0, -4.6, _BARS) + 0.01 * generator.standard_normal((count, _BARS)))
    return {
        "a random market with gaps": _candles(symbols, 100.0 * moves, quiet, missing=[38, 39, 55]),
        "a market that stands still": _candles(symbols, np.full((count, _BARS), 100.0), volume),
        "a crash": _candles(symbols, crash, volume),
    }


def _candles(symbols: Sequence[str], close: np.ndarray, volume: np.ndarray, missing: Sequence[int] = ()) -> Candles:
    opening = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    high, low = np.maximum(opening, close) * 1.002, np.minimum(opening, close) * 0.998
    hour = Timeframe.parse("1h")
    times = parse_time(_START) + np.arange(close.shape[1], dtype=np.int64) * hour.microseconds
    kept = np.ones(close.shape[1], np.bool_)
    kept[list(missing)] = False
    rows = [values[:, kept] for values in (opening, high, low, close, volume)]
    return Candles.from_arrays(tuple(symbols), hour, times[kept], *rows, source="testing")
