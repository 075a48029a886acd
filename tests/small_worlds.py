"""Small markets that a test can compute by hand, and how to play them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.market import Candles, Timeframe, parse_time
from tradeready_gym.market.worlds import trend

START = "2024-01-01T00:00:00Z"
HOUR = 3_600_000_000
RAW = ("ohlcv", "balance", "position", "unrealized_pnl")


def candles_of(
    close: ArrayLike,
    *,
    open: ArrayLike | None = None,
    volume: ArrayLike | None = None,
    symbols: str | Sequence[str] = "BTCUSDT",
    missing: Sequence[int] = (),
    timeframe: str = "1h",
    wick: float = 0.0,
) -> Candles:
    """Candles from closes [T] or [S, T]; each opens at the previous close unless `open` says otherwise, 1000 is traded.

    Rows in `missing` are gaps. `wick` widens high and low by this fraction.
    """
    closes = np.atleast_2d(np.asarray(close, np.float64))
    opens = np.concatenate([closes[:, :1], closes[:, :-1]], axis=1)
    if open is not None:
        opens = np.atleast_2d(np.asarray(open, np.float64))
    volumes = np.full(closes.shape, 1000.0) if volume is None else np.atleast_2d(np.asarray(volume, np.float64))
    high = np.maximum(opens, closes) * (1.0 + wick)
    low = np.minimum(opens, closes) * (1.0 - wick)
    frame = Timeframe.parse(timeframe)
    times = parse_time(START) + np.arange(closes.shape[1], dtype=np.int64) * frame.microseconds
    kept = np.ones(closes.shape[1], np.bool_)
    kept[list(missing)] = False
    rows = [values[:, kept] for values in (opens, high, low, closes, volumes)]
    return Candles.from_arrays(symbols, frame, times[kept], *rows)


def random_candles(
    bars: int = 300, symbols: Sequence[str] = ("BTCUSDT",), seed: int = 0, gaps: bool = False
) -> Candles:
    """A random walk with wicks and uneven volume; with `gaps`, also missing candles and one without trades."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, (len(symbols), bars)), axis=1))
    volume = np.exp(random.normal(7.0, 1.0, close.shape))
    missing = [bars // 2, bars // 2 + 1, bars - 5] if gaps else []
    if gaps:
        volume[:, bars // 2 + 9] = 0.0
    return candles_of(close, volume=volume, symbols=symbols, missing=missing, wick=0.003)


def small_env(candles: Candles | list[Candles], **arguments: Any) -> TradingEnvironment:
    """An interpreted environment without costs and with two candles in sight, unless the test says otherwise."""
    usual: dict[str, Any] = {
        "fee_rate": 0.0,
        "slippage": "none",
        "lookback_window": 2,
        "feature_pipeline": RAW,
        "interpreted": True,
    }
    return TradingEnvironment(data=candles, **{**usual, **arguments})


def play(env: Any, actions: Iterable[Any], seed: int | None = 0) -> list[Any]:
    """What `reset` and the steps return, to the end of the actions or, of a single environment, of its episode."""
    outcomes: list[Any] = [env.reset(seed=seed)]
    for action in actions:
        outcomes.append(env.step(action))
        if outcomes[-1][2] is True or outcomes[-1][3] is True:
            break
    return outcomes


def drawn(env: Any, count: int, seed: int = 0) -> list[Any]:
    """Random legal actions of a single environment."""
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def assert_same(one: Any, other: Any, where: str = "result") -> None:
    """The same types, keys and numbers to the last bit, NaN included."""
    assert type(one) is type(other), f"{where}: {type(one)} and {type(other)}"
    if isinstance(one, dict):
        assert list(one) == list(other), f"{where}: {list(one)} and {list(other)}"
        for key in one:
            assert_same(one[key], other[key], f"{where}[{key!r}]")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), f"{where}: lengths {len(one)} and {len(other)}"
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}[{place}]")
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape, f"{where}: {one.dtype} {one.shape}, {other.shape}"
        assert one.tobytes() == other.tobytes(), f"{where}: {one} and {other}"
    else:
        assert one == other or (one is not None and np.isnan(one) and np.isnan(other)), f"{where}: {one} and {other}"


def trend_env(**changes: Any) -> TradingEnvironment:
    """The trend world, played by target positions, without slippage unless the test says otherwise."""
    settings: dict[str, Any] = {
        "data": trend(bars=300, seed=0),
        "feature_pipeline": ["returns", "position"],
        "action_scheme": "target_position",
        "lookback_window": 5,
        "slippage": "none",
        "interpreted": True,
    }
    return TradingEnvironment(**(settings | changes))
