"""What the agent is paid."""

from tradeready_gym.errors import UnknownName
from tradeready_gym.rewards.base import CustomReward, RewardScheme
from tradeready_gym.rewards.composite import CompositeReward
from tradeready_gym.rewards.drawdown import DrawdownPenaltyReward
from tradeready_gym.rewards.profit import LogReturnReward, PnLReward
from tradeready_gym.rewards.ratio import SharpeReward, SortinoReward

REWARD_SCHEMES: dict[str, type[RewardScheme]] = {
    "pnl": PnLReward,
    "log_return": LogReturnReward,
    "sharpe": SharpeReward,
    "sortino": SortinoReward,
    "drawdown_penalty": DrawdownPenaltyReward,
    "composite": CompositeReward,
}


def make_reward_scheme(scheme: RewardScheme | str | None) -> RewardScheme:
    """A scheme from itself, from its name, or the default (PnL) from None."""
    if isinstance(scheme, RewardScheme):
        return scheme
    if scheme is None:
        return PnLReward()
    if scheme not in REWARD_SCHEMES:
        raise UnknownName("reward scheme", scheme, REWARD_SCHEMES)
    return REWARD_SCHEMES[scheme]()


__all__ = [
    "REWARD_SCHEMES",
    "CompositeReward",
    "CustomReward",
    "DrawdownPenaltyReward",
    "LogReturnReward",
    "PnLReward",
    "RewardScheme",
    "SharpeReward",
    "SortinoReward",
    "make_reward_scheme",
]
