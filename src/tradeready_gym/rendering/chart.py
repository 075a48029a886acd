"""A moment of an episode as a picture: price and trades, position, equity. Drawn with matplotlib's Agg canvas alone.

No pyplot, no current figure, no backend, no rcParams: frames are drawn in any thread or process, display or not.
matplotlib is imported when the first frame is drawn.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.rendering import palette, words
from tradeready_gym.rendering.scene import Scene

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME_WIDTH = 960
FRAME_HEIGHT = 640
FRAME_DPI = 100
MOST_CANDLES = 120
# where the panels are, as shares of the picture: left and right (one symbol, several), then bottom and top of each
_SIDES, _SIDES_OF_SEVERAL = (0.025, 0.9), (0.075, 0.835)
_PANELS = ((0.43, 0.835), (0.265, 0.37), (0.05, 0.185))
_EDGE = 0.985


def draw_frame(scene: Scene, *, width: int = FRAME_WIDTH, height: int = FRAME_HEIGHT) -> NDArray[np.uint8]:
    """The picture as uint8[height, width, 3], of this size whatever the scene holds.

    One symbol: its last 120 candles with buys and sells, the share of equity in the position, and the equity of the
    whole episode over the starting balance. Several: their closes in per cent of change, and the weights. Raises
    `ConfigurationError` without matplotlib, or for a picture below 480 × 320.
    """
    if width < 480 or height < 320:
        raise ConfigurationError(f"a picture needs at least 480 × 320 pixels; got {width} × {height}.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError(
            'pictures need matplotlib, which is not installed. Install it with: pip install "tradeready-gym[render]"'
        ) from error
    figure = Figure(figsize=(width / FRAME_DPI, height / FRAME_DPI), dpi=FRAME_DPI)
    canvas = FigureCanvasAgg(figure)
    paint(figure, scene)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]


def paint(figure: "Figure", scene: Scene) -> None:
    """Draw the scene on a matplotlib figure, in place of what was on it."""
    from tradeready_gym.rendering import panels
    from tradeready_gym.rendering.panel import Panel

    figure.clear()
    figure.set_facecolor(palette.BACKGROUND)
    _paint_heading(figure, scene)
    several = len(scene.symbols) > 1
    left, right = _SIDES_OF_SEVERAL if several else _SIDES
    price, position, equity = (
        Panel(figure, (left, bottom, right, top), scale_on_left=several) for bottom, top in _PANELS
    )
    first = max(0, len(scene.times) - MOST_CANDLES)
    if several:
        panels.paint_changes(price, scene, first)
        panels.paint_weights(position, scene, first)
    else:
        panels.paint_candles(price, scene, first)
        panels.paint_position(position, scene, first)
    panels.paint_equity(equity, scene, first)


def _paint_heading(figure: "Figure", scene: Scene) -> None:
    names = scene.symbols if len(scene.symbols) <= 4 else (*scene.symbols[:4], f"{len(scene.symbols) - 4} more")
    clock = "before the first candle" if scene.clock is None else words.time_utc(scene.clock)
    left: dict[str, Any] = {"x": _SIDES[0], "va": "center", "ha": "left", "parse_math": False}
    right: dict[str, Any] = {"x": _EDGE, "va": "center", "ha": "right"}
    large: dict[str, Any] = {"y": 0.955, "size": 15, "weight": "bold", "color": palette.TEXT}
    small: dict[str, Any] = {"y": 0.91, "size": 10, "color": palette.MUTED}
    for text, style in (
        (f"{', '.join(names)} · {scene.timeframe}", left | large),
        (f"{clock}   {words.shortened(scene.title, 60)}".rstrip(), left | small),
        (f"Equity {words.money(scene.equity_now)}", right | large),
        ("since the start", right | small),
    ):
        figure.text(s=text, **style)
    change = right | small | {"weight": "bold", "color": palette.up_or_down(scene.roi_pct)}
    start_of_words = _EDGE - 104 / figure.bbox.width
    figure.text(s=words.signed_percent(scene.roi_pct), **change | {"x": start_of_words})
