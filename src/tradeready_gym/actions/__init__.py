"""What the agent may do."""

from tradeready_gym.actions.base import AccountView, ActionScheme, CustomActionScheme, market_order
from tradeready_gym.actions.continuous import ContinuousOrder
from tradeready_gym.actions.hold_buy_sell import HoldBuySell
from tradeready_gym.actions.portfolio import PortfolioWeights
from tradeready_gym.actions.target_position import TargetPosition
from tradeready_gym.errors import UnknownName

ACTION_SCHEMES: dict[str, type[ActionScheme]] = {
    "hold_buy_sell": HoldBuySell,
    "continuous": ContinuousOrder,
    "portfolio": PortfolioWeights,
    "target_position": TargetPosition,
}


def make_action_scheme(scheme: ActionScheme | str) -> ActionScheme:
    """A scheme from itself or from its name, with default parameters."""
    if isinstance(scheme, ActionScheme):
        return scheme
    if scheme not in ACTION_SCHEMES:
        raise UnknownName("action scheme", scheme, ACTION_SCHEMES)
    return ACTION_SCHEMES[scheme]()


__all__ = [
    "ACTION_SCHEMES",
    "AccountView",
    "ActionScheme",
    "ContinuousOrder",
    "CustomActionScheme",
    "HoldBuySell",
    "PortfolioWeights",
    "TargetPosition",
    "make_action_scheme",
    "market_order",
]
