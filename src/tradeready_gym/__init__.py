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
        ContinuousOrder,
        CustomActionScheme,
        HoldBuySell,
        PortfolioWeights,
        TargetPosition,
    )
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
    "ContinuousOrder": "actions",
    "CustomActionScheme": "actions",
    "CustomReward": "rewards",
    "DrawdownPenaltyReward": "rewards",
    "FeaturePipeline": "features",
    "Fill": "orders",
    "HoldBuySell": "actions",
    "LogReturnReward": "rewards",
    "MarginAccount": "exchanges",
    "Order": "orders",
    "PnLReward": "rewards",
    "PortfolioWeights": "actions",
    "RewardScheme": "rewards",
    "SharpeReward": "rewards",
    "SimulatedExchange": "exchanges",
    "SortinoReward": "rewards",
    "TargetPosition": "actions",
    "TradingEnvironment": "envs.trading",
    "TradingVectorEnvironment": "envs.vector",
    "TrainingTracker": "tracking",
}

__all__ = [
    "ActionScheme",
    "Candles",
    "CompositeReward",
    "ContinuousOrder",
    "CustomActionScheme",
    "CustomReward",
    "DrawdownPenaltyReward",
    "FeaturePipeline",
    "Fill",
    "HoldBuySell",
    "LogReturnReward",
    "MarginAccount",
    "Order",
    "PnLReward",
    "PortfolioWeights",
    "RewardScheme",
    "SharpeReward",
    "SimulatedExchange",
    "SortinoReward",
    "TargetPosition",
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
