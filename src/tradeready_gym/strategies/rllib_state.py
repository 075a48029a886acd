"""Everything that the next rollout and update of RLlib's PPO depend on; needs the extra `[rllib]`.

RLlib's own checkpoint has the weights, the optimisers, the connectors and the counters. It has neither the environments and
the episodes that stand in the middle, nor what the network is asked about next, nor the random generators of any process, nor
the entropy and KL coefficients of the moment.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import torch
from ray.rllib.core import COMPONENT_RL_MODULE

from tradeready_gym.strategies.generators import generator_state, set_generator_state
from tradeready_gym.strategies.rllib_learning import learner_state, put_learner_state


def training_state(made: Any) -> dict[str, Any]:
    """An algorithm between two rollouts, with the environments of all workers, as plain Python, NumPy and PyTorch objects."""
    group = made.env_runner_group
    runners = group.foreach_env_runner(_capture, local_env_runner=group.num_remote_workers() == 0)
    return {
        "learner": learner_state(made),
        "coefficients": _coefficients(made.learner_group._learner),
        "metrics": cloudpickle.dumps(made.metrics.get_state()),
        "runners": dict(runners),
        "generators": generator_state(),
    }


def put_training_state(made: Any, state: Mapping[str, Any]) -> None:
    """Go on from what `training_state` gave, on as many workers: what is drawn, played and learned next is what would have been."""
    put_learner_state(made, state["learner"])
    _put_coefficients(made.learner_group._learner, state["coefficients"])
    made.metrics.set_state(pickle.loads(state["metrics"]))
    group = made.env_runner_group
    group.foreach_env_runner(_restoring(state["runners"]), local_env_runner=group.num_remote_workers() == 0)
    set_generator_state(state["generators"])


def _capture(runner: Any) -> tuple[int, bytes]:
    values = {
        "environment": runner.env.unwrapped.state(),
        "episodes": runner._ongoing_episodes,
        "waiting": runner._cached_to_module,
        "needs_reset": runner._needs_initial_reset,
        "shared": runner._shared_data,
        "weights": runner._weights_seq_no,
        "counters": runner.get_state(not_components=[COMPONENT_RL_MODULE]),
        "generators": generator_state(),
    }
    # written down at once: in this process the runner goes on with these very objects
    return runner.worker_index, cloudpickle.dumps(values)


def _restoring(runners: Mapping[int, bytes]) -> Callable[[Any], None]:
    def restore(runner: Any) -> None:
        values = pickle.loads(runners[runner.worker_index])
        runner.set_state(values["counters"])
        runner.env.unwrapped.put_state(values["environment"])
        runner._ongoing_episodes = values["episodes"]
        runner._cached_to_module = values["waiting"]
        runner._needs_initial_reset = values["needs_reset"]
        runner._shared_data = values["shared"]
        runner._weights_seq_no = values["weights"]
        set_generator_state(values["generators"])

    return restore


def _coefficients(learner: Any) -> dict[str, dict[str, float]]:
    schedulers = learner.entropy_coeff_schedulers_per_module
    return {
        "entropy": {name: float(one.get_current_value()) for name, one in schedulers.items()},
        "kl": {name: float(value) for name, value in learner.curr_kl_coeffs_per_module.items()},
    }


def _put_coefficients(learner: Any, values: Mapping[str, Mapping[str, float]]) -> None:
    for name, value in values["entropy"].items():
        current = learner.entropy_coeff_schedulers_per_module[name]
        if isinstance(current._curr_value, torch.Tensor):
            current._curr_value.data = torch.tensor(value)
    for name, value in values["kl"].items():
        learner.curr_kl_coeffs_per_module[name].data = torch.tensor(value)
