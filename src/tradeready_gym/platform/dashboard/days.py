"""What a backtest gained on each day, in UTC."""

from collections.abc import Sequence
from itertools import pairwise
from math import gcd
from typing import Any

from sqlalchemy import Connection, Row, func, select

from tradeready_gym.platform.database.tables import backtest_snapshots as snapshots

MOST = 400  # bars; of more days, weeks are drawn, of more weeks, four of them
_DAY = 86_400_000_000
_SPANS = ((1, "day"), (7, "week"), (28, "four weeks"))
_MONDAY = 3  # days from a Monday to the first day of the epoch

Point = tuple[int, float]  # simulated time in microseconds, equity


def stored(connection: Connection, session_id: str) -> list[Point]:
    """The first point of the equity and the last of each day. What is known at midnight belongs to the day that ends."""
    day = (snapshots.c.simulated_at - 1) // _DAY
    whole = snapshots.c.session_id == session_id
    last = select(func.max(snapshots.c.number)).where(whole).group_by(day)
    first = select(func.min(snapshots.c.number)).where(whole)
    query = select(snapshots.c.simulated_at, snapshots.c.total_equity).where(
        whole, snapshots.c.number.in_(last.union(first))
    )
    return [(row[0], row[1]) for row in connection.execute(query.order_by(snapshots.c.number))]


def gains(points: Sequence[Point]) -> dict[str, Any]:
    """What was gained from the last point of each span before to its own, in money and in per cent of what was there.

    `points` are in the order of time and have the last one of every day; `times` are the beginnings of the spans in
    seconds, `span` says how long they are. The gains add up to that of the whole backtest.
    """
    length, name = _spans(points)
    ends: dict[int, float] = {}
    for time, equity in points[1:]:
        ends[((time - 1) // _DAY + _MONDAY) // length] = equity
    values = [points[0][1], *ends.values()] if points else []
    changed = [(now - before, 100.0 * (now / before - 1.0) if before > 0 else 0.0) for before, now in pairwise(values)]
    return {
        "span": name,
        "days": length,
        "times": [(place * length - _MONDAY) * _DAY / 1e6 for place in ends],
        "gain": [round(gain, 8) for gain, _ in changed],
        "roi_pct": [round(roi, 6) for _, roi in changed],
    }


def whole_days(row: Row[Any], most: int) -> int:
    """At most every how many candles a running backtest must be looked at to see the end of each day."""
    seconds = row.candle_interval
    offset = row.start_time // 1_000_000 % 86_400 // seconds
    shared = gcd(max(1, 86_400 // seconds), offset)
    limit = max(1, row.current_step // most)
    return max(every for every in range(1, min(limit, shared) + 1) if shared % every == 0)


def _spans(points: Sequence[Point]) -> tuple[int, str]:
    days = (points[-1][0] - points[0][0]) / _DAY if points else 0.0
    return next((span for span in _SPANS if days <= MOST * span[0]), _SPANS[-1])
