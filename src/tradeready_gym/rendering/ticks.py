"""Where a scale has its marks, and what they say."""

import math

import numpy as np

from tradeready_gym.rendering.words import MONTHS, short_number

MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
_STEPS_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 4320, 7200, 10080, 20160)
_STEPS_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


def time_ticks(first_us: int, last_us: int, most: int) -> tuple[list[int], list[str]]:
    """Round times within the span, at most `most` of them: `14:00` within a day, else `3 Jan`, `Feb`, `2025`."""
    span = max(last_us - first_us, 1)
    for minutes in _STEPS_MINUTES:
        step = minutes * MINUTE_US
        if span / step <= most:
            # weeks and longer steps count from a Monday, 1970-01-05
            anchor = 4 * DAY_US if minutes > 1440 else 0
            first = anchor + math.ceil((first_us - anchor) / step) * step
            times = list(range(first, last_us + 1, step))
            return times, [_label(time, within_day=minutes < 1440) for time in times]
    return _month_ticks(first_us, last_us, most)


def value_ticks(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """Round values within the span, about `most` of them, with as many decimals as their distance needs."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low], [short_number(low, 2)]
    rough = span / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    decimals = max(0, -math.floor(math.log10(step)) + (1 if 2 < step / size < 3 else 0))
    values = [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return values, [short_number(value, decimals) for value in values]


def _label(us: int, *, within_day: bool) -> str:
    moment = np.datetime64(us, "us")
    if within_day and us % DAY_US:
        return str(moment)[11:16]
    year, month, day = (int(part) for part in str(moment)[:10].split("-"))
    return f"{day} {MONTHS[month - 1]}" if (month, day) != (1, 1) else f"1 Jan {year}"


def _month_ticks(first_us: int, last_us: int, most: int) -> tuple[list[int], list[str]]:
    start, end = (int(np.datetime64(us, "us").astype("datetime64[M]").astype(int)) for us in (first_us, last_us))
    step = next((months for months in _STEPS_MONTHS if (end - start) / months <= most), _STEPS_MONTHS[-1])
    months = list(range(start - start % step, end + step, step))
    times = [int(np.datetime64(m, "M").astype("datetime64[us]").astype(int)) for m in months]
    labels = [str(1970 + m // 12) if m % 12 == 0 else MONTHS[m % 12] for m in months]
    kept = [(time, label) for time, label in zip(times, labels, strict=True) if first_us <= time <= last_us]
    return [time for time, _ in kept], [label for _, label in kept]
