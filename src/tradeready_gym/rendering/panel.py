"""A panel of the picture: its own scales in pixels, on a bare matplotlib figure.

matplotlib's `Axes` would take two thirds of the time of a frame for what is not needed here. This module is imported when
a frame is drawn: it needs matplotlib.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform
from numpy.typing import NDArray

from tradeready_gym.rendering import palette
from tradeready_gym.rendering.ticks import time_ticks, value_ticks

Numbers = NDArray[np.floating[Any]]

_SMALL = 9
_MOST_TIMES = 8
_TAG_HEIGHT = 15.0  # pixels that a line of small text takes
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))


class Panel:
    """A rectangle of `figure`; `box` is its left, bottom, right and top as shares of the figure.

    `horizontal` and `vertical` are the spans of the scales in units of the data. What reaches beyond them is cut off.
    """

    def __init__(self, figure: Figure, box: tuple[float, float, float, float], *, scale_on_left: bool) -> None:
        width, height = figure.bbox.width, figure.bbox.height
        self.figure = figure
        self.left, self.bottom, self.right, self.top = box[0] * width, box[1] * height, box[2] * width, box[3] * height
        self.scale_on_left = scale_on_left
        self.horizontal = self.vertical = (0.0, 1.0)
        self._clip = Bbox.from_extents(self.left, self.bottom, self.right, self.top)
        self._add(Line2D((self.left, self.right), (self.bottom,) * 2, color=palette.FRAME, linewidth=0.8, zorder=4))

    @property
    def height(self) -> float:
        """Height in pixels."""
        return float(self.top - self.bottom)

    @property
    def rows(self) -> int:
        """Labels that fit above one another."""
        return int(self.height / _TAG_HEIGHT) + 1

    def x(self, values: Any) -> Numbers:
        """Data to pixels."""
        low, high = self.horizontal
        return self.left + (np.asarray(values, dtype=np.float64) - low) / (high - low) * (self.right - self.left)

    def y(self, values: Any) -> Numbers:
        """Data to pixels."""
        low, high = self.vertical
        return self.bottom + (np.asarray(values, dtype=np.float64) - low) / (high - low) * self.height

    def time_scale(self, begin_us: int, step_us: int, span: tuple[float, float], *, labels: bool) -> None:
        """Take `span`, in steps since `begin_us`, for the width; grid lines at round times."""
        self.horizontal = span
        first, last = (begin_us + round(steps * step_us) for steps in span)
        times, names = time_ticks(first, last, _MOST_TIMES)
        places = self.x([(time - begin_us) / step_us for time in times])
        self._grid([((x, self.bottom), (x, self.top)) for x in places])
        for place, name in zip(places, names, strict=True):
            # a label at the very edge would be cut off or run into the scale
            if labels and self.left + 15 < place < self.right - 15:
                self.write(name, place, self.bottom - 5, va="top", ha="center")

    def value_scale(
        self, values: Sequence[float], *, headroom: float, most: int = 0, beside: float | None = None
    ) -> None:
        """Take what holds all finite values, with some room, for the height; grid lines at round values.

        The line nearest to the value `beside` stays without its number, which a tag will cover.
        """
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        low, high = float(finite.min()), float(finite.max())
        reach = (high - low) or abs(high) * 0.01 or 1.0
        self.vertical = (low - headroom * reach, high + headroom * reach)
        marks, names = value_ticks(*self.vertical, most or max(2, int(self.height / 45)))
        places = self.y(marks)
        self._grid([((self.left, y), (self.right, y)) for y in places])
        taken = -np.inf if beside is None else float(self.y(beside))
        x, side = (self.left - 6, "right") if self.scale_on_left else (self.right + 6, "left")
        for place, name in zip(places, names, strict=True):
            if abs(place - taken) > _TAG_HEIGHT:
                self.write(name, x, place, ha=side, va="center")

    def caption(self, words: str) -> None:
        """What the panel shows, above it."""
        self.write(words, self.left, self.top + 7, color=palette.TEXT)

    def tag(self, value: float, words: str, colour: str) -> None:
        """The newest value, to the right of the panel."""
        box = {"facecolor": colour, "edgecolor": "none", "boxstyle": "square,pad=0.25"}
        x, y = self.right + 6, float(self.y(value))
        self.write(words, x, y, va="center", weight="bold", color=palette.BACKGROUND, bbox=box, zorder=6)

    def side_labels(self, labels: Sequence[tuple[float, str, str]]) -> None:
        """Labels (value, words, colour) to the right of the panel, moved apart where they would overlap.

        Where there is no room for all, those whose values are furthest from zero are written.
        """
        chosen = sorted(sorted(labels, key=lambda label: -abs(label[0]))[: self.rows])
        places = _apart([float(self.y(value)) for value, _, _ in chosen], self.top)
        for (_, words, colour), place in zip(chosen, places, strict=True):
            self.write("■", self.right + 6, place, va="center", color=colour)
            self.write(words, self.right + 20, place, va="center", color=palette.TEXT)

    def write(self, words: str, x: float, y: float, **style: Any) -> None:
        """Text at a place in pixels of the figure."""
        defaults: dict[str, Any] = {"size": _SMALL, "color": palette.MUTED, "parse_math": False}
        self._add(Text(x, y, words, **defaults | style), clip=False)

    def curve(
        self, x: Numbers, y: Numbers, colour: str, *, width: float = 1.3, dash: int = 0, zorder: float = 3
    ) -> None:
        """A line through the points; interrupted where a value is NaN. A single point is a dot."""
        line = Line2D(self.x(x), self.y(y), color=colour, linewidth=width, linestyle=_DASHES[dash], zorder=zorder)
        line.set_marker("o" if len(x) == 1 else "None")
        line.set_markersize(4)
        self._add(line, clip=len(x) > 1)

    def level(self, value: float, colour: str, *, dash: int = 1) -> None:
        """A line across the panel."""
        self.curve(np.array(self.horizontal), np.array([value, value]), colour, width=0.9, dash=dash, zorder=2)

    def area(self, x: Numbers, low: Any, high: Any, colour: str, *, stepped: bool = False, zorder: float = 1) -> None:
        """The area between two curves; stepped, each value stands for the stretch that ends at its x."""
        low, high = np.broadcast_to(low, x.shape), np.broadcast_to(high, x.shape)
        if stepped:
            x = np.column_stack([x[:-1], x[1:]]).ravel()
            low, high = np.repeat(low[1:], 2), np.repeat(high[1:], 2)
        if len(x) and (low != high).any():
            there, back = np.column_stack([self.x(x), self.y(low)]), np.column_stack([self.x(x), self.y(high)])
            outline = np.concatenate([there, back[::-1]])
            self._add(PolyCollection([outline], facecolors=colour, linewidths=0, zorder=zorder))

    def column(self, begin: float, end: float, colour: str) -> None:
        """A stretch of the scale, from the bottom to the top."""
        self.area(np.array([begin, end]), self.vertical[0], self.vertical[1], colour, zorder=0)

    def segments(self, x: Numbers, low: Numbers, high: Numbers, colours: Sequence[str]) -> None:
        """Vertical lines."""
        lines = np.stack([np.column_stack([self.x(x), self.y(end)]) for end in (low, high)], axis=1)
        self._add(LineCollection(list(lines), colors=colours, linewidths=1.0, zorder=2))

    def boxes(
        self, x: Numbers, half: float, low: Numbers, high: Numbers, faces: Sequence[str], edges: Sequence[str]
    ) -> None:
        """Rectangles of one width."""
        corners = ((x - half, low), (x - half, high), (x + half, high), (x + half, low))
        outlines = np.stack([np.column_stack([self.x(a), self.y(b)]) for a, b in corners], axis=1)
        self._add(PolyCollection(list(outlines), facecolors=faces, edgecolors=edges, linewidths=0.9, zorder=3))

    def marks(self, x: Sequence[float], y: Sequence[float], shape: Numbers, colour: str) -> None:
        """Marks of that shape, given by its corners in pixels about the point, with a light rim."""
        points = np.column_stack([self.x(x), self.y(y)])
        outlines = list(points[:, np.newaxis] + shape)
        edge = palette.BACKGROUND
        self._add(PolyCollection(outlines, facecolors=colour, edgecolors=edge, linewidths=0.9, zorder=5), clip=False)

    def _grid(self, lines: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
        if lines:
            self._add(LineCollection(lines, colors=palette.GRID, linewidths=0.7, zorder=0.5), clip=False)

    def _add(self, artist: Artist, *, clip: bool = True) -> None:
        artist.set_transform(IdentityTransform())
        self.figure.add_artist(artist, clip=False)
        if clip:
            artist.set_clip_box(self._clip)


def _apart(places: list[float], ceiling: float) -> list[float]:
    # upwards from the lowest, then down again from the ceiling
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + _TAG_HEIGHT)
    for index in reversed(range(len(places))):
        places[index] = min(places[index], ceiling)
        ceiling = places[index] - _TAG_HEIGHT
    return places
