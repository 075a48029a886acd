"""The Gymnasium faces of the engine."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradeready_gym.envs.checker import check_trading_env
    from tradeready_gym.envs.trading import TradingEnvironment
    from tradeready_gym.envs.vector import TradingVectorEnvironment

_HOMES = {"check_trading_env": "checker", "TradingEnvironment": "trading", "TradingVectorEnvironment": "vector"}

__all__ = ["TradingEnvironment", "TradingVectorEnvironment", "check_trading_env"]


def __getattr__(name: str) -> Any:
    # none of them is loaded, and nothing compiled, before it is asked for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
