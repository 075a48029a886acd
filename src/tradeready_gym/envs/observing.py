"""The spaces of observations, and one observation as a dictionary."""

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym.engine import Engine
from tradeready_gym.features.account import account_bounds


def observation_space(engine: Engine, flatten: bool) -> spaces.Box | spaces.Dict:
    """A flat float32 `Box`, or a `Dict` of `window` (symbols, lookback, features) and `account`."""
    pipeline, lookback, symbols = engine.pipeline, engine.spec.lookback_window, len(engine.symbols)
    shape = (symbols, lookback, pipeline.width)
    window_low = np.broadcast_to(pipeline.low, shape).astype(np.float32)
    window_high = np.broadcast_to(pipeline.high, shape).astype(np.float32)
    low, high = account_bounds(pipeline.account_features, symbols, engine.spec.exchange.account is not None)
    if not flatten:
        return spaces.Dict(
            {
                "account": spaces.Box(low, high, dtype=np.float32),
                "window": spaces.Box(window_low, window_high, dtype=np.float32),
            }
        )
    return spaces.Box(
        np.concatenate([window_low.reshape(-1), low]),
        np.concatenate([window_high.reshape(-1), high]),
        dtype=np.float32,
    )


def as_dictionary(engine: Engine, observation: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    """Views of a flat observation of shape (..., width)."""
    leading = observation.shape[:-1]
    shape = (*leading, len(engine.symbols), engine.spec.lookback_window, engine.pipeline.width)
    return {
        "account": observation[..., engine.window_width :],
        "window": observation[..., : engine.window_width].reshape(shape),
    }
