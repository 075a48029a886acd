"""Numbers as the wire has them: money, prices and quantities are decimals in strings, never with an exponent.

Money, prices and percentages have at most 8 decimal places, as the columns of the documented API (NUMERIC(20,8)).
Quantities of an asset are exact: what a client is told that it holds it can hand back in an order, and a rounded-up
quantity could not be sold. Where a number is needed to the last digit, the additive key `exact` has it as a JSON number.
"""

import math
from decimal import Decimal

import numpy as np

PLACES = 8
_FLOATS = (float, np.floating)


def decimal_text(value: Decimal | float | int) -> str:
    """Money, a price or a percentage: a float to the nearest of `PLACES` decimal places, a `Decimal` or int as it is.

    Raises `ValueError` for what is not a finite number.
    """
    if isinstance(value, _FLOATS):
        # what is rounded to zero has no sign
        return _digits(round(float(value), PLACES) + 0.0)
    return format(Decimal(value), "f")


def exact_text(value: Decimal | float | int) -> str:
    """A quantity: plain decimal digits, as many as it takes to read the same float back.

    Raises `ValueError` for what is not a finite number.
    """
    return _digits(float(value)) if isinstance(value, _FLOATS) else format(Decimal(value), "f")


def _digits(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError(f"a number on the wire is finite; got {number!r}")
    text = repr(number)
    return format(Decimal(text), "f") if "e" in text else text


def optional_text(value: Decimal | float | int | None) -> str | None:
    """Money, a price or a percentage, and None where there is none."""
    return None if value is None else decimal_text(value)


def optional_exact(value: Decimal | float | int | None) -> str | None:
    """A quantity, and None where there is none."""
    return None if value is None else exact_text(value)


def rounded_text(value: float | None, places: int) -> str | None:
    """A statistic with so many decimal places, half to even; None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    # what is rounded to zero has no sign
    return format(round(Decimal(repr(float(value))), places) + Decimal(0), "f")
