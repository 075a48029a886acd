"""The parts of a learner that Stable-Baselines3 and PyTorch have to know as classes; needs the extra `[sb3]`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from tradeready_gym.strategies.callbacks import TrainingCallback

_LIMIT = 10.0


class ScaledObservations(BaseFeaturesExtractor):
    """`clip((observation - offset) / scale, -10, 10)`, as the first layer of the policy.

    The numbers are fixed before training and belong to the policy: they are saved with it, nothing at evaluation can change
    them, and the policy takes observations as the environment gives them.
    """

    def __init__(self, observation_space: spaces.Box, offset: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__(observation_space, features_dim=int(np.prod(observation_space.shape)))
        self.offset: Any
        self.divisor: Any
        self.register_buffer("offset", torch.as_tensor(np.asarray(offset, np.float32)))
        self.register_buffer("divisor", torch.as_tensor(np.asarray(scale, np.float32)))

    def forward(self, observations: Any) -> Any:
        return torch.clamp((torch.flatten(observations, 1) - self.offset) / self.divisor, -_LIMIT, _LIMIT)


class StopTraining(Exception):
    """A callback said no, and the rollout is complete; caught by the strategy, before it changes anything else."""


class Listening(BaseCallback):
    """Tells the callbacks of a strategy what happens, and `progress(done, of)` every step of the vector environment.

    `on_rollout` is called when the rollout has been learned from: that is where the next one begins, or the training ends.
    """

    def __init__(self, strategy: Any, callbacks: Sequence[TrainingCallback], progress: Any, of: int) -> None:
        super().__init__()
        self._strategy = strategy
        self._callbacks = callbacks
        self._episodes = [c for c in callbacks if type(c).on_episode is not TrainingCallback.on_episode]
        self._progress = progress
        self._of = of
        self._stopped = False
        self._begun = -1

    def _on_training_start(self) -> None:
        self._begun = self.num_timesteps

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps > self._begun:
            self._rollout_ended()
            if self._stopped:
                raise StopTraining

    def _on_step(self) -> bool:
        if self._progress is not None:
            self._progress(self.num_timesteps, self._of)
        if self._episodes and self.locals["dones"].any():
            for i in np.flatnonzero(self.locals["dones"]).tolist():
                metrics = self.locals["infos"][i]["episode_metrics"]
                answers = [callback.on_episode(self._strategy, metrics) for callback in self._episodes]
                self._stopped |= False in answers
        return True

    def _on_training_end(self) -> None:
        self._rollout_ended()

    def _rollout_ended(self) -> None:
        answers = [callback.on_rollout(self._strategy) for callback in self._callbacks]
        self._stopped |= False in answers
