"""Where the newest close stands against its recent past, appended to the observation."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features import EngineeredFeatures, FeaturePipeline
from tradeready_gym.wrappers.base import trading_environment

_LARGEST = np.finfo(np.float32).max


class FeatureEngineeringWrapper(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Append, for each symbol, the newest close over its mean of the last p closes for each of `periods`, and its change
    over 5 candles.

    The numbers are those of the feature `engineered` (`EngineeredFeatures`) at the newest visible candle. They come from
    the candles themselves: nothing is remembered from step to step or across `reset`, and candles before the episode
    count as history. Where the data has too little of it, a ratio is 1 and the change 0.

    A flat observation grows by `symbols x (len(periods) + 1)` numbers, symbol by symbol; a dictionary by the key
    `engineered` of shape (symbols, len(periods) + 1). For `gymnasium.make_vec`, or to see the same numbers for every
    candle of the window, name the feature: `observation_features=["candles", "engineered"]`.

    Raises:
        ConfigurationError: no periods, one that is not a whole number of candles, or an environment that is not a
            `TradingEnvironment` with a flat or dictionary observation.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], periods: Sequence[int] = (5, 10, 20)) -> None:
        self._base = trading_environment(env, "FeatureEngineeringWrapper")
        super().__init__(env)
        self.periods = tuple(periods)
        self._pipeline = FeaturePipeline([EngineeredFeatures(self.periods)])
        self._neutral = np.array([1.0] * len(self.periods) + [0.0], np.float32)
        # positive closes: the newest one is at most p times the mean of p closes, when the others vanish
        self._low = np.array([0.0] * len(self.periods) + [-1.0], np.float32)
        self._high = np.array([*self.periods, _LARGEST], np.float32)
        self._tables: list[npt.NDArray[np.float32]] = []
        self.observation_space = self._widened(env.observation_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        # the pipeline keeps its tables: this looks them up
        self._tables = [self._pipeline.build(replayer.candles) for replayer in self._base.engine.replayers]
        return super().reset(seed=seed, options=options)

    def observation(self, observation: Any) -> Any:
        """The observation of the wrapped environment with the engineered numbers at its end."""
        added = self._engineered()
        if isinstance(observation, dict):
            return {**observation, "engineered": added}
        return np.concatenate([observation, added.reshape(-1)])

    def _engineered(self) -> npt.NDArray[np.float32]:
        engine = self._base.engine
        row = int(engine.state.accounts["row"][0]) - 1
        place = bisect_right(engine.offsets, row) - 1
        newest = self._tables[place][:, row - engine.offsets[place]]
        known = np.where(np.isnan(newest), self._neutral, newest)
        return np.asarray(np.clip(known, self._low, self._high))

    def _widened(self, space: spaces.Space[Any]) -> spaces.Box | spaces.Dict:
        symbols = len(self._base.engine.symbols)
        low, high = (np.tile(bound, (symbols, 1)) for bound in (self._low, self._high))
        if isinstance(space, spaces.Dict):
            return spaces.Dict({**space.spaces, "engineered": spaces.Box(low, high, dtype=np.float32)})
        if isinstance(space, spaces.Box) and len(space.shape) == 1:
            return spaces.Box(
                np.concatenate([space.low, low.reshape(-1)]),
                np.concatenate([space.high, high.reshape(-1)]),
                dtype=np.float32,
            )
        raise ConfigurationError(f"FeatureEngineeringWrapper appends to a flat Box or a Dict; got {space}")
