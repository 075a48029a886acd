"""The Gymnasium faces of the engine."""

from tradeready_gym.envs.trading import TradingEnvironment

__all__ = ["TradingEnvironment"]
