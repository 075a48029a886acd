"""What the agent may do."""

from tradeready_gym.actions.base import AccountView, ActionScheme, CustomActionScheme, market_order
from tradeready_gym.actions.continuous import ContinuousOrder
from tradeready_gym.actions.continuous_actions import ContinuousActions
from tradeready_gym.actions.discrete import DiscreteActions
from tradeready_gym.actions.hold_buy_sell import HoldBuySell
from tradeready_gym.actions.joined import JoinedActions
from tradeready_gym.actions.managed_risk import ManagedRiskOrders
from tradeready_gym.actions.multi_discrete import MultiDiscreteActions
from tradeready_gym.actions.parametric import ParametricAction
from tradeready_gym.actions.per_asset import PerAssetDiscrete
from tradeready_gym.actions.portfolio import PortfolioWeights
from tradeready_gym.actions.registry import ACTION_SCHEMES, make_action_scheme
from tradeready_gym.actions.resting import cancel_resting
from tradeready_gym.actions.simple_orders import SimpleOrders
from tradeready_gym.actions.target_position import TargetPosition
from tradeready_gym.actions.target_weights import TargetWeights

__all__ = [
    "ACTION_SCHEMES",
    "AccountView",
    "ActionScheme",
    "ContinuousActions",
    "ContinuousOrder",
    "CustomActionScheme",
    "DiscreteActions",
    "HoldBuySell",
    "JoinedActions",
    "ManagedRiskOrders",
    "MultiDiscreteActions",
    "ParametricAction",
    "PerAssetDiscrete",
    "PortfolioWeights",
    "SimpleOrders",
    "TargetPosition",
    "TargetWeights",
    "cancel_resting",
    "make_action_scheme",
    "market_order",
]
