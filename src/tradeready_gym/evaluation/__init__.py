"""Whether to believe it: metrics, intervals, and what luck alone would have done. A leaf: numbers in, numbers out."""

from tradeready_gym.evaluation.metrics import METRIC_NAMES, episode_metrics, plain_metrics
from tradeready_gym.evaluation.overfitting import Overfitting, probability_of_overfitting
from tradeready_gym.evaluation.sharpe import (
    ReturnMoments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
    return_moments,
)
from tradeready_gym.evaluation.statistics import EpisodeStatistics, statistics_from_curve
from tradeready_gym.evaluation.uncertainty import (
    Interval,
    interquartile_mean,
    iqm_interval,
    optimal_block,
    probability_of_improvement,
    stationary_bootstrap,
    t_interval,
    t_quantile,
)

__all__ = [
    "METRIC_NAMES",
    "EpisodeStatistics",
    "Interval",
    "Overfitting",
    "ReturnMoments",
    "deflated_sharpe",
    "episode_metrics",
    "expected_maximum_sharpe",
    "interquartile_mean",
    "iqm_interval",
    "minimum_backtest_years",
    "minimum_track_record",
    "optimal_block",
    "plain_metrics",
    "probabilistic_sharpe",
    "probability_of_improvement",
    "probability_of_overfitting",
    "return_moments",
    "stationary_bootstrap",
    "statistics_from_curve",
    "t_interval",
    "t_quantile",
]
