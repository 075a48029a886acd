"""A scene holds together, and says what it shows."""

import numpy as np
import pytest
from rendering_scenes import HOUR, START, a_scene, changed

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.rendering import Scene, SceneFill


def test_one_symbol_may_come_without_an_axis_for_symbols() -> None:
    scene = a_scene()
    flat = changed(scene, close=scene.close[0], position_share=scene.position_share[0])
    assert flat.close.shape == (1, 60)
    assert flat.position_share.shape == (1, 31)


def test_plain_lists_become_arrays() -> None:
    scene = Scene(("BTCUSDT",), "1d", [0], [1.0], [2.0], [0.5], [1.5], [], [0], [100.0], [0.0], 100.0)  # type: ignore[arg-type]
    assert scene.close.tolist() == [[1.5]]
    assert scene.equity_now == 100.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("close", np.zeros((2, 60))),
        ("high", np.zeros(59)),
        ("equity", np.zeros(30)),
        ("position_share", np.zeros((1, 30))),
        ("gaps", np.zeros((1, 59), dtype=bool)),
        ("times", np.zeros((1, 60), dtype=np.int64)),
    ],
)
def test_shapes_that_do_not_fit_are_named(name: str, value: np.ndarray) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must have shape"):
        changed(a_scene(), **{name: value})


def test_an_unknown_timeframe_is_refused() -> None:
    with pytest.raises(UnknownName, match="2h"):
        changed(a_scene(), timeframe="2h")


def test_no_symbol_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one symbol"):
        changed(a_scene(), symbols=())


def test_the_moment_shown_is_that_of_the_newest_equity() -> None:
    scene = a_scene(candles=60, steps=30)
    assert scene.clock == START + 60 * HOUR
    assert scene.equity_now == scene.equity[-1]
    assert scene.roi_pct == pytest.approx(100 * (scene.equity[-1] / 10_000 - 1))


def test_before_the_first_step_equity_is_the_starting_balance() -> None:
    nothing = np.zeros(0)
    scene = changed(a_scene(), equity=nothing, equity_times=nothing.astype(np.int64), position_share=np.zeros((1, 0)))
    assert scene.equity_now == 10_000.0
    assert scene.clock == START + 60 * HOUR
    assert scene.shares_now.tolist() == [0.0]


def test_fills_of_the_newest_candle_are_told_from_older_ones() -> None:
    old, new = SceneFill(START, 0, 1, 1.0), SceneFill(START + 59 * HOUR, 0, -1, 2.0)
    assert a_scene(fills=(old, new)).fills_now == [new]
