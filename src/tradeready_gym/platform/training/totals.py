"""What a run's episodes sum up to, kept with the run as they come in, so that a list of runs reads no episode.

By metric: `{"count", "sum", "best", "worst"}`; best is the highest value, worst the lowest. An episode that lacks a metric
is left out of it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

METRICS = ("roi_pct", "sharpe_ratio", "max_drawdown_pct", "reward_sum", "total_trades", "length")
_DIGITS = 12

Totals = dict[str, dict[str, float]]


def add(totals: Totals, columns: Mapping[str, Sequence[Any] | None]) -> Totals:
    """The totals with these episodes in them; `columns` holds a list of values, or None, by metric."""
    added = dict(totals)
    for name in METRICS:
        values = [value for value in columns.get(name) or () if value is not None]
        if values:
            added[name] = _joined(added.get(name), values)
    return added


def aggregate_stats(totals: Totals, episodes: int) -> dict[str, Any]:
    """The documented figures of a run; None where no episode has the metric."""
    return {
        "total_episodes": episodes,
        "avg_roi_pct": _mean(totals, "roi_pct"),
        "best_roi_pct": _figure(totals, "roi_pct", "best"),
        "worst_roi_pct": _figure(totals, "roi_pct", "worst"),
        "avg_sharpe": _mean(totals, "sharpe_ratio"),
        "best_sharpe": _figure(totals, "sharpe_ratio", "best"),
        "avg_max_drawdown_pct": _mean(totals, "max_drawdown_pct"),
        "avg_reward_sum": _mean(totals, "reward_sum"),
        "best_reward_sum": _figure(totals, "reward_sum", "best"),
        "avg_total_trades": _mean(totals, "total_trades"),
    }


def _joined(known: Mapping[str, float] | None, values: Sequence[float]) -> dict[str, float]:
    count, total, best, worst = len(values), math.fsum(values), max(values), min(values)
    if known is None:
        return {"count": count, "sum": total, "best": best, "worst": worst}
    return {
        "count": known["count"] + count,
        "sum": known["sum"] + total,
        "best": max(known["best"], best),
        "worst": min(known["worst"], worst),
    }


def _mean(totals: Totals, name: str) -> float | None:
    known = totals.get(name)
    # the last digits of a sum depend on the order in which the episodes came
    return float(f"{known['sum'] / known['count']:.{_DIGITS}g}") if known else None


def _figure(totals: Totals, name: str, figure: str) -> float | None:
    known = totals.get(name)
    return known[figure] if known else None
