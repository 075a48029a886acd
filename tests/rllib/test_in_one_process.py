"""Training under a Ray that somebody else has started and that goes on running."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest
import ray
import torch
from gymnasium.utils.env_checker import check_env
from rllib_worlds import CUT, environment, learner

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.strategies import Checkpoints, RLlibTradingStrategy, TrainingCallback
from tradeready_gym.strategies.ray_session import ray_session
from tradeready_gym.strategies.rllib_learning import Policy, Rollouts, algorithm, learner_state, weights_in
from tradeready_gym.strategies.rollout_environment import ObservationScale
from tradeready_gym.testing import check_strategy
from tradeready_gym.tracking import list_runs, read_run


@pytest.fixture(scope="module", autouse=True)
def somebodys_ray() -> Iterator[None]:
    with ray_session(2, {}):
        yield


def weights(strategy: RLlibTradingStrategy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in strategy.model.parameters()])


def test_training_repeats_with_its_seed_and_another_seed_differs_in_weights_and_windows() -> None:
    kept, seeds = [], []
    for seed in (1, 1, 2):
        strategy = learner(environment(), num_envs=8, seed=seed, window_bars=30)
        strategy.train(1_024)
        kept.append(weights(strategy))
        seeds.append(set(strategy.workers[0].seeds))
    assert ray.is_initialized()
    assert torch.equal(kept[0], kept[1])
    assert not torch.equal(kept[0], kept[2])
    assert seeds[0] == seeds[1]
    assert not seeds[0] & seeds[2]


def test_it_keeps_the_contract_of_strategies() -> None:
    check_strategy(lambda market: learner(market, num_envs=4, window_bars=32), new_process=False)


def test_the_generators_and_the_threads_of_pytorch_are_as_before() -> None:
    torch.manual_seed(3)
    np.random.seed(3)
    before = (torch.get_num_threads(), torch.get_rng_state().tolist(), str(np.random.get_state(legacy=False)))
    learner(environment(), num_envs=4).train(256)
    assert (torch.get_num_threads(), torch.get_rng_state().tolist(), str(np.random.get_state(legacy=False))) == before


def test_a_loaded_strategy_goes_on_with_its_weights_its_optimiser_and_new_episodes(tmp_path: Path) -> None:
    strategy = learner(environment(), num_envs=8, window_bars=30)
    strategy.train(512)
    before, seeds = weights(strategy), set(strategy.workers[0].seeds)
    again = RLlibTradingStrategy.load(strategy.save(tmp_path), environment())
    again.model_kwargs["num_epochs"] = 1
    assert torch.equal(weights(again), before)
    again.train(512)
    moved = float((weights(again) - before).abs().max())
    assert again.trained_steps == 1_024
    assert not seeds & set(again.workers[0].seeds)
    # one epoch of four or five batches, which goes on from four epochs
    assert 0.0 < moved < 0.02
    assert 4 <= optimiser_steps(again) - optimiser_steps(strategy) <= 5


def optimiser_steps(strategy: RLlibTradingStrategy) -> int:
    (optimiser,) = strategy._state["learner"]["optimizer"].values()
    return int(optimiser["state"]["state"][0]["step"])


@pytest.mark.parametrize("scheme", ["target_position", "continuous_actions", "target_weights", "per_asset_discrete"])
def test_the_policy_acts_as_rllib_itself_does_without_exploration(scheme: str) -> None:
    native = learner(environment(action_scheme=scheme, interpreted=True))
    width = len(native.environment.engine.new_observations().reshape(-1))
    scale = ObservationScale(np.zeros(width, np.float32), np.full(width, 0.05, np.float32))
    rollouts = Rollouts(native._training_arguments(), scale, 4, 0, {}, {})
    seen: list[tuple[Any, Any]] = []
    with algorithm(rollouts, 5, 0, ()) as made:
        policy = Policy(
            rollouts, native.environment.engine.spec.action_scheme.action_space(1), weights_in(learner_state(made))
        )
        inner = made.env_runner.env.unwrapped.environment
        record(inner, seen)
        made.env_runner.sample(num_timesteps=400, explore=False, force_reset=True)
    assert len(seen) == 100
    for observations, actions in seen:
        assert np.allclose(policy.decide(observations), actions, atol=1e-6)


def record(inner: Any, seen: list[tuple[Any, Any]]) -> None:
    reset, step = inner.reset, inner.step
    last: list[npt.NDArray[Any]] = []

    def recorded_reset(**arguments: Any) -> Any:
        result = reset(**arguments)
        last[:] = [result[0]]
        return result

    def recorded_step(actions: Any) -> Any:
        seen.append((last[0], np.array(actions)))
        result = step(actions)
        last[:] = [result[0]]
        return result

    inner.reset, inner.step = recorded_reset, recorded_step


class Listener(TrainingCallback):
    """Counts, and stops after the second rollout."""

    def __init__(self) -> None:
        self.lengths: list[float] = []
        self.rollouts = 0
        self.ended = False

    def on_episode(self, strategy: Any, metrics: Mapping[str, float | int]) -> bool | None:
        self.lengths.append(metrics["length"])
        return None

    def on_rollout(self, strategy: Any) -> bool | None:
        self.rollouts += 1
        return self.rollouts < 2

    def end(self, strategy: Any) -> None:
        self.ended = True


def test_callbacks_hear_of_episodes_and_rollouts_and_stop_the_training(tmp_path: Path) -> None:
    listener = Listener()
    strategy = learner(environment(), num_envs=8, window_bars=30)
    strategy.train(0, callbacks=[listener, Checkpoints(tmp_path, every=512)])
    assert (listener.rollouts, listener.ended, strategy.trained_steps) == (2, True, 1_024)
    assert listener.lengths == [30] * (8 * (128 // 30))
    assert RLlibTradingStrategy.load(Checkpoints.latest(tmp_path)).trained_steps == 1_024


def test_training_is_one_run_in_the_journal_with_its_label_and_its_episodes() -> None:
    known = {run.run_id for run in list_runs()}
    strategy = learner(environment(), num_envs=8, window_bars=30, track_training=True, strategy_label="kept")
    strategy.train(1_024)
    (run,) = [run for run in list_runs() if run.run_id not in known]
    assert (run.strategy_label, run.status) == ("kept", "completed")
    assert run.config["episode_end"] == "gymnasium"
    assert [episode["episode_number"] for episode in read_run(run.path).episodes] == list(range(1, 33))


def test_an_unknown_algorithm_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="known: PPO"):
        RLlibTradingStrategy(model="IMPALA")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"num_envs": 9, "env_runners": 2}, "multiple of env_runners"),
        ({"num_envs": 0}, "num_envs must be an integer of at least 1"),
        ({"env_runners": True}, "env_runners must be an integer of at least 0"),
        ({"network": {"use_lstm": True}}, "RecurrentPPO"),
    ],
)
def test_arguments_outside_their_domain_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RLlibTradingStrategy(**arguments)


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_a_number_of_steps_that_is_none_is_refused(steps: Any) -> None:
    with pytest.raises(ConfigurationError, match="steps"):
        learner(environment(interpreted=True)).train(steps)


def test_more_workers_than_ray_has_processors_are_refused_instead_of_waited_for() -> None:
    with pytest.raises(ConfigurationError, match=r"64 workers need 64 processors, and Ray has 3"):
        learner(environment(interpreted=True), env_runners=64).train(1)


def test_the_example_of_the_documentation_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "RLlib" in block]
    names: dict[str, Any] = {"__name__": "page"}
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "training.md", "exec"), names)
    assert [report.worker for report in names["strategy"].workers] == [1, 2]
    assert not names["held_out"].in_sample


def test_our_environment_passes_the_checker_of_the_older_gymnasium_that_rllib_pins() -> None:
    assert gymnasium.__version__ == "1.2.2"
    check_env(environment(end_time=CUT, interpreted=True), skip_render_check=True)
