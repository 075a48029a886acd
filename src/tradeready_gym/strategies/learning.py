"""The parts of a learner that Stable-Baselines3 and PyTorch have to know as classes; needs the extra `[sb3]`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from tradeready_gym.engine import Engine

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


class ReportSteps(BaseCallback):
    """Calls `progress(done, of)` after every step of the vector environment."""

    def __init__(self, progress: Any, of: int) -> None:
        super().__init__()
        self._progress = progress
        self._of = of

    def _on_step(self) -> bool:
        self._progress(self.num_timesteps, self._of)
        return True


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
