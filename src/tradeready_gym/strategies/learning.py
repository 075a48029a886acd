"""The parts of a learner that Stable-Baselines3 and PyTorch have to know as classes; needs the extra `[sb3]`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from tradeready_gym.engine import Engine
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


def observation_scale(engine: Engine) -> tuple[list[float], list[float]]:
    """Offset and scale of every number of a flat observation: mean and deviation over the engine's own spans.

    A column of the window counts what observations of these spans can show of it, each symbol for itself. The account
    scalars have scales of their own: shares lie in [0, 1], and unrealised profit is measured by what prices move in ten windows.
    """
    symbols, lookback = len(engine.symbols), engine.spec.lookback_window
    table = engine.table.reshape(symbols, -1, engine.pipeline.width) if engine.pipeline.width else None
    offsets, scales = [], []
    rows = np.concatenate([np.arange(s["first_row"] - lookback, s["end_row"]) for s in engine.segments])
    if table is not None:
        seen = table[:, rows].astype(np.float64)
        deviation = seen.std(axis=1)
        shape = (symbols, lookback, engine.pipeline.width)
        offsets = np.broadcast_to(seen.mean(axis=1)[:, None], shape).ravel().tolist()
        scales = np.broadcast_to(np.where(deviation > 0.0, deviation, 1.0)[:, None], shape).ravel().tolist()
    closes = np.log(engine.rows["close"][rows])
    typical_move = float(np.std(np.diff(closes, axis=0))) * (10 * lookback) ** 0.5
    for name in engine.pipeline.account_features:
        wide = symbols if name == "position" else 1
        share = name != "unrealized_pnl"
        offsets += [0.5 if share else 0.0] * wide
        scales += [0.5 if share else (typical_move or 1.0)] * wide
    return offsets, scales
