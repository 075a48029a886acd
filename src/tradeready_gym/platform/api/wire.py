"""Numbers as the wire has them: money, prices and quantities are decimals in strings, never with an exponent."""

import math
from decimal import Decimal


def decimal_text(value: Decimal | float | int) -> str:
    """A number as plain decimal digits; a float in as many as it takes to read the same float back.

    Raises `ValueError` for what is not a finite number.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a number on the wire is finite; got {value!r}")
    return format(value if isinstance(value, Decimal) else Decimal(repr(value)), "f")


def optional_text(value: Decimal | float | int | None) -> str | None:
    """The same, and None where there is no number."""
    return None if value is None else decimal_text(value)


def rounded_text(value: float | None, places: int) -> str | None:
    """A statistic with so many decimal places, half to even; None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    # what is rounded to zero has no sign
    return format(round(Decimal(repr(float(value))), places) + Decimal(0), "f")
