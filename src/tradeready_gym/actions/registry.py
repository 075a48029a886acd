"""Action schemes by name."""

import inspect
from collections.abc import Mapping
from typing import Any

from tradeready_gym.actions.base import ActionScheme
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
from tradeready_gym.actions.simple_orders import SimpleOrders
from tradeready_gym.actions.target_position import TargetPosition
from tradeready_gym.actions.target_weights import TargetWeights
from tradeready_gym.errors import UnknownName, require_instance

ACTION_SCHEMES: dict[str, type[ActionScheme]] = {
    "hold_buy_sell": HoldBuySell,
    "continuous": ContinuousOrder,
    "portfolio": PortfolioWeights,
    "target_position": TargetPosition,
    "target_weights": TargetWeights,
    "discrete": DiscreteActions,
    "multi_discrete": MultiDiscreteActions,
    "per_asset_discrete": PerAssetDiscrete,
    "continuous_actions": ContinuousActions,
    "simple_orders": SimpleOrders,
    "managed_risk": ManagedRiskOrders,
    "parametric": ParametricAction,
    "joined": JoinedActions,
}
# its `continuous` never worked; that name is ours
TENSORTRADE_NAMES = {"multi-discrete": "multi_discrete", "dynamic": "simple_orders", "managed-risk": "managed_risk"}


def make_action_scheme(scheme: ActionScheme | str | Mapping[str, Any]) -> ActionScheme:
    """A scheme from itself or from its name (also `multi-discrete`, `dynamic`, `managed-risk`), with default parameters; a
    mapping has the `name` and other parameters.

    Raises:
        UnknownName: no scheme, or no parameter of it, is called that.
        TypeError: a class or a function instead of an instance.
    """
    if isinstance(scheme, ActionScheme):
        return scheme
    require_instance("action scheme", scheme, "CustomActionScheme")
    given = dict(scheme) if isinstance(scheme, Mapping) else {"name": scheme}
    called = given.pop("name", None)
    name = TENSORTRADE_NAMES.get(str(called), str(called))
    if name not in ACTION_SCHEMES:
        raise UnknownName("action scheme", called, ACTION_SCHEMES)
    known: tuple[str, ...] = tuple(inspect.signature(ACTION_SCHEMES[name]).parameters)
    for key in given:
        if key not in known:
            raise UnknownName(f"parameter of the action scheme {name}", key, known)
    return ACTION_SCHEMES[name](**given)
