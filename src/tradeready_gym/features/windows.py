"""Trailing windows whose values depend on the window alone: the same bits from every anchor and for every prefix."""

import numpy as np

from tradeready_gym.features.base import FloatArray


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
