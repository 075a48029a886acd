"""Quantiles of Student's t distribution."""

import math

from tradeready_gym.errors import DataError


def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution with `freedom` degrees, by bisection of its distribution function.

    Raises `DataError` unless `freedom` is at least 1 and `probability` in [0.5, 1).
    """
    if freedom < 1 or not 0.5 <= probability < 1.0:
        raise DataError(f"t_quantile needs freedom >= 1 and a probability in [0.5, 1); got {freedom}, {probability}")
    low, high = 0.0, 1.0
    while _distribution(high, freedom) < probability:
        high *= 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _distribution(middle, freedom) < probability else (low, middle)
    return 0.5 * (low + high)


def _distribution(t: float, freedom: int) -> float:
    # the finite sums of M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    term = total = 1.0 if freedom % 2 == 0 else cosine
    for k in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if freedom % 2 == 0:
        return 0.5 + 0.5 * sine * total
    rest = sine * total if freedom > 1 else 0.0
    return 0.5 + (angle + rest) / math.pi
