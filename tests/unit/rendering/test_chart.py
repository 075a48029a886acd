"""Frames have one size, show what happened, and leave matplotlib's global state alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rendering_scenes import HOUR, START, a_scene, changed, nothing_yet

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.rendering import SceneFill, draw_frame, palette

THREE = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
BUY = SceneFill(START + 40 * HOUR, 0, 1, 52_000.0)
SELL = SceneFill(START + 50 * HOUR, 0, -1, 49_000.0)


def pixels_of(frame: np.ndarray, colour: str) -> int:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((frame == wanted).all(axis=2).sum())


SCENES = {
    "one symbol": a_scene(fills=(BUY, SELL)),
    "several symbols": a_scene(THREE, fills=(BUY, SELL)),
    "first step": a_scene(steps=0),
    "one candle": a_scene(candles=1, steps=0),
    "one candle of several": a_scene(THREE, candles=1, steps=0),
    "no candle": nothing_yet(),
    "many candles": a_scene(candles=5_000, steps=4_900),
    "gaps": a_scene(gaps=True),
    "gaps of several": a_scene(THREE, gaps=True),
    "no trades": a_scene(),
    "twelve symbols": a_scene(tuple(f"COIN{n}USDT" for n in range(12))),
    "long title": a_scene(title="a title of $many$ words " * 10),
    "short": changed(a_scene(), position_share=np.full((1, 31), -0.7)),
    "leverage": changed(a_scene(), position_share=np.full((1, 31), 2.5)),
    "constant price": changed(a_scene(), **dict.fromkeys(("open", "high", "low", "close"), np.full(60, 5.0))),
    "no price of one": changed(a_scene(THREE), close=np.vstack([np.full(60, np.nan), np.ones((2, 60))])),
    "large sums": changed(a_scene(), equity=np.full(31, 3e12), starting_balance=1e12),
}


@pytest.mark.parametrize("name", SCENES)
def test_every_frame_has_the_same_size(name: str) -> None:
    frame = draw_frame(SCENES[name])
    assert frame.shape == (640, 960, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.writeable
    assert frame.min() < 60
    assert frame.max() == 255


@pytest.mark.parametrize(("width", "height"), [(480, 320), (641, 479), (1920, 1080)])
def test_a_frame_has_the_size_that_was_asked_for(width: int, height: int) -> None:
    assert draw_frame(a_scene(), width=width, height=height).shape == (height, width, 3)


def test_a_picture_that_is_too_small_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="480 × 320"):
        draw_frame(a_scene(), width=100, height=100)


def test_the_same_scene_is_the_same_picture() -> None:
    assert (draw_frame(a_scene(fills=(BUY,))) == draw_frame(a_scene(fills=(BUY,)))).all()


def test_buys_and_sells_are_marked() -> None:
    plain, both = draw_frame(a_scene()), draw_frame(a_scene(fills=(BUY, SELL)))
    for colour in (palette.BUY, palette.SELL):
        assert pixels_of(both, colour) > pixels_of(plain, colour) + 25


def test_a_fill_older_than_the_candles_shown_is_not_drawn() -> None:
    long = a_scene(candles=500, steps=400)
    old = changed(long, fills=(BUY,))
    assert (draw_frame(long) == draw_frame(old)).all()


def test_a_position_fills_its_panel() -> None:
    scene = a_scene()
    flat = changed(scene, position_share=np.zeros((1, 31)))
    assert pixels_of(draw_frame(flat), palette.POSITION) == 0
    assert pixels_of(draw_frame(scene), palette.POSITION) > 1_000


def test_a_short_position_has_a_colour_of_its_own() -> None:
    assert pixels_of(draw_frame(SCENES["short"]), palette.SHORT) > 1_000


def test_gains_and_losses_differ_in_colour() -> None:
    up = changed(a_scene(), equity=np.linspace(10_000, 12_000, 31))
    down = changed(a_scene(), equity=np.linspace(10_000, 8_000, 31))
    assert pixels_of(draw_frame(up), palette.UP_FAINT) > 1_000
    assert pixels_of(draw_frame(up), palette.DOWN_FAINT) == 0
    assert pixels_of(draw_frame(down), palette.DOWN_FAINT) > 1_000


def test_a_single_spike_of_a_long_equity_curve_is_seen() -> None:
    scene = a_scene(candles=100_000, steps=99_000)
    flat = np.full(99_001, 10_000.0)
    spike = flat.copy()
    spike[31_416] = 20_000.0
    low, high = (draw_frame(changed(scene, equity=equity)) for equity in (flat, spike))
    upper_half_of_the_equity = (slice(525, 560), slice(30, 850))
    assert low[upper_half_of_the_equity].min() > 200
    assert high[upper_half_of_the_equity].min() < 150


def test_stretches_without_trading_are_shaded() -> None:
    scene = a_scene(gaps=True)
    assert pixels_of(draw_frame(scene), palette.GAP) > pixels_of(draw_frame(changed(scene, gaps=None)), palette.GAP)


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match=r'pip install "tradeready-gym\[render\]"'):
        draw_frame(a_scene())


IMPORTING = """
import sys
import tradeready_gym.rendering
assert not any(name.startswith("matplotlib") for name in sys.modules), "imported too early"
sys.path.append(sys.argv[1])
from rendering_scenes import a_scene
tradeready_gym.rendering.draw_frame(a_scene())
import matplotlib
assert "matplotlib.pyplot" not in sys.modules, "pyplot was imported"
before = dict(matplotlib.rcParams)
tradeready_gym.rendering.draw_frame(a_scene())
assert dict(matplotlib.rcParams) == before, "rcParams were changed"
"""


def test_matplotlib_is_imported_when_drawing_and_its_global_state_is_left_alone() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", IMPORTING, str(Path(__file__).parent)], check=True)
