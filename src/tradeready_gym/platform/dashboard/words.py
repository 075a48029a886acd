"""Numbers and times as a page says them. What is absent is a dash."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from tradeready_gym.market.symbols import quote_of
from tradeready_gym.platform import clock

NOTHING = "–"
_SECOND = 1_000_000


def number(value: float | None, places: int = 2, *, sign: bool = False) -> str:
    """1,234.50; with `sign`, +1.20 and −0.30."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(value, places) + 0.0  # not minus nothing
    text = f"{rounded:+,.{places}f}" if sign and rounded else f"{rounded:,.{places}f}"
    return text.replace("-", "−")


def percent(value: float | None, places: int = 2, *, sign: bool = True) -> str:
    """+1.20 %."""
    text = number(value, places, sign=sign)
    return text if text == NOTHING else f"{text} %"


def amount(value: str | float | None, places: int = 2) -> str:
    """10,000.00, of a number or of a decimal as it is kept."""
    return number(None if value is None else float(value), places)


def exact(value: float) -> str:
    """A price or a quantity in the digits that it has: 0.1, 42,000.5."""
    text = f"{value:,.8f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def brief(value: float | None) -> str:
    """A price, a quantity or a reward in the digits that tell it apart: 42,000.53, 0.4179, 0.00002317."""
    if value is None or not math.isfinite(value):
        return NOTHING
    places = 2 if value == 0.0 else min(8, max(2, 3 - math.floor(math.log10(abs(value)))))
    text = number(value, places)
    while places > 2 and text.endswith("0"):
        text, places = text[:-1], places - 1
    return text


def count(value: int | None) -> str:
    """1,234."""
    return NOTHING if value is None else f"{value:,}"


def coded(text: str) -> Markup:
    """Text in which what stands between backticks is code; everything is escaped."""
    parts = (escape(part) for part in text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def moved(quotes: Mapping[str, float | None] | None) -> str:
    """+0.013 %; of several symbols the one that had moved most, by name."""
    known = {symbol: value for symbol, value in (quotes or {}).items() if value is not None}
    if not known:
        return NOTHING
    symbol = max(known, key=lambda name: abs(known[name]))
    text = percent(known[symbol], 3)
    return text if len(quotes or {}) == 1 else f"{text} {symbol}"


def currency(symbols: Sequence[str]) -> str:
    """USDT: what the prices of these markets are in; empty where they differ, or where it is not known."""
    return quote_of(symbols)


def tone(value: float | None) -> str:
    """Whether a number is good to have: the class of its colour."""
    if value is None or not math.isfinite(value) or abs(value) < 0.005:
        return ""
    return "up" if value > 0 else "down"


def duration(microseconds: int | None) -> str:
    """42 s, 3 min 20 s, 5 h 12 min, 2 d 3 h."""
    if microseconds is None:
        return NOTHING
    seconds = max(0, microseconds // _SECOND)
    for size, name, below, below_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {name}" + (f" {rest} {below_name}" if rest else "")
    return f"{seconds} s"


def day(microseconds: int | None) -> str:
    """2024-01-31, and the time of day where it is not midnight; UTC."""
    text = clock.iso(microseconds)
    if text is None:
        return NOTHING
    return text[:10] if text[11:16] == "00:00" else f"{text[:10]} {text[11:16]}"


def moment(microseconds: int | None) -> str:
    """2024-01-31 14:05, UTC."""
    text = clock.iso(microseconds)
    return NOTHING if text is None else f"{text[:10]} {text[11:16]}"


def interval(seconds: int) -> str:
    """1m, 4h, 1d: the length of a candle."""
    for size, name in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{name}"
    return f"{seconds}s"


def spark(values: Sequence[float | None], width: int = 120, height: int = 32, margin: float = 2.0) -> dict[str, str]:
    """A line of an SVG `width` x `height`: `path` for the line and `zero` for the level of nothing, if it is in sight."""
    points = [(i, value) for i, value in enumerate(values) if value is not None and math.isfinite(value)]
    if not points:
        return {"path": "", "zero": ""}
    low, high = min(value for _, value in points), max(value for _, value in points)
    reach = (high - low) or 1.0
    across = (width - 2 * margin) / max(len(values) - 1, 1)

    def down(value: float) -> float:
        return height - margin - (value - low) / reach * (height - 2 * margin) if high > low else height / 2

    drawn = "L".join(f"{margin + i * across:.1f} {down(value):.1f}" for i, value in points)
    zero = f"M0 {down(0.0):.1f}H{width}" if low < 0.0 < high else ""
    return {"path": "M" + drawn + ("h.1" if len(points) == 1 else ""), "zero": zero}
