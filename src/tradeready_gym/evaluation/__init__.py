"""Whether to believe it: the metrics of an episode. A leaf: numbers in, numbers out."""

from tradeready_gym.evaluation.metrics import METRIC_NAMES, episode_metrics, plain_metrics
from tradeready_gym.evaluation.statistics import EpisodeStatistics, statistics_from_curve

__all__ = ["METRIC_NAMES", "EpisodeStatistics", "episode_metrics", "plain_metrics", "statistics_from_curve"]
