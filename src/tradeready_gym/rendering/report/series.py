"""Long series for a drawing, made stretch by stretch: a run is worth more than a picture of it, and is not copied."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.evaluation.stretches import returns_by_stretch, stretches

Floats = NDArray[np.float64]
Piece = Callable[[slice], Floats]


def thinned(times: NDArray[Any], values: NDArray[Any], columns: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """At most 2 x `columns` points with the same outline: the lowest and the highest of each of `columns` stretches."""
    return thinned_pieces(times, lambda rows: values[rows], columns)


def thinned_pieces(times: NDArray[Any], piece: Piece, columns: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """`thinned` of values that are made when they are asked for: `piece(rows)` is called once for each stretch of the rows of
    `times`, in their order. Values that are not finite are left out."""
    count = len(times)
    if count <= 2 * columns:
        values = piece(slice(0, count))
        known = np.isfinite(values)
        return times[known], values[known]
    edges = np.linspace(0, count, columns + 1).astype(np.int64).tolist()
    points: list[tuple[Any, float]] = []
    for first, after in itertools.pairwise(edges):
        values = piece(slice(first, after))
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        outline = [float(values.min()), float(values.max())]
        # the two of a stretch in the order in which the line goes on, so that it is drawn without a jump
        begin, end = outline if values[-1] >= values[0] else outline[::-1]
        points += [(times[first], begin if points else float(values[0])), (times[after - 1], end)]
    if points:
        points[-1] = (points[-1][0], float(values[-1]) if len(values) else points[-1][1])
    return np.array([time for time, _ in points], times.dtype), np.array([value for _, value in points])


def below_peak(equity: Floats) -> Piece:
    """How far a curve is below its peak so far, in per cent, zero or less; to be asked for in the order of time."""
    peak = float(equity[0])

    def piece(rows: slice) -> Floats:
        nonlocal peak
        top = np.maximum(np.maximum.accumulate(equity[rows]), peak)
        peak = float(top[-1])
        return np.asarray(100.0 * (equity[rows] / top - 1.0))

    return piece


def rolling_sharpe(equity: Floats, window: int) -> Piece:
    """mean / deviation (ddof=1) of each `window` returns in a row, per period: rows 0 to T - window for T returns, to be asked
    for in the order of time; NaN where they do not vary."""
    count = len(equity) - 1
    mean = sum(float(part.sum()) for part in returns_by_stretch(equity)) / count
    spread = sum(float(np.square(part - mean).sum()) for part in returns_by_stretch(equity)) / count
    first = np.zeros(2)
    # the sums up to the end of the window before row 0, and up to its beginning
    head, tail = _sums(equity, slice(0, window - 1), mean, first)[:, -1], first

    def piece(rows: slice) -> Floats:
        nonlocal head, tail
        ahead = _sums(equity, slice(rows.start + window - 1, rows.stop + window - 1), mean, head)
        behind = _sums(equity, rows, mean, tail)
        head, tail = ahead[:, -1], behind[:, -1]
        total, square = ahead[:, 1:] - behind[:, :-1]
        variance = (square - total * total / window) / (window - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            # what cumulative sums lose is no deviation
            return np.where(variance > 1e-12 * spread, (total / window + mean) / np.sqrt(variance), np.nan)

    return piece


def outer_values(values: Floats, share: float) -> tuple[float, float]:
    """What leaves out this share of the values below and above: the percentiles of `numpy.percentile`."""
    low, high = _lowest(values, share, 1.0), -_lowest(values, share, -1.0)
    return low, high


def counts(values: Floats, bins: int, low: float, high: float) -> NDArray[np.int64]:
    """How many values lie in each of `bins` parts of low to high; what lies outside is counted in the outermost."""
    parts = (np.clip(values[rows], low, high) for rows in stretches(len(values)))
    return np.asarray(sum(np.histogram(part, bins=bins, range=(low, high))[0] for part in parts), np.int64)


def _sums(equity: Floats, rows: slice, mean: float, begin: Floats) -> Floats:
    # cumulative sums of the centred returns of these rows and of their squares, (2, rows + 1), on from `begin`
    part = equity[rows.start : rows.stop + 1]
    centred = np.diff(part) / part[:-1] - mean
    return np.cumsum(np.column_stack([begin, [centred, centred * centred]]), axis=1)


def _lowest(values: Floats, share: float, sign: float) -> float:
    place = share * (len(values) - 1)
    most = min(math.floor(place) + 2, len(values))
    kept = np.zeros(0)
    for rows in stretches(len(values)):
        kept = np.concatenate([kept, sign * values[rows]])
        kept = np.partition(kept, most - 1)[:most] if len(kept) > most else kept
    kept.sort()
    lower, upper = kept[math.floor(place)], kept[min(math.floor(place) + 1, len(kept) - 1)]
    return float(lower + (upper - lower) * (place - math.floor(place)))
