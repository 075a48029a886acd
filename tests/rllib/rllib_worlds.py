"""The market of this suite, and a learner with its usual settings."""

from typing import Any

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import RLlibTradingStrategy

CUT = "2021-05-01T00:00:00Z"


def environment(candles: Candles | None = None, **arguments: Any) -> TradingEnvironment:
    settings: dict[str, Any] = {
        "data": trend(bars=4_000, seed=0) if candles is None else candles,
        "action_scheme": "target_position",
        "reward_scheme": "log_return",
        "feature_pipeline": ["returns", "position"],
        "lookback_window": 10,
        "fee_rate": 0.0,
        "slippage": "none",
    }
    return TradingEnvironment(**(settings | arguments))


def learner(market: Any = None, **arguments: Any) -> RLlibTradingStrategy:
    settings: dict[str, Any] = {"num_envs": 64, "track_training": False}
    return RLlibTradingStrategy(market, **(settings | arguments))
