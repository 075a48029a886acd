"""A plot as SVG: scales, lines of any length in few points, bars and marks. Text is escaped, numbers are short."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.rendering.palette import FRAME, GRID, MUTED
from tradeready_gym.rendering.report.series import thinned
from tradeready_gym.rendering.words import typeset

LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 12.0, 26.0


def columns(width: float) -> int:
    """How many pixels across a plot of this width has for what it draws."""
    return int(width - LEFT - RIGHT)


class Plot:
    """One drawing of `width` x `height` with horizontal range `x` and vertical range `y`; `log` scales y by its logarithm."""

    def __init__(
        self, width: float, height: float, x: tuple[float, float], y: tuple[float, float], *, log: bool = False
    ) -> None:
        self.width, self.height, self._log = width, height, log
        self._x, self._y = _room(*x), _room(*(np.log(y) if log else y))
        self._parts: list[str] = []

    def across(self, x: Any) -> Any:
        """Horizontal pixels of data."""
        return LEFT + (np.asarray(x, np.float64) - self._x[0]) / (self._x[1] - self._x[0]) * (self.width - LEFT - RIGHT)

    def down(self, y: Any) -> Any:
        """Vertical pixels of data."""
        values = np.asarray(y, np.float64)
        values = np.log(values) if self._log else values
        share = (values - self._y[0]) / (self._y[1] - self._y[0])
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def grid(self, x: tuple[Sequence[float], Sequence[str]], y: tuple[Sequence[float], Sequence[str]]) -> None:
        """Marks and their words on both scales."""
        left, right, bottom = LEFT, self.width - RIGHT, self.height - BOTTOM
        for at, label in zip(*y, strict=True):
            h = _n(self.down(at))
            self._parts.append(f'<path d="M{_n(left)} {h}H{_n(right)}" stroke="{GRID}"/>')
            self.text(left - 7, float(self.down(at)) + 4, label, anchor="end", colour=MUTED)
        for at, label in zip(*x, strict=True):
            self.text(float(self.across(at)), bottom + 17, label, anchor="middle", colour=MUTED)
        self._parts.append(f'<path d="M{_n(left)} {_n(bottom)}H{_n(right)}" stroke="{FRAME}"/>')

    def line(self, x: Any, y: Any, colour: str, width: float = 1.6, dash: str = "") -> None:
        """A line; thinned to two points a pixel."""
        times, values = thinned(np.asarray(x), np.asarray(y, np.float64), columns(self.width))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<path d="{self._path(times, values)}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-linejoin="round"{dashed}/>'
        )

    def area(self, x: Any, y: Any, base: float, colour: str) -> None:
        """The area between a line and a level."""
        times, values = thinned(np.asarray(x), np.asarray(y, np.float64), columns(self.width))
        floor, ends = _n(self.down(base)), self.across(times[[0, -1]])
        path = f"M{_n(ends[0])} {floor}L{self._path(times, values)[1:]}L{_n(ends[1])} {floor}Z"
        self._parts.append(f'<path d="{path}" fill="{colour}"/>')

    def box(self, x0: float, x1: float, y0: float, y1: float, colour: str, *, outline: str = "none") -> None:
        """A filled box between data coordinates."""
        left, right = sorted((float(self.across(x0)), float(self.across(x1))))
        top, bottom = sorted((float(self.down(y0)), float(self.down(y1))))
        self._parts.append(
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(max(right - left, 0.5))}" '
            f'height="{_n(max(bottom - top, 0.5))}" fill="{colour}" stroke="{outline}"/>'
        )

    def bar(self, left: float, right: float, y0: float, y1: float, colour: str) -> None:
        """A filled box between pixels across and data down."""
        top, bottom = sorted((float(self.down(y0)), float(self.down(y1))))
        self._parts.append(
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}" height="{_n(bottom - top)}" fill="{colour}"/>'
        )

    def band(self, x0: float, x1: float, colour: str) -> None:
        """A stretch of the whole height between data coordinates."""
        left, right = float(self.across(x0)), float(self.across(x1))
        self._parts.append(
            f'<rect x="{_n(left)}" y="{_n(TOP)}" width="{_n(right - left)}" '
            f'height="{_n(self.height - TOP - BOTTOM)}" fill="{colour}"/>'
        )

    def dot(self, x: float, y: float, colour: str, radius: float) -> None:
        """A disc at data coordinates."""
        self._parts.append(
            f'<circle cx="{_n(self.across(x))}" cy="{_n(self.down(y))}" r="{_n(radius)}" fill="{colour}" '
            f'fill-opacity="0.75"/>'
        )

    def stick(self, x: float, y0: float, y1: float, colour: str) -> None:
        """A vertical line between data coordinates."""
        h = _n(self.across(x))
        self._parts.append(f'<path d="M{h} {_n(self.down(y0))}V{_n(self.down(y1))}" stroke="{colour}"/>')

    def triangle(self, x: float, y: float, up: bool, colour: str) -> None:
        """A mark whose tip is at the data coordinates."""
        h, v, way = float(self.across(x)), float(self.down(y)), 1.0 if up else -1.0
        points = f"{_n(h)},{_n(v + 2 * way)} {_n(h - 4.5)},{_n(v + 10 * way)} {_n(h + 4.5)},{_n(v + 10 * way)}"
        self._parts.append(f'<polygon points="{points}" fill="{colour}" stroke="#fff" stroke-width="0.7"/>')

    def text(self, h: float, v: float, words: str, *, anchor: str = "start", colour: str = MUTED) -> None:
        """Words at pixels."""
        self._parts.append(
            f'<text x="{_n(h)}" y="{_n(v)}" text-anchor="{anchor}" fill="{colour}">{escape(typeset(words))}</text>'
        )

    def to_svg(self, description: str) -> str:
        """The drawing, with what it shows for those who do not see it."""
        return (
            f'<svg viewBox="0 0 {_n(self.width)} {_n(self.height)}" role="img" aria-label="{escape(description)}">'
            + "".join(self._parts)
            + "</svg>"
        )

    def _path(self, times: NDArray[Any], values: NDArray[Any]) -> str:
        points = np.column_stack([self.across(times), self.down(values)]).round(1)
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in points.tolist())


def _room(low: float, high: float) -> tuple[float, float]:
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _n(value: Any) -> str:
    return f"{float(value):.1f}".rstrip("0").rstrip(".")
