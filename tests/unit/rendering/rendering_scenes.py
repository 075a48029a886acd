"""Small scenes of made-up candles."""

import dataclasses
from typing import Any

import numpy as np

from tradeready_gym.rendering import Scene, SceneFill

HOUR = 3_600_000_000
START = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z


def a_scene(
    symbols: tuple[str, ...] = ("BTCUSDT",),
    candles: int = 60,
    steps: int = 30,
    *,
    fills: tuple[SceneFill, ...] = (),
    gaps: bool = False,
    title: str = "",
    seed: int = 1,
) -> Scene:
    """`steps` steps of an episode after `candles - steps` candles of history, half of the equity in the first symbol."""
    random = np.random.default_rng(seed)
    close = 50_000 * np.exp(random.normal(0, 0.01, (len(symbols), candles)).cumsum(axis=1))
    opened = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    reach = np.abs(random.normal(0, 100, close.shape))
    times = START + HOUR * np.arange(candles)
    equity = 10_000 * np.concatenate([[1.0], np.exp(random.normal(0, 0.01, steps).cumsum())])
    share = np.zeros((len(symbols), steps + 1))
    share[0, steps // 2 :] = 0.5
    missing = np.zeros(close.shape, dtype=bool)
    missing[:, candles // 3 : candles // 2] = gaps
    return Scene(
        symbols=symbols,
        timeframe="1h",
        times=times,
        open=opened,
        high=np.maximum(opened, close) + reach,
        low=np.minimum(opened, close) - reach,
        close=close,
        fills=fills,
        equity_times=START + HOUR * (candles - steps + np.arange(steps + 1)),
        equity=equity,
        position_share=share,
        starting_balance=10_000.0,
        title=title,
        gaps=missing if gaps else None,
    )


def changed(scene: Scene, **values: Any) -> Scene:
    """The scene with other values."""
    return dataclasses.replace(scene, **values)


def nothing_yet() -> Scene:
    """A scene before its first candle."""
    names = ("times", "open", "high", "low", "close", "equity_times", "equity", "position_share")
    return changed(a_scene(), **dict.fromkeys(names, np.zeros(0)))
