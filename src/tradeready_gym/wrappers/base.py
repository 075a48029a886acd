"""What the wrappers have in common: the trading environment that they stand on."""

from typing import Any

import gymnasium

from tradeready_gym.envs.trading import TradingEnvironment
from tradeready_gym.errors import ConfigurationError


def trading_environment(env: gymnasium.Env[Any, Any], wrapper: str) -> TradingEnvironment:
    """The `TradingEnvironment` under `env`; `ConfigurationError` if there is none."""
    base = env.unwrapped
    if not isinstance(base, TradingEnvironment):
        raise ConfigurationError(
            f"{wrapper} needs a TradingEnvironment, whose candles it reads or steps; got {type(base).__name__}"
        )
    return base
