"""Observations on one scale, by the mean and variance of what has been seen."""

import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from tradeready_gym.wrappers.normalizer import Normalizer, each_part
from tradeready_gym.wrappers.statistics import RunningStatistics


class _Statistics:
    _normalizer: Normalizer

    @property
    def statistics(self) -> dict[str, RunningStatistics]:
        """What has been learned of each part of a dictionary; of a flat observation under the key "observation"."""
        return self._normalizer.statistics

    @property
    def frozen(self) -> bool:
        """Whether observations leave the statistics as they are."""
        return self._normalizer.frozen

    def freeze(self) -> None:
        """Stop learning: for evaluation and live use."""
        self._normalizer.frozen = True

    def unfreeze(self) -> None:
        """Learn from every observation again."""
        self._normalizer.frozen = False

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the statistics to a JSON file, to be kept with the model that was trained on them."""
        self._normalizer.save(path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Take over saved statistics, frozen; `unfreeze()` to learn on.

        Raises:
            StoreError: the file is not there, damaged, or of another kind.
            ConfigurationError: it was saved for another observation, clip or epsilon.
        """
        self._normalizer.load(path)


class NormalizationWrapper(_Statistics, gymnasium.ObservationWrapper[Any, Any, Any]):
    """Observe `(x - mean) / sqrt(variance + epsilon)`, clipped to [-clip, clip], number by number.

    Mean and population variance are those of every observation so far, this one included, over all episodes; the first is
    therefore 0. `freeze` them for evaluation, `save` them with the model and `load` them with it; pickles and deep copies
    carry them along. Scalers that were fitted on a span of the data beforehand are features
    (`tradeready_gym.features.StandardScaler`).

    Args:
        env: an environment whose observation is a `Box` or a `Dict` of them.
        clip: the bound of the normalised numbers.
        epsilon: added to the variance, so that a constant becomes 0.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], clip: float = 10.0, epsilon: float = 1e-8) -> None:
        super().__init__(env)
        self._normalizer = Normalizer(env.observation_space, clip, epsilon)
        self.observation_space = self._normalizer.space

    def observation(self, observation: Any) -> Any:
        """Learn from one observation, unless frozen, and normalise it."""
        batch = each_part(lambda part: part[None], observation)
        self._normalizer.update(batch)
        return each_part(lambda part: part[0], self._normalizer.normalize(batch))


class VectorNormalizationWrapper(_Statistics, VectorWrapper):  # type: ignore[type-arg,unused-ignore]
    """The same for a vector environment: one set of statistics for all sub-environments.

    Last observations in `infos["final_obs"]` (same-step autoreset) are learned from and normalised too; sub-environments
    that a masked reset leaves alone are not learned from twice.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], clip: float = 10.0, epsilon: float = 1e-8) -> None:
        super().__init__(env)
        self._normalizer = Normalizer(env.single_observation_space, clip, epsilon)
        self.single_observation_space = self._normalizer.space
        self.observation_space = batch_space(self._normalizer.space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes; the observations, normalised."""
        observations, infos = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        self._normalizer.update(observations, None if mask is None else np.asarray(mask))
        return self._normalizer.normalize(observations), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One action for every sub-environment; the observations, normalised."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            infos["final_obs"] = self._finals(infos["final_obs"], infos["_final_obs"])
        self._normalizer.update(observations)
        return self._normalizer.normalize(observations), rewards, terminated, truncated, infos

    def _finals(self, finals: Any, over: Any) -> Any:
        ended = np.flatnonzero(over)
        # Gymnasium's own vectors keep one observation or None for each sub-environment, ours whole arrays
        theirs = isinstance(finals, np.ndarray) and finals.dtype == object
        rows = _stacked(finals[ended]) if theirs else each_part(lambda part: part[ended], finals)
        self._normalizer.update(rows)
        rows = self._normalizer.normalize(rows)
        if not theirs:
            return each_part(lambda part: self._spread(part, ended), rows)
        placed = np.full(len(finals), None, object)
        for place, i in enumerate(ended):
            placed[i] = each_part(lambda part, place=place: part[place], rows)
        return placed

    def _spread(self, part: Any, ended: Any) -> Any:
        # rows of sub-environments that go on mean nothing: 0, as they came
        spread = np.zeros((self.num_envs, *part.shape[1:]), np.float32)
        spread[ended] = part
        return spread


def _stacked(rows: Any) -> Any:
    if isinstance(rows[0], dict):
        return {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    return np.stack(list(rows))
