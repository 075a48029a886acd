"""The vector environment as a `VecEnv` of Stable-Baselines3."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.native import action_masks_of
from tradeready_gym.tracking import clock

try:
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:  # pragma: no cover - in an installation without the extra
    raise ConfigurationError(
        "Stable-Baselines3 is not installed; it is an extra: pip install 'tradeready-gym[sb3]'"
    ) from error


class StableBaselinesVecEnv(VecEnv):
    """Any Stable-Baselines3 algorithm on N accounts that one compiled call moves.

    `environment` is a `TradingVectorEnvironment(autoreset_mode="SAME_STEP", copy=True, episode_end="gymnasium")`: the
    flags decide what a learner may bootstrap. Infos are empty but at the end of
    an episode, when they hold what Stable-Baselines3 and its `Monitor` define (`terminal_observation`,
    `TimeLimit.truncated`, `episode`) and `episode_metrics`.

    Raises:
        ConfigurationError: another autoreset mode or `episode_end`, or an environment that overwrites its observations.
    """

    def __init__(self, environment: TradingVectorEnvironment) -> None:
        if environment.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ConfigurationError(
                f"Stable-Baselines3 needs autoreset_mode='SAME_STEP'; this environment has "
                f"{environment.autoreset_mode.name}"
            )
        if not environment._copy:
            raise ConfigurationError(
                "Stable-Baselines3 keeps the last observation; build the environment with copy=True"
            )
        if environment.engine.spec.episode_end != "gymnasium":
            raise ConfigurationError(
                "Stable-Baselines3 bootstraps what is truncated: with episode_end='documented' that would be ruin, and the end of "
                "the data a failure. Build the environment with episode_end='gymnasium'"
            )
        self.environment = environment
        self._actions: Any = None
        self._started = clock.monotonic()
        super().__init__(environment.num_envs, environment.single_observation_space, environment.single_action_space)

    def reset(self) -> Any:
        """First observations of N episodes; the seeds given to `seed` count once."""
        seeds = None if self._seeds[0] is None else list(self._seeds)
        observations, _ = self.environment.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        self._started = clock.monotonic()
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[Any, npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        observations, rewards, terminated, truncated, report = self.environment.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        dones = terminated | truncated
        if "final_info" in report:
            self._describe_ends(infos, np.flatnonzero(dones).tolist(), terminated, truncated, report)
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        self.environment.close()

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which discrete actions can do anything now, bool (N, n); sb3-contrib's `MaskablePPO` asks for it."""
        return action_masks_of(self.environment.engine)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        value = getattr(self.environment, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        if indices is not None and len(list(self._get_indices(indices))) != self.num_envs:
            raise ConfigurationError(f"the {self.num_envs} accounts share {attr_name!r}; set it for all of them")
        setattr(self.environment, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """One result per sub-environment of a method that answers for all of them at once."""
        owner = self if method_name == "action_masks" else self.environment
        results = getattr(owner, method_name)(*method_args, **method_kwargs)
        return [results[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """True for `Monitor`: the infos hold what it would write."""
        return [issubclass(Monitor, wrapper_class) for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        return [None for _ in range(self.num_envs)]

    def _describe_ends(
        self,
        infos: list[dict[str, Any]],
        ended: Iterable[int],
        terminated: npt.NDArray[np.bool_],
        truncated: npt.NDArray[np.bool_],
        report: dict[str, Any],
    ) -> None:
        last, metrics = report["final_obs"], report["final_info"]["episode_metrics"]
        names = [name for name in metrics if not name.startswith("_")]
        seconds = round(clock.monotonic() - self._started, 6)
        for i in ended:
            numbers = {name: metrics[name][i].item() for name in names}
            infos[i] = {
                "terminal_observation": {k: v[i] for k, v in last.items()} if isinstance(last, dict) else last[i],
                "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
                "episode": {"r": round(numbers["cumulative_reward"], 6), "l": numbers["length"], "t": seconds},
                "episode_metrics": numbers,
            }
