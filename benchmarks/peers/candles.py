"""The same hourly random walk for every environment, made without any of them."""

import numpy as np

BARS = 20_000
WINDOW = 30


def make_candles(bars: int = BARS, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of a plain random walk: `time` in microseconds, open, high, low, close, volume."""
    rng = np.random.default_rng(seed)
    close = 30_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, bars)))
    open_ = np.concatenate([close[:1], close[:-1]])
    spread = np.abs(rng.normal(0.0, 0.002, bars))
    return {
        "time": 1_609_459_200_000_000 + 3_600_000_000 * np.arange(bars, dtype=np.int64),
        "open": open_,
        "high": np.maximum(open_, close) * (1.0 + spread),
        "low": np.minimum(open_, close) * (1.0 - spread),
        "close": close,
        "volume": rng.uniform(50.0, 500.0, bars),
    }
