"""Wrappers: engineered features, normalised observations, several candles for one action."""

from tradeready_gym.wrappers.batch_step import BatchStepWrapper
from tradeready_gym.wrappers.feature_engineering import FeatureEngineeringWrapper
from tradeready_gym.wrappers.normalization import NormalizationWrapper, VectorNormalizationWrapper
from tradeready_gym.wrappers.statistics import RunningStatistics

__all__ = [
    "BatchStepWrapper",
    "FeatureEngineeringWrapper",
    "NormalizationWrapper",
    "RunningStatistics",
    "VectorNormalizationWrapper",
]
