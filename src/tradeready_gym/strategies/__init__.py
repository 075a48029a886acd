"""Who trades and learns: strategies that train, play, and are kept, and the rules that they have to beat."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradeready_gym.strategies.base import TradingStrategy
    from tradeready_gym.strategies.baselines import BuyAndHold, Flat, MovingAverageCross, RandomTrader, RSIReversal
    from tradeready_gym.strategies.callbacks import Checkpoints, EarlyStop, TrainingCallback
    from tradeready_gym.strategies.performance import Evaluation, Performance
    from tradeready_gym.strategies.rllib import RLlibTradingStrategy
    from tradeready_gym.strategies.situation import Situation
    from tradeready_gym.strategies.stable_baselines import StableBaselinesTradingStrategy
    from tradeready_gym.strategies.tuning import Tuning, tune
    from tradeready_gym.strategies.vec_adapter import StableBaselinesVecEnv

_HOMES = {
    "BuyAndHold": "baselines",
    "Checkpoints": "callbacks",
    "EarlyStop": "callbacks",
    "Evaluation": "performance",
    "Flat": "baselines",
    "MovingAverageCross": "baselines",
    "Performance": "performance",
    "RLlibTradingStrategy": "rllib",
    "RSIReversal": "baselines",
    "RandomTrader": "baselines",
    "Situation": "situation",
    "StableBaselinesTradingStrategy": "stable_baselines",
    "StableBaselinesVecEnv": "vec_adapter",
    "TradingStrategy": "base",
    "TrainingCallback": "callbacks",
    "Tuning": "tuning",
    "tune": "tuning",
}

__all__ = [
    "BuyAndHold",
    "Checkpoints",
    "EarlyStop",
    "Evaluation",
    "Flat",
    "MovingAverageCross",
    "Performance",
    "RLlibTradingStrategy",
    "RSIReversal",
    "RandomTrader",
    "Situation",
    "StableBaselinesTradingStrategy",
    "StableBaselinesVecEnv",
    "TradingStrategy",
    "TrainingCallback",
    "Tuning",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "StableBaselinesVecEnv":
        # the one name whose file cannot be imported without the extra
        from tradeready_gym.strategies.algorithms import require_stable_baselines

        require_stable_baselines()
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
