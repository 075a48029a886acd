"""Trailing windows whose values depend on the window alone: the same bits from every anchor and for every prefix."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tradeready_gym.features.base import FloatArray

_BLOCK_ROWS: Final = 2048


def window_sum(values: FloatArray, bars: int) -> FloatArray:
    """The sum of the last `bars` values at each row: float64[T], NaN in the first `bars - 1` rows.

    Sums of 1, 2, 4, ... values are doubled up and combined by the binary digits of `bars`. A running sum would be
    cheaper, but drifts with everything that came before.
    """
    total = np.full(len(values), np.nan)
    count = len(values) - bars + 1
    if count <= 0:
        return total
    result = np.zeros(count)
    block, size, offset = values, 1, 0  # block[i] is the sum of the `size` values from i on
    while True:
        if bars & size:
            result += block[offset : offset + count]
            offset += size
        if offset == bars:
            break
        block = block[:-size] + block[size:]
        size *= 2
    total[bars - 1 :] = result
    return total


def window_mean(values: FloatArray, bars: int) -> FloatArray:
    """The mean of the last `bars` values at each row: float64[T], NaN in the first `bars - 1` rows."""
    return window_sum(values, bars) / bars


def window_deviation(values: FloatArray, bars: int) -> FloatArray:
    """The population standard deviation of the last `bars` values: float64[T], NaN in the first `bars - 1` rows.

    Meant for values whose mean is small against their deviation, such as returns: the squares are not centred first.
    """
    mean = window_mean(values, bars)
    return np.sqrt(np.maximum(window_mean(values * values, bars) - mean * mean, 0.0))


def change(values: FloatArray, bars: int) -> FloatArray:
    """The relative change over `bars` rows, `values[i] / values[i - bars] - 1`: float64[T], NaN in the first rows."""
    result = np.full(len(values), np.nan)
    result[bars:] = values[bars:] / values[: max(len(values) - bars, 0)] - 1.0
    return result


def weighted_sum(values: FloatArray, weights: Sequence[float]) -> FloatArray:
    """The sum of `weights[k] * values[i - k]` at each row: float64[T], NaN in the first `len(weights) - 1` rows.

    Weight by weight over blocks of rows that fit the cache: unlike a dot product, whose order of addition depends on
    where in memory a row lies, every row is added up in the same order.
    """
    total = np.full(len(values), np.nan)
    first = len(weights) - 1
    product = np.empty(_BLOCK_ROWS)
    for start in range(first, len(values), _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, len(values))
        block, part = total[start:stop], product[: stop - start]
        np.multiply(values[start:stop], weights[0], out=block)
        for k in range(1, len(weights)):
            np.multiply(values[start - k : stop - k], weights[k], out=part)
            block += part
    return total
