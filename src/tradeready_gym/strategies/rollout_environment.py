"""The vector environment as a worker of RLlib plays it: scaled numbers, and no infos; needs neither Ray nor PyTorch."""

import copy
import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.training_state import accounts_in, put_accounts
from tradeready_gym.wrappers.statistics import RunningStatistics

_LIMIT = 10.0
_TINY = 1e-8


@dataclass(frozen=True)
class ObservationScale:
    """`clip((observation - offset) / scale, -10, 10)`: fixed before training, kept with the agent."""

    offset: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]

    def __call__(self, observations: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Scaled observations, float32 (N, width)."""
        table = np.asarray(observations, np.float32).reshape(len(observations), -1)
        scaled: npt.NDArray[np.float32] = np.clip((table - self.offset) / self.scale, -_LIMIT, _LIMIT)
        return scaled


@dataclass
class WorkerReport:
    """What one worker has played since the last report: `steps` of the environment, and the episodes that ended there.

    `metrics` has one array a metric and `seeds` the seeds of the same episodes; `returns` are the statistics by which rewards
    are divided, as plain data.
    """

    worker: int
    process: int
    first_seed: int
    steps: int = 0
    seeds: list[int] = field(default_factory=list)
    metrics: dict[str, list[Any]] = field(default_factory=dict)
    returns: dict[str, Any] = field(default_factory=dict)


class RolloutEnvironment(VectorEnv[Any, Any, Any]):
    """N accounts of one worker, as PPO learns from them.

    Args:
        environment: `TradingVectorEnvironment(autoreset_mode="NEXT_STEP", copy=True, episode_end="gymnasium")`.
        scale: of the observations.
        gamma: rewards are divided by the running deviation of their sum discounted by this.
        first_seed: of the first account of the first worker; the others follow.
        returns: for each worker the statistics from which the scale of rewards goes on; those that are missing begin anew.

    Raises:
        ConfigurationError: another autoreset mode or `episode_end`.
    """

    def __init__(
        self,
        environment: TradingVectorEnvironment,
        scale: ObservationScale,
        gamma: float,
        first_seed: int = 0,
        returns: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        mode, end = environment.autoreset_mode, environment.engine.spec.episode_end
        if mode != AutoresetMode.NEXT_STEP or end != "gymnasium":
            raise ConfigurationError(
                f"RLlib needs autoreset_mode='NEXT_STEP' and episode_end='gymnasium'; this environment has {mode.name} and {end!r}"
            )
        self.environment = environment
        self.num_envs = environment.num_envs
        self.metadata = environment.metadata
        self.render_mode = None
        self.single_observation_space = spaces.Box(-_LIMIT, _LIMIT, (len(scale.offset),), np.float32)
        self.single_action_space = environment.single_action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = environment.action_space
        self._scale = scale
        self._gamma = gamma
        self._saved_returns = tuple(returns)
        self._first_seed = first_seed
        self.take_place(0)

    def take_place(self, worker: int) -> None:
        """Be the environment of this worker (0 where nobody else plays, else from 1 on): its seeds are no other's."""
        place = max(worker - 1, 0)
        known = place < len(self._saved_returns)
        self._statistics = (
            RunningStatistics.from_plain(self._saved_returns[place]) if known else RunningStatistics(shape=())
        )
        self._report = WorkerReport(worker, os.getpid(), self._first_seed + place * self.num_envs)
        self._returns = np.zeros(self.num_envs)
        self._over = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """First observations; with any `seed` the episodes are those of this worker's own seeds."""
        observations, _ = self.environment.reset(seed=None if seed is None else self._report.first_seed)
        self._returns[:] = 0.0
        self._over[:] = False
        return self._scale(observations), {}

    def step(
        self, actions: Any
    ) -> tuple[
        npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]
    ]:
        """As the environment, with scaled observations and rewards and without infos."""
        observations, rewards, terminated, truncated, infos = self.environment.step(actions)
        played = ~self._over
        self._returns = np.where(played, self._returns * self._gamma + rewards, 0.0)
        self._statistics.update(self._returns[played])
        self._report.steps += int(np.count_nonzero(played))
        self._over = terminated | truncated
        if self._over.any():
            self._note_ends(infos["episode_metrics"])
        paid = np.clip(rewards / np.sqrt(self._statistics.variance + _TINY), -_LIMIT, _LIMIT)
        return self._scale(observations), paid, terminated, truncated, {}

    def close(self, **kwargs: Any) -> None:
        self.environment.close()

    def take_report(self) -> WorkerReport:
        """What has been played since the last time that somebody took it."""
        report = self._report
        report.returns = self._statistics.as_plain()
        self._report = WorkerReport(report.worker, report.process, report.first_seed)
        return report

    def state(self) -> dict[str, Any]:
        """The accounts in the middle of their episodes, the scale of rewards, and what has been played since the last report."""
        return {
            "accounts": accounts_in(self.environment),
            "statistics": self._statistics.as_plain(),
            "returns": self._returns.copy(),
            "over": self._over.copy(),
            "report": copy.deepcopy(self._report),
        }

    def put_state(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `state` gave, in an environment of the same composition."""
        put_accounts(self.environment, saved["accounts"])
        self._statistics = RunningStatistics.from_plain(saved["statistics"])
        self._returns, self._over = saved["returns"].copy(), saved["over"].copy()
        self._report = dataclasses.replace(saved["report"], process=os.getpid())

    def _note_ends(self, metrics: Mapping[str, Any]) -> None:
        self._report.seeds += self.environment.engine.state.accounts["seed"][self._over].tolist()
        for name, column in metrics.items():
            if not name.startswith("_"):
                self._report.metrics.setdefault(name, []).extend(column[self._over].tolist())
