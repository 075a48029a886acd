"""PPO of RLlib's new API stack on our environment, and its policy outside of Ray; needs the extra `[rllib]`."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from ray.rllib.algorithms.ppo import PPO, PPOConfig
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE, DEFAULT_MODULE_ID, Columns
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.utils.spaces.space_utils import unsquash_action
from ray.tune.registry import ENV_CREATOR, _global_registry, register_env
from ray.util import log_once

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.strategies.rollout_environment import ObservationScale, RolloutEnvironment, WorkerReport

_ROLLOUT_STEPS = 64
_BATCHES = 4
# RLlib goes on after a minute without the workers that are not ready: what is learned would depend on how busy the machine is
_PATIENCE_S = 86_400.0
_DEFAULTS: Mapping[str, Any] = {
    "lr": 1e-3,
    "gamma": 0.99,
    "lambda_": 0.95,
    "num_epochs": 4,
    "clip_param": 0.2,
    "vf_loss_coeff": 0.5,
    "use_kl_loss": False,
    "grad_clip": 0.5,
    "grad_clip_by": "global_norm",
}
_NETWORK: Mapping[str, Any] = {"fcnet_hiddens": [64, 64], "vf_share_layers": False}


_RLLIB_ID = "rllib-single-agent-env-v0"


class HomelessPPO(PPO):  # type: ignore[misc]
    """PPO that makes no folder in `~/ray_results`: nothing is written there."""

    def _setup_logdir(self) -> None:
        self._logdir = tempfile.gettempdir()


@dataclass(frozen=True)
class Rollouts:
    """How PPO collects what it learns from: `num_envs` accounts on `env_runners` workers (0: in this process)."""

    arguments: Mapping[str, Any]
    """Of the `TradingVectorEnvironment`, without `num_envs`."""
    scale: ObservationScale
    num_envs: int
    env_runners: int
    model_kwargs: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gamma(self) -> float:
        """The discount of rewards."""
        return float(self.model_kwargs.get("gamma", _DEFAULTS["gamma"]))

    def config(self) -> Any:
        """The `PPOConfig`, but for its environment and its seed."""
        each = self.num_envs // max(self.env_runners, 1)
        batch = self.num_envs * _ROLLOUT_STEPS
        training = {**_DEFAULTS, "train_batch_size_per_learner": batch, "minibatch_size": batch // _BATCHES}
        return (
            PPOConfig(algo_class=HomelessPPO)
            .framework("torch")
            .env_runners(
                num_env_runners=self.env_runners,
                num_envs_per_env_runner=each,
                gym_env_vectorize_mode="vector_entry_point",
                rollout_fragment_length=_ROLLOUT_STEPS,
                sample_timeout_s=_PATIENCE_S,
            )
            .learners(num_learners=0, num_gpus_per_learner=0)
            .fault_tolerance(restart_failed_env_runners=False)
            .training(**(training | dict(self.model_kwargs)))
            .rl_module(model_config=DefaultModelConfig(**{**_NETWORK, **self.network}))
        )


@contextmanager
def algorithm(rollouts: Rollouts, seed: int, first_seed: int, returns: tuple[Mapping[str, Any], ...]) -> Iterator[Any]:
    """The algorithm, for as long as Ray runs; its workers are gone afterwards."""
    name = f"tradeready-{id(rollouts):x}"
    arguments, scale, gamma = dict(rollouts.arguments), rollouts.scale, rollouts.gamma

    def create(context: Mapping[str, Any]) -> RolloutEnvironment:
        # a closure, which Ray hands to every worker once; a config would be copied again and again
        environment = TradingVectorEnvironment(num_envs=context["num_envs"], **arguments)
        return RolloutEnvironment(environment, scale, gamma, first_seed, returns)

    log_once("PPO_on_new_api_stack")  # the news that this is the new API stack counts as told
    register_env(name, create)
    config = rollouts.config().environment(name).debugging(seed=seed)
    config = config.callbacks(on_environment_created=_take_place)
    made = None
    try:
        made = config.build_algo()
        yield made
    finally:
        if made is not None:
            made.stop()
        _global_registry.unregister(ENV_CREATOR, name)
        gymnasium.registry.pop(
            _RLLIB_ID, None
        )  # RLlib registers it once an algorithm, and would be warned of the second


def reports_of(made: Any) -> list[WorkerReport]:
    """What every worker has played since the last time, in the order of the workers."""
    group = made.env_runner_group
    remote = group.num_remote_workers() > 0
    reports = group.foreach_env_runner(_take_report, local_env_runner=not remote)
    return sorted(reports, key=lambda report: report.worker)


def learner_state(made: Any) -> dict[str, Any]:
    """Weights and optimiser of an algorithm, as NumPy arrays and plain data."""
    return dict(made.learner_group.get_state())


def put_learner_state(made: Any, state: Mapping[str, Any]) -> None:
    """Go on from what `learner_state` gave, on every worker."""
    made.learner_group.set_state(state)
    module = f"{COMPONENT_LEARNER}/{COMPONENT_RL_MODULE}"
    weights = made.learner_group.get_state(components=[module], inference_only=True)[COMPONENT_LEARNER]

    def take(runner: Any) -> None:
        # without the number of the weights they are taken, whatever the runner has
        runner.set_state({COMPONENT_RL_MODULE: weights[COMPONENT_RL_MODULE]})

    # `sync_weights` drops what it sends to a worker that has not yet answered the last time, as when it has just begun
    made.env_runner_group.foreach_env_runner(take, local_env_runner=True)


def weights_in(state: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """The weights in what `learner_state` gave."""
    return dict(state[COMPONENT_LEARNER][COMPONENT_RL_MODULE][DEFAULT_MODULE_ID])


class Policy:
    """The network with its scale, in this process and without Ray.

    `space` is the action space of one account.
    """

    def __init__(self, rollouts: Rollouts, space: spaces.Space[Any], weights: Mapping[str, npt.NDArray[Any]]) -> None:
        observed = spaces.Box(-10.0, 10.0, rollouts.scale.offset.shape, np.float32)
        spec = rollouts.config().get_rl_module_spec(spaces={DEFAULT_MODULE_ID: (observed, space)}, inference_only=False)
        self.scale, self.space = rollouts.scale, space
        self.module = spec.build()
        self.module.set_state({name: np.array(value) for name, value in weights.items()})
        self.module.eval()

    def decide(self, observations: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The most likely action of every account, as the environment takes it."""
        with torch.no_grad():
            seen = torch.from_numpy(self.scale(observations))
            outputs = self.module.forward_inference({Columns.OBS: seen})
            kind = self.module.get_inference_action_dist_cls()
            actions = kind.from_logits(outputs[Columns.ACTION_DIST_INPUTS]).to_deterministic().sample().numpy()
        if isinstance(self.space, spaces.Box):  # as RLlib maps them in training (normalize_actions)
            actions = np.array([unsquash_action(action, self.space) for action in actions])
        return np.asarray(actions)


def _take_place(*, env: Any, env_context: Any, **_: Any) -> None:
    env.take_place(env_context.worker_index)


def _take_report(runner: Any) -> WorkerReport:
    report: WorkerReport = runner.env.unwrapped.take_report()
    return report
