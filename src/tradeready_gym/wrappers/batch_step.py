"""One action for several candles."""

from typing import Any

import gymnasium

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.wrappers.base import trading_environment


class BatchStepWrapper(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Apply each action once and let `n_steps` candles pass, in one call of the engine; rewards are summed.

    The observation, the flags and the info are those after the last candle; `filled_orders` and `rejected_orders` are
    those of all of them. An episode that ends within the batch ends there. The candles of wrappers inside this one are
    multiplied: two of `n_steps=5` make 25.

    The wrapped environment is set up anew, so that an episode in progress is over. `gymnasium.make_vec` takes the same as
    a parameter: `steps_per_action=5`.

    Raises:
        ConfigurationError: `n_steps` is not an integer of at least 1, or the environment is not a `TradingEnvironment`.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], n_steps: int = 5) -> None:
        base = trading_environment(env, "BatchStepWrapper")
        if isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1:
            raise ConfigurationError(f"n_steps must be an integer of at least 1 candle; got {n_steps!r}")
        super().__init__(env)
        self.n_steps = n_steps
        base.set_steps_per_action(n_steps * base.engine.spec.candles_per_action)
