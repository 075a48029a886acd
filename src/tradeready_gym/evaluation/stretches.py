"""A long run looked at stretch by stretch, so that describing it does not take a copy of it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROWS = 4_096
_LEAST_ROWS = 256


def stretches(rows: int, columns: int = 1) -> Iterator[slice]:
    """Slices that follow one another over `rows`: of 4,096, or of fewer where a row has several `columns`."""
    size = max(ROWS // max(columns, 1), _LEAST_ROWS)
    for first in range(0, rows, size):
        yield slice(first, min(first + size, rows))


def returns_by_stretch(curve: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The returns (after - before) / before along the last axis of one curve or several, one stretch after the other."""
    for rows in stretches(curve.shape[-1] - 1, curve.size // max(curve.shape[-1], 1)):
        part = curve[..., rows.start : rows.stop + 1]
        returns = np.diff(part, axis=-1)
        returns /= part[..., :-1]
        yield returns


def returns_of(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """The returns (after - before) / before of one curve, in one array and no more."""
    returns = np.diff(curve)
    returns /= curve[:-1]
    return returns


class CentralSums(NamedTuple):
    """How many values, their mean, and the sums of the second, third and fourth powers of the distances from it; not finite where a value is not."""

    number: int
    mean: float
    second: float
    third: float
    fourth: float


def central_sums(pieces: Callable[[], Iterator[NDArray[np.float64]]]) -> CentralSums:
    """Of values that come in pieces, twice the same: they are looked at twice, and never held together."""
    count, total = 0, 0.0
    for piece in pieces():
        count += len(piece)
        total += float(piece.sum())
    mean = total / count if count else np.nan
    sums = np.zeros(3)
    for piece in pieces():
        centred = piece - mean
        squared = centred * centred
        sums += (squared.sum(), np.dot(squared, centred), np.dot(squared, squared))
    return CentralSums(count, mean, *sums.tolist())
