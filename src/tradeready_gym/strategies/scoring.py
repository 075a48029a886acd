"""One number for an evaluation, for whoever selects by it: larger is better."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import UnknownName
from tradeready_gym.evaluation.stretches import returns_of
from tradeready_gym.strategies.performance import Evaluation, Performance

Metric = str | Callable[[Evaluation], float]
SCORES = ("cumulative_reward", "final_equity", "profit_factor", "roi_pct", "sharpe_ratio", "sortino_ratio", "win_rate")


def require_metric(metric: Metric) -> None:
    """Raise `UnknownName` unless it is a function, or a metric of which more is better."""
    if not callable(metric) and metric not in SCORES:
        raise UnknownName("metric to select by", metric, SCORES, " A function of the Evaluation is accepted, too.")


def score_of(evaluation: Evaluation, metric: Metric) -> float:
    """The mean over the episodes in which it exists; 0 if it exists in none, as where nothing was ever bought."""
    if callable(metric):
        return float(metric(evaluation))
    values = evaluation.metric(metric)
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def period_returns(performance: Performance) -> npt.NDArray[np.float64]:
    """The return of every step, (steps,); empty where the net worth was not always positive."""
    worth = performance.net_worth
    return returns_of(worth) if (worth > 0.0).all() else np.zeros(0)


def period_sharpe(performance: Performance) -> float:
    """Mean over deviation (ddof 1) of the returns per step, not annualised; NaN if they do not vary."""
    returns = period_returns(performance)
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation if deviation > 0.0 else float("nan")
