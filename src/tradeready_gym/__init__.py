"""Trading environments for reinforcement learning: exact to the cent, free of look-ahead, fast.

Importing this package registers the environments with Gymnasium and does nothing else; every public name is loaded when it
is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tradeready_gym.registration import register as _register

if TYPE_CHECKING:
    from tradeready_gym.actions import (
        ActionScheme,
        ContinuousActions,
        ContinuousOrder,
        CustomActionScheme,
        DiscreteActions,
        HoldBuySell,
        ManagedRiskOrders,
        MultiDiscreteActions,
        ParametricAction,
        PerAssetDiscrete,
        PortfolioWeights,
        SimpleOrders,
        TargetPosition,
        TargetWeights,
    )
    from tradeready_gym.context import TradingContext
    from tradeready_gym.envs.trading import TradingEnvironment
    from tradeready_gym.envs.vector import TradingVectorEnvironment
    from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
    from tradeready_gym.features import FeaturePipeline
    from tradeready_gym.market import Candles
    from tradeready_gym.orders import Fill, Order
    from tradeready_gym.rewards import (
        CompositeReward,
        CustomReward,
        DrawdownPenaltyReward,
        LogReturnReward,
        PnLReward,
        RewardScheme,
        SharpeReward,
        SortinoReward,
    )
    from tradeready_gym.tracking import TrainingTracker

__version__ = "0.1.0"

_HOMES = {
    "ActionScheme": "actions",
    "Candles": "market",
    "CompositeReward": "rewards",
    "ContinuousActions": "actions",
    "ContinuousOrder": "actions",
    "CustomActionScheme": "actions",
    "CustomReward": "rewards",
    "DiscreteActions": "actions",
    "DrawdownPenaltyReward": "rewards",
    "FeaturePipeline": "features",
    "Fill": "orders",
    "HoldBuySell": "actions",
    "LogReturnReward": "rewards",
    "ManagedRiskOrders": "actions",
    "MarginAccount": "exchanges",
    "MultiDiscreteActions": "actions",
    "Order": "orders",
    "ParametricAction": "actions",
    "PerAssetDiscrete": "actions",
    "PnLReward": "rewards",
    "PortfolioWeights": "actions",
    "RewardScheme": "rewards",
    "SharpeReward": "rewards",
    "SimpleOrders": "actions",
    "SimulatedExchange": "exchanges",
    "SortinoReward": "rewards",
    "TargetPosition": "actions",
    "TargetWeights": "actions",
    "TradingContext": "context",
    "TradingEnvironment": "envs.trading",
    "TradingVectorEnvironment": "envs.vector",
    "TrainingTracker": "tracking",
}

__all__ = [
    "ActionScheme",
    "Candles",
    "CompositeReward",
    "ContinuousActions",
    "ContinuousOrder",
    "CustomActionScheme",
    "CustomReward",
    "DiscreteActions",
    "DrawdownPenaltyReward",
    "FeaturePipeline",
    "Fill",
    "HoldBuySell",
    "LogReturnReward",
    "ManagedRiskOrders",
    "MarginAccount",
    "MultiDiscreteActions",
    "Order",
    "ParametricAction",
    "PerAssetDiscrete",
    "PnLReward",
    "PortfolioWeights",
    "RewardScheme",
    "SharpeReward",
    "SimpleOrders",
    "SimulatedExchange",
    "SortinoReward",
    "TargetPosition",
    "TargetWeights",
    "TradingContext",
    "TradingEnvironment",
    "TradingVectorEnvironment",
    "TrainingTracker",
    "__version__",
]

_register()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
