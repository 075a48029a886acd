"""Rewards by name."""

import inspect
from collections.abc import Mapping
from typing import Any

from tradeready_gym.errors import UnknownName, require_instance
from tradeready_gym.rewards.base import RewardScheme
from tradeready_gym.rewards.calmar import CalmarReward
from tradeready_gym.rewards.composite import CompositeReward
from tradeready_gym.rewards.differential import DifferentialSharpe
from tradeready_gym.rewards.drawdown import DrawdownPenaltyReward
from tradeready_gym.rewards.penalties import HoldingPenalty, TurnoverPenalty
from tradeready_gym.rewards.position import PositionBasedReward
from tradeready_gym.rewards.profit import LogReturnReward, PnLReward
from tradeready_gym.rewards.ratio import SharpeReward, SortinoReward
from tradeready_gym.rewards.risk_adjusted import RiskAdjustedReturns
from tradeready_gym.rewards.simple_profit import SimpleProfit, SimpleProfitScore
from tradeready_gym.rewards.weighted import WeightedSum

REWARD_SCHEMES: dict[str, type[RewardScheme]] = {
    "pnl": PnLReward,
    "log_return": LogReturnReward,
    "sharpe": SharpeReward,
    "sortino": SortinoReward,
    "drawdown_penalty": DrawdownPenaltyReward,
    "composite": CompositeReward,
    "simple_profit": SimpleProfit,
    "simple_profit_score": SimpleProfitScore,
    "risk_adjusted": RiskAdjustedReturns,
    "differential_sharpe": DifferentialSharpe,
    "position_based": PositionBasedReward,
    "calmar": CalmarReward,
    "turnover_penalty": TurnoverPenalty,
    "holding_penalty": HoldingPenalty,
    "weighted_sum": WeightedSum,
}
TENSORTRADE_NAMES = {"simple": "simple_profit", "risk-adjusted": "risk_adjusted"}


def make_reward_scheme(scheme: RewardScheme | str | Mapping[str, Any] | None) -> RewardScheme:
    """A scheme from itself, from its name (also `simple` and `risk-adjusted`), or the default (PnL) from None; a mapping has
    the `name` and other parameters.

    Raises:
        UnknownName: no scheme, or no parameter of it, is called that.
        TypeError: a class or a function instead of an instance.
    """
    if isinstance(scheme, RewardScheme):
        return scheme
    if scheme is None:
        return PnLReward()
    require_instance("reward scheme", scheme, "CustomReward")
    given = dict(scheme) if isinstance(scheme, Mapping) else {"name": scheme}
    called = given.pop("name", None)
    name = TENSORTRADE_NAMES.get(str(called), str(called))
    if name not in REWARD_SCHEMES:
        raise UnknownName("reward scheme", called, REWARD_SCHEMES)
    known: tuple[str, ...] = tuple(inspect.signature(REWARD_SCHEMES[name]).parameters)
    for key in given:
        if key not in known:
            raise UnknownName(f"parameter of the reward scheme {name}", key, known)
    return REWARD_SCHEMES[name](**given)
