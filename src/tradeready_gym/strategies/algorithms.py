"""The algorithms that StableBaselinesTradingStrategy knows by name, and their defaults on many accounts at once."""

import importlib
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gymnasium import spaces

from tradeready_gym.engine import Engine
from tradeready_gym.errors import ConfigurationError, UnknownName

_HOMES = {
    "A2C": "stable_baselines3",
    "DDPG": "stable_baselines3",
    "DQN": "stable_baselines3",
    "MaskablePPO": "sb3_contrib",
    "PPO": "stable_baselines3",
    "QRDQN": "sb3_contrib",
    "RecurrentPPO": "sb3_contrib",
    "SAC": "stable_baselines3",
    "TD3": "stable_baselines3",
}
ALGORITHMS = tuple(_HOMES)

# Few large batches instead of many small ones, since the environment is no longer what a learner waits for; a batch is a
# quarter of a rollout.
PPO_DEFAULTS: Mapping[str, Any] = MappingProxyType({"n_steps": 64, "n_epochs": 4, "learning_rate": 1e-3})
BATCHES = 4
DEFAULT_NUM_ENVS = {"PPO": 256, "MaskablePPO": 256, "RecurrentPPO": 64}
# what is not here takes all of them
_ACTIONS: Mapping[str, tuple[type[spaces.Space[Any]], ...]] = {
    "DDPG": (spaces.Box,),
    "DQN": (spaces.Discrete,),
    "MaskablePPO": (spaces.Discrete, spaces.MultiDiscrete),
    "QRDQN": (spaces.Discrete,),
    "SAC": (spaces.Box,),
    "TD3": (spaces.Box,),
}
_EXPLORATION_NOISE = 0.1
# transitions per gradient step with one environment, in Stable-Baselines3
_TRANSITIONS_PER_UPDATE = {"DQN": 4, "QRDQN": 4, "SAC": 1, "TD3": 1, "DDPG": 1}


def require_stable_baselines() -> None:
    """Raise `ConfigurationError` unless Stable-Baselines3 is installed."""
    if importlib.util.find_spec("stable_baselines3") is None:
        raise ConfigurationError(
            "this needs Stable-Baselines3, which is an extra: pip install 'tradeready-gym[sb3]'. On Linux, pip takes "
            "PyTorch with 3 GB of CUDA libraries unless a CPU build is installed before"
        )


def find_algorithm(model: str | type[Any]) -> type[Any]:
    """The class of an algorithm from its name in any case, or the class itself.

    Raises:
        UnknownName: there is none of this name.
        ConfigurationError: it needs sb3-contrib, which is not installed.
    """
    if not isinstance(model, str):
        return model
    names = {name.lower(): name for name in ALGORITHMS}
    name = names.get(model.lower().replace("_", "").replace("-", ""))
    if name is None:
        raise UnknownName("model", model, ALGORITHMS, " A class (of sb3-contrib, for example) is accepted, too.")
    home = _HOMES[name]
    if importlib.util.find_spec(home) is None:
        raise ConfigurationError(
            f"{name} needs sb3-contrib, which is part of an extra: pip install 'tradeready-gym[sb3]'"
        )
    return getattr(importlib.import_module(home), name)  # type: ignore[no-any-return]


def refuse_action_space(algorithm: type[Any], engine: Engine) -> None:
    """Raise `ConfigurationError` if the algorithm cannot learn the actions of an engine; a class of others' decides itself."""
    scheme = engine.spec.action_scheme
    space = scheme.action_space(len(engine.symbols))
    kinds = _ACTIONS.get(algorithm.__name__)
    if kinds is None or isinstance(space, kinds):
        return
    takes = " and ".join(kind.__name__ for kind in kinds)
    others = [name for name in ALGORITHMS if isinstance(space, _ACTIONS.get(name, (spaces.Space,)))]
    raise ConfigurationError(
        f"{algorithm.__name__} takes the actions of a {takes} space; {scheme!r} has a {type(space).__name__}. Take another "
        f"action scheme, or one of {', '.join(others)}"
    )


def algorithm_at(place: str) -> type[Any]:
    """The class at "module:name", as bundles write it."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def policy_of(algorithm: type[Any], policy: str | type[Any]) -> str | type[Any]:
    """The policy as the algorithm calls it: "MlpPolicy" is "MlpLstmPolicy" where it remembers."""
    if algorithm.__name__ == "RecurrentPPO" and isinstance(policy, str) and "Lstm" not in policy:
        return policy.replace("Policy", "LstmPolicy")
    return policy


def with_defaults(algorithm: type[Any], num_envs: int, given: Mapping[str, Any], action_size: int) -> dict[str, Any]:
    """The arguments of an algorithm: `given`, and for the rest what suits `num_envs` accounts side by side.

    PPO and its kin get rollouts of 64 steps in four batches. What learns from a replay buffer takes a gradient step for as
    many transitions as Stable-Baselines3 does with one environment (1 for SAC, TD3 and DDPG, 4 for DQN and QR-DQN): its own
    defaults count steps of all accounts together and would learn `num_envs` times less. TD3 and DDPG, which explore
    nothing by themselves, get Gaussian noise of 0.1.
    """
    arguments: dict[str, Any] = {"device": "cpu", **given}
    name = algorithm.__name__
    if name.endswith("PPO"):
        arguments = {**PPO_DEFAULTS, **arguments}
        rollout = arguments["n_steps"] * num_envs
        arguments.setdefault("batch_size", rollout // BATCHES if rollout % BATCHES == 0 else rollout)
    every = _TRANSITIONS_PER_UPDATE.get(name)
    if every is not None and not {"train_freq", "gradient_steps"} & set(given):
        arguments["train_freq"] = max(1, every // num_envs)
        arguments["gradient_steps"] = max(1, num_envs // every)
    if name in ("TD3", "DDPG") and "action_noise" not in given:
        arguments["action_noise"] = _noise(action_size)
    return arguments


def _noise(size: int) -> Any:
    import numpy as np
    from stable_baselines3.common.noise import NormalActionNoise

    return NormalActionNoise(np.zeros(size), np.full(size, _EXPLORATION_NOISE))
