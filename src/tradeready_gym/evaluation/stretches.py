"""A long run looked at stretch by stretch, so that describing it does not take a copy of it."""

from collections.abc import Iterator

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
