"""Wrappers: engineered features, normalised observations, several candles for one action, infos as a list, the loop of old Gym."""

from tradeready_gym.wrappers.batch_step import BatchStepWrapper
from tradeready_gym.wrappers.feature_engineering import FeatureEngineeringWrapper
from tradeready_gym.wrappers.list_infos import ListInfosWrapper
from tradeready_gym.wrappers.normalization import NormalizationWrapper, VectorNormalizationWrapper
from tradeready_gym.wrappers.old_gym import OldGymWrapper
from tradeready_gym.wrappers.statistics import RunningStatistics

__all__ = [
    "BatchStepWrapper",
    "FeatureEngineeringWrapper",
    "ListInfosWrapper",
    "NormalizationWrapper",
    "OldGymWrapper",
    "RunningStatistics",
    "VectorNormalizationWrapper",
]
