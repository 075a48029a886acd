"""Proofs for components of your own: each check returns nothing, or raises `CheckFailed` with what to mend.

from tradeready_gym.testing import check_reward

def test_my_reward_is_sound() -> None:
    check_reward(MyReward())
"""

from tradeready_gym.testing.actions import check_action_scheme
from tradeready_gym.testing.exchanges import check_exchange
from tradeready_gym.testing.features import check_feature
from tradeready_gym.testing.rewards import check_reward
from tradeready_gym.testing.slippage import check_slippage
from tradeready_gym.testing.strategies import check_strategy

__all__ = ["check_action_scheme", "check_exchange", "check_feature", "check_reward", "check_slippage", "check_strategy"]
