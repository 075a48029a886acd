"""`render_mode="human"`: a window where there is a display and matplotlib, else the moment as a line of text."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from tradeready_gym.rendering.ansi import to_text
from tradeready_gym.rendering.chart import FRAME_DPI, FRAME_HEIGHT, FRAME_WIDTH, paint
from tradeready_gym.rendering.scene import Scene

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Window:
    """Where a person watches one environment. Opens at the first `draw`; a copy opens a window of its own.

    The window is matplotlib's, of the backend that matplotlib chooses. Without a display, without a backend that opens
    windows, or without matplotlib, every `draw` writes the scene's text to the standard output instead.
    """

    def __init__(self) -> None:
        self._opened = False
        self._figure: Figure | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_opened": False, "_figure": None}

    def draw(self, scene: Scene) -> None:
        """Show the scene now, in place of the one before. A window that the person has closed stays closed."""
        if not self._opened:
            self._opened, self._figure = True, _open_figure()
        if self._figure is None:
            sys.stdout.write(to_text(scene) + "\n")
            return
        from matplotlib import pyplot

        if pyplot.fignum_exists(self._figure.number):
            paint(self._figure, scene)
            self._figure.canvas.draw_idle()
            self._figure.canvas.flush_events()

    def close(self) -> None:
        """Close the window, if one is open; a later `draw` opens another."""
        figure, self._figure, self._opened = self._figure, None, False
        if figure is not None:
            from matplotlib import pyplot

            pyplot.close(figure)


def show(scene: Scene, window: Window | None = None) -> Window:
    """Show the scene in `window`, or in a new one; returns the window, for the next scene and to be closed."""
    window = window or Window()
    window.draw(scene)
    return window


def _open_figure() -> "Figure | None":
    figure = None
    with contextlib.suppress(Exception):  # matplotlib is missing, or whatever a toolkit raises that finds no display
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(FRAME_WIDTH / FRAME_DPI, FRAME_HEIGHT / FRAME_DPI), dpi=FRAME_DPI)
        if figure.canvas.manager is None or figure.canvas.required_interactive_framework is None:
            pyplot.close(figure)  # a backend without windows, which is matplotlib's choice where no display is
            return None
        figure.canvas.manager.show()
    return figure
