"""What an evaluation did beyond the metrics of an episode: its year, its ways down, its round trips, and what they cost."""

import numpy as np

from tradeready_gym.evaluation import performance_metrics
from tradeready_gym.evaluation.performance import COST_METRICS, CURVE_METRICS, TRIP_METRICS
from tradeready_gym.strategies.performance import Evaluation, Performance

DETAIL_NAMES = (*CURVE_METRICS, *TRIP_METRICS, *COST_METRICS, "mean_leverage")


def details_of(evaluation: Evaluation, periods_per_year: float) -> dict[str, float | None]:
    """What `evaluation.performance_metrics` adds to the metrics of an episode: medians over the episodes that have one.

    Durations of drawdowns are in steps, of which a year has `periods_per_year`; holdings are in candles. None where no
    episode has a value, and for those that were worth nothing before they ended.
    """
    found = [one for episode in evaluation.episodes if (one := _details(episode, periods_per_year)) is not None]
    known = {name: [value for one in found if (value := one[name]) is not None] for name in DETAIL_NAMES}
    return {name: float(np.median(values)) if values else None for name, values in known.items()}


def _details(episode: Performance, periods_per_year: float) -> dict[str, float | int | None] | None:
    equity = episode.net_worth
    if not equity[:-1].min(initial=np.inf) > 0.0:
        return None
    return performance_metrics(equity, periods_per_year, fills=episode.fills, position_value=episode.position_value)
