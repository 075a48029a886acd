"""How numbers and times are written for people: thousands separators, signs, UTC."""

import math
import re

import numpy as np

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


_MINUS = re.compile(r"(?<![\w.)\]])-(?=\.?\d)")
_PERCENT = re.compile(r"(?<=\d)%")
_SPAN = re.compile(r"(?<=Z) \.\. (?=\d{4}-)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ")


def typeset(text: str) -> str:
    """The text as it is printed: a minus as long as a plus, a space before the sign of per cent, a dash for what does not exist,
    times without letters."""
    if text == "-":
        return "–"
    return _PERCENT.sub(" %", _MINUS.sub("−", _MOMENT.sub(r"\1 \2", _SPAN.sub(" to ", text))))


def money(value: float) -> str:
    """An amount with two decimals: `10,012.33`."""
    return f"{value:,.2f}" if math.isfinite(value) else "-"


def price(value: float) -> str:
    """A price with six significant digits and at least two decimals: `96,842.10`, `0.512345`."""
    if not math.isfinite(value):
        return "-"
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(max(5 - size, 2), 12)}f}"


def short_price(value: float) -> str:
    """A price in at most ten characters: `96,842.10`, `12.35M`, `2.852e-05`."""
    text = price(value)
    if len(text) <= 10:
        return text
    return short_number(value, 0) if abs(value) >= 1 else f"{value:.3e}"


def signed_percent(value: float, decimals: int = 2) -> str:
    """A change in per cent: `+0.12 %`; a change that rounds to nothing has no sign."""
    if not math.isfinite(value):
        return "- %"
    text = f"{value:+,.{decimals}f}"
    return (text if text.strip("+-0.") else text[1:]) + " %"


def shortened(text: str, most: int) -> str:
    """The text, cut off with an ellipsis beyond `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def short_number(value: float, decimals: int) -> str:
    """A number for a scale: `96,842.1`, `12.5M` from ten million on."""
    for size, suffix in ((1e13, "T"), (1e10, "B"), (1e7, "M")):
        if abs(value) >= size:
            return f"{value / (size / 10):,.4g}{suffix}"
    return f"{value:,.{decimals}f}"


def time_utc(us: int) -> str:
    """`2025-01-03 14:00 UTC` of int64 microseconds since 1970."""
    return str(np.datetime64(us, "us").astype("datetime64[m]")).replace("T", " ") + " UTC"
