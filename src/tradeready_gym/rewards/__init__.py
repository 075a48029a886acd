"""What the agent is paid."""

from tradeready_gym.rewards.base import CustomReward, RewardScheme
from tradeready_gym.rewards.calmar import CalmarReward
from tradeready_gym.rewards.composite import CompositeReward
from tradeready_gym.rewards.differential import DifferentialSharpe
from tradeready_gym.rewards.drawdown import DrawdownPenaltyReward
from tradeready_gym.rewards.penalties import HoldingPenalty, TurnoverPenalty
from tradeready_gym.rewards.position import PositionBasedReward
from tradeready_gym.rewards.profit import LogReturnReward, PnLReward
from tradeready_gym.rewards.ratio import SharpeReward, SortinoReward
from tradeready_gym.rewards.registry import REWARD_SCHEMES, make_reward_scheme
from tradeready_gym.rewards.risk_adjusted import RiskAdjustedReturns
from tradeready_gym.rewards.simple_profit import SimpleProfit, SimpleProfitScore
from tradeready_gym.rewards.weighted import WeightedSum

__all__ = [
    "REWARD_SCHEMES",
    "CalmarReward",
    "CompositeReward",
    "CustomReward",
    "DifferentialSharpe",
    "DrawdownPenaltyReward",
    "HoldingPenalty",
    "LogReturnReward",
    "PnLReward",
    "PositionBasedReward",
    "RewardScheme",
    "RiskAdjustedReturns",
    "SharpeReward",
    "SimpleProfit",
    "SimpleProfitScore",
    "SortinoReward",
    "TurnoverPenalty",
    "WeightedSum",
    "make_reward_scheme",
]
