"""What the panels show. Imported when a frame is drawn: it needs matplotlib.

The horizontal scale is in candles from the first one shown; of the equity, in steps from the start of the episode.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.rendering import palette, words
from tradeready_gym.rendering.panel import Numbers, Panel
from tradeready_gym.rendering.scene import Scene

_BODY = 0.34  # half the width of a candle's body, in candles
_FEWEST_SLOTS = 30  # so that the first candles of an episode are not blown up
_MOST_STRETCHES = 800  # of an equity curve; more cannot be told apart in 840 pixels
_BUY_MARK = np.array([(0.0, 0.0), (-6.0, -10.5), (6.0, -10.5)])  # pixels: a triangle whose tip is on the price


def paint_candles(panel: Panel, scene: Scene, first: int) -> None:
    """Candles, the fills in them with the tip of the mark on the price, and the newest close on the scale."""
    panel.caption("Price")
    _candle_scale(panel, scene, first)
    opened, high, low, close = (part[0, first:] for part in (scene.open, scene.high, scene.low, scene.close))
    if not np.isfinite(close).any():
        _say_nothing_yet(panel)
        return
    fills = _visible_fills(scene, first)
    newest = float(close[np.isfinite(close)][-1])
    panel.value_scale([*low, *high, *(price for _, _, _, price in fills)], headroom=0.12, beside=newest)
    gaps = np.zeros(len(close), dtype=np.bool_) if scene.gaps is None else scene.gaps[0, first:]
    _paint_gaps(panel, gaps)
    x = np.arange(len(close)) + 0.5
    rising = close >= opened
    edges = np.where(gaps, palette.MUTED, np.where(rising, palette.UP, palette.DOWN)).tolist()
    faces = np.where(gaps, palette.MUTED, np.where(rising, palette.RISING_BODY, palette.DOWN)).tolist()
    panel.segments(x, low, high, edges)
    panel.boxes(x, _BODY, opened, close, faces, edges)
    _paint_fills(panel, [(slot, side, price) for slot, _, side, price in fills])
    panel.tag(newest, words.short_price(newest), palette.UP if rising[-1] else palette.DOWN)


def paint_changes(panel: Panel, scene: Scene, first: int) -> None:
    """The closes of several symbols, in per cent of change since the first candle shown."""
    panel.caption("Price, % of change since the left edge")
    _candle_scale(panel, scene, first)
    closes = scene.close[:, first:]
    if not np.isfinite(closes).any():
        _say_nothing_yet(panel)
        return
    bases = np.array([_first_finite(row) for row in closes])
    changes = 100.0 * (closes / bases[:, np.newaxis] - 1.0)
    marks = [
        (slot, side, 100.0 * (price / bases[index] - 1.0)) for slot, index, side, price in _visible_fills(scene, first)
    ]
    panel.value_scale([*changes.ravel(), *(y for _, _, y in marks)], headroom=0.12)
    if scene.gaps is not None:
        _paint_gaps(panel, np.logical_and.reduce(scene.gaps[:, first:]))
    panel.level(0.0, palette.MUTED)
    labels = []
    for index, row in enumerate(changes):
        panel.curve(np.arange(len(row)) + 1.0, row, _colour(index), width=1.6, dash=index // len(palette.SYMBOLS) % 4)
        if np.isfinite(row).any():
            newest = float(row[np.isfinite(row)][-1])
            name = words.shortened(scene.symbols[index], 10)
            labels.append((newest, f"{name} {words.signed_percent(newest, 1)}", _colour(index)))
    _paint_fills(panel, marks)
    panel.side_labels(labels)


def paint_position(panel: Panel, scene: Scene, first: int) -> None:
    """The value of the position in per cent of equity; shorts below zero."""
    panel.caption("Position, % of equity")
    _candle_scale(panel, scene, first, labels=True)
    x, shares = _shares_from(scene, first)
    held, now = shares[0], 100.0 * float(scene.shares_now[0])
    _share_scale(panel, held, held, beside=now)
    panel.area(x, 0.0, np.maximum(held, 0.0), palette.POSITION, stepped=True)
    panel.area(x, 0.0, np.minimum(held, 0.0), palette.SHORT, stepped=True)
    panel.level(0.0, palette.FRAME, dash=0)
    panel.tag(now, f"{now:.1f} %", palette.SHORT if now < 0 else palette.UP if now > 0 else palette.MUTED)


def paint_weights(panel: Panel, scene: Scene, first: int) -> None:
    """The value of each position in per cent of equity, stacked, up to what is cash; shorts are stacked below zero."""
    panel.caption("Weights, % of equity")
    _candle_scale(panel, scene, first, labels=True)
    x, shares = _shares_from(scene, first)
    tops = np.cumsum(np.maximum(shares, 0.0), axis=0)
    bottoms = np.cumsum(np.minimum(shares, 0.0), axis=0)
    _share_scale(panel, bottoms[-1], tops[-1])
    panel.area(x, np.minimum(tops[-1], 100.0), 100.0, palette.CASH, stepped=True)
    for index, row in enumerate(shares):
        panel.area(x, tops[index] - np.maximum(row, 0.0), tops[index], _colour(index), stepped=True)
        panel.area(x, bottoms[index] - np.minimum(row, 0.0), bottoms[index], _colour(index), stepped=True)
    panel.level(0.0, palette.FRAME, dash=0)
    now = 100.0 * scene.shares_now
    middles = np.cumsum(now) - now / 2
    largest = np.argsort(-np.abs(now))[: panel.rows - 1]
    names = {int(i): words.shortened(scene.symbols[i], 10) for i in largest}
    labels = [(float(middles[i]), f"{name} {now[i]:.1f} %", _colour(i)) for i, name in names.items()]
    panel.side_labels([*labels, (panel.vertical[1], f"cash {100.0 - now.sum():.1f} %", palette.CASH)])


def paint_equity(panel: Panel, scene: Scene, first: int) -> None:
    """The equity of the whole episode over the starting balance; the stretch of the other panels is shaded."""
    start = float(scene.starting_balance)
    panel.caption(f"Equity of the episode; dashed, its start: {words.money(start)}")
    begin = int(scene.equity_times[0]) if len(scene.equity_times) else scene.clock or 0
    steps = (scene.equity_times - begin) / scene.step_us
    last = float(steps[-1]) if len(steps) else 0.0
    panel.time_scale(begin, scene.step_us, (0.0, max(last, _FEWEST_SLOTS)), labels=scene.clock is not None)
    x, equity = _thinned(steps, scene.equity)
    beside = None if panel.scale_on_left else scene.equity_now
    panel.value_scale([*equity, start * 0.999, start * 1.001], headroom=0.12, beside=beside)
    shown_from = (int(scene.times[first]) - begin) / scene.step_us if first < len(scene.times) else 0.0
    if shown_from > 0:
        panel.column(shown_from, last, palette.GAP)
    panel.area(x, start, np.maximum(equity, start), palette.UP_FAINT)
    panel.area(x, start, np.minimum(equity, start), palette.DOWN_FAINT)
    panel.level(start, palette.MUTED)
    panel.curve(x, equity, palette.TEXT)
    panel.tag(scene.equity_now, words.short_number(scene.equity_now, 2), palette.up_or_down(scene.roi_pct))


def _candle_scale(panel: Panel, scene: Scene, first: int, *, labels: bool = False) -> None:
    shown = len(scene.times) - first
    begin = int(scene.times[first]) if shown else scene.clock or 0
    span = (float(min(0, shown - _FEWEST_SLOTS)), max(shown, 1) + 0.5)
    panel.time_scale(begin, scene.step_us, span, labels=labels and scene.clock is not None)


def _share_scale(panel: Panel, lowest: Numbers, highest: Numbers, *, beside: float | None = None) -> None:
    low, high = min([0.0, *lowest]), max([100.0, *highest])
    panel.value_scale([low * 1.05, high * 1.05], headroom=0.0, most=2, beside=beside)


def _say_nothing_yet(panel: Panel) -> None:
    x, y = (panel.left + panel.right) / 2, (panel.bottom + panel.top) / 2
    panel.write("no candles yet", x, y, size=11, ha="center", va="center")


def _paint_gaps(panel: Panel, gaps: NDArray[np.bool_]) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gaps, [False]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2):
        panel.column(float(begin), float(end), palette.GAP)
    if len(edges):
        begin, end = max(edges.reshape(-1, 2), key=lambda stretch: stretch[1] - stretch[0])
        middle = float(panel.x((begin + end) / 2))
        panel.write("no trading", middle, panel.bottom + 4, size=8, ha="center")


def _paint_fills(panel: Panel, marks: list[tuple[float, int, float]]) -> None:
    for side, shape, colour in ((1, _BUY_MARK, palette.BUY), (-1, -_BUY_MARK, palette.SELL)):
        chosen = [(slot, y) for slot, way, y in marks if way == side]
        if chosen:
            panel.marks([slot for slot, _ in chosen], [y for _, y in chosen], shape, colour)
    panel.write("▲ buy", panel.right - 60, panel.top + 7, color=palette.BUY, ha="right")
    panel.write("▼ sell", panel.right, panel.top + 7, color=palette.SELL, ha="right")


def _visible_fills(scene: Scene, first: int) -> list[tuple[float, int, int, float]]:
    if first >= len(scene.times):
        return []
    begin, end = int(scene.times[first]), int(scene.times[-1]) + scene.step_us
    return [
        ((fill.time - begin) // scene.step_us + 0.5, fill.symbol, fill.side, fill.price)
        for fill in scene.fills
        if begin <= fill.time < end
    ]


def _shares_from(scene: Scene, first: int) -> tuple[Numbers, Numbers]:
    begin = int(scene.times[first]) if first < len(scene.times) else scene.clock or 0
    start = max(0, int(np.searchsorted(scene.equity_times, begin)) - 1)
    return (scene.equity_times[start:] - begin) / scene.step_us, 100.0 * scene.position_share[:, start:]


def _thinned(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    # the lowest and the highest point of each stretch, so that no spike is lost
    if len(y) <= 4 * _MOST_STRETCHES:
        return x, y
    cuts = np.linspace(0, len(y), _MOST_STRETCHES + 1).astype(int).tolist()
    picked = {0, len(y) - 1}
    for begin, end in itertools.pairwise(cuts):
        picked |= {begin + int(y[begin:end].argmin()), begin + int(y[begin:end].argmax())}
    order = sorted(picked)
    return x[order], y[order]


def _first_finite(row: Numbers) -> float:
    finite = row[np.isfinite(row)]
    return float(finite[0]) if len(finite) else float("nan")


def _colour(index: int) -> str:
    return palette.SYMBOLS[index % len(palette.SYMBOLS)]
