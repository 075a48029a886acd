"""Whether to believe it: metrics, intervals, and what luck alone would have done. A leaf: numbers in, numbers out."""

from tradeready_gym.evaluation.drawdowns import Drawdowns, drawdowns
from tradeready_gym.evaluation.expectation import ExpectationFan, expectation_fan
from tradeready_gym.evaluation.metrics import METRIC_NAMES, episode_metrics, plain_metrics
from tradeready_gym.evaluation.overfitting import Overfitting, probability_of_overfitting
from tradeready_gym.evaluation.performance import omega_ratio, performance_metrics, trip_metrics
from tradeready_gym.evaluation.round_trips import RoundTrips, round_trips
from tradeready_gym.evaluation.sharpe import (
    ReturnMoments,
    curve_moments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
    return_moments,
)
from tradeready_gym.evaluation.stationary import mean_of_rows, optimal_block, sharpe_of_rows, stationary_bootstrap
from tradeready_gym.evaluation.statistics import EpisodeStatistics, statistics_from_curve
from tradeready_gym.evaluation.student import t_quantile
from tradeready_gym.evaluation.uncertainty import (
    Interval,
    interquartile_mean,
    iqm_interval,
    probability_of_improvement,
    studentised_interval,
    t_interval,
)
from tradeready_gym.evaluation.walk_forward import Split, walk_forward_splits

__all__ = [
    "METRIC_NAMES",
    "Drawdowns",
    "EpisodeStatistics",
    "ExpectationFan",
    "Interval",
    "Overfitting",
    "ReturnMoments",
    "RoundTrips",
    "Split",
    "curve_moments",
    "deflated_sharpe",
    "drawdowns",
    "episode_metrics",
    "expectation_fan",
    "expected_maximum_sharpe",
    "interquartile_mean",
    "iqm_interval",
    "mean_of_rows",
    "minimum_backtest_years",
    "minimum_track_record",
    "omega_ratio",
    "optimal_block",
    "performance_metrics",
    "plain_metrics",
    "probabilistic_sharpe",
    "probability_of_improvement",
    "probability_of_overfitting",
    "return_moments",
    "round_trips",
    "sharpe_of_rows",
    "stationary_bootstrap",
    "statistics_from_curve",
    "studentised_interval",
    "t_interval",
    "t_quantile",
    "trip_metrics",
    "walk_forward_splits",
]
