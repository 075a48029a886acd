"""What was interrupted goes on exactly as it would have, in this process and on two workers."""

import functools
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rllib_worlds import environment, learner

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import Checkpoints, RLlibTradingStrategy, TrainingCallback
from tradeready_gym.strategies.ray_session import ray_session
from tradeready_gym.strategies.rollout_environment import ObservationScale

EACH = 512  # steps of a rollout
WHOLE = 4 * EACH
# windows that are uneven with the rollouts: accounts stand in the middle of episodes where training is cut
SETTINGS: dict[str, Any] = {"num_envs": 8, "window_bars": 37, "seed": 3}
SCHEDULED: dict[str, Any] = {
    "lr": [[0, 2e-3], [WHOLE, 1e-4]],
    "entropy_coeff": [[0, 0.05], [WHOLE, 0.0]],
    "use_kl_loss": True,
    "kl_target": 1e-4,
}


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "schedules and KL": {"model_kwargs": SCHEDULED},
    "two workers": {"env_runners": 2, "model_kwargs": SCHEDULED},
}


@pytest.fixture(scope="module", autouse=True)
def somebodys_ray() -> Iterator[None]:
    with ray_session(2, {}):
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The newest checkpoint of a training of a kind that broke off."""

    @functools.cache
    def made(kind: str) -> Path:
        return interrupted(tmp_path_factory.mktemp("interrupted"), **KINDS[kind])

    return made


class Crash(TrainingCallback):
    """Breaks off after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_rollout(self, strategy: Any) -> bool | None:
        if strategy.trained_steps >= self.steps:
            raise KeyboardInterrupt
        return None


def weights(strategy: RLlibTradingStrategy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in strategy.model.parameters()])


@functools.cache
def whole(kind: str = "plain") -> RLlibTradingStrategy:
    strategy = learner(environment(fee_rate=0.001), **(SETTINGS | KINDS[kind]))
    strategy.train(WHOLE)
    return strategy


def interrupted(folder: Path, **changes: Any) -> Path:
    strategy = learner(environment(fee_rate=0.001), **(SETTINGS | changes))
    with pytest.raises(KeyboardInterrupt):
        strategy.train(WHOLE, callbacks=[Checkpoints(folder, every=EACH), Crash(2 * EACH)])
    latest = Checkpoints.latest(folder)
    assert latest.name == f"step-{2 * EACH:012d}"
    return latest


def loaded(folder: Path, market: Any = None) -> RLlibTradingStrategy:
    strategy = RLlibTradingStrategy.load(folder, market or environment(fee_rate=0.001))
    strategy.track_training = False
    return strategy


def same(one: RLlibTradingStrategy, other: RLlibTradingStrategy) -> bool:
    optimisers = [pickle.dumps(s._state["learner"]["optimizer"]) for s in (one, other)]
    # a ratio that does not exist is NaN, which is equal in words
    reports = [str([(w.steps, w.seeds, w.metrics, w.returns) for w in s.workers]) for s in (one, other)]
    return torch.equal(weights(one), weights(other)) and optimisers[0] == optimisers[1] and reports[0] == reports[1]


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_with_the_same_weights_optimiser_and_episodes(
    kind: str, folders: Callable[[str], Path]
) -> None:
    expected, strategy = whole(kind), loaded(folders(kind))
    torch.rand(7)  # what others draw meanwhile does not matter
    before = weights(strategy)
    strategy.resume()
    assert strategy.trained_steps == expected.trained_steps
    assert same(strategy, expected)
    assert not torch.equal(before, weights(strategy))
    assert [len(w.seeds) > 0 for w in strategy.workers] == [True] * max(strategy.env_runners, 1)


PLANTED = ("environment", "episodes", "generators", "returns", "optimiser", "entropy", "kl", "metrics")


@pytest.mark.parametrize("planted", PLANTED)
def test_the_comparison_above_would_see_a_state_that_was_not_restored(
    planted: str, folders: Callable[[str], Path]
) -> None:
    expected, strategy = whole("schedules and KL"), loaded(folders("schedules and KL"))
    assert strategy._interrupted is not None
    state = strategy._interrupted["state"]
    runner = pickle.loads(state["runners"][0])
    if planted == "environment":
        runner["environment"]["accounts"]["arrays"]["accounts"]["episode"] += 1
    elif planted == "episodes":
        runner["needs_reset"] = True  # what a checkpoint of RLlib alone does
    elif planted == "returns":
        runner["environment"]["returns"] += 0.1
    elif planted == "generators":
        runner["generators"]["torch"] = torch.get_rng_state().numpy()
        state["generators"] = runner["generators"]
    elif planted == "optimiser":
        (optimiser,) = state["learner"]["learner"]["optimizer"].values()
        mean = optimiser["state"]["state"][0]
        mean["exp_avg"] = np.zeros_like(mean["exp_avg"])
    elif planted == "metrics":
        fresh = learner(environment(fee_rate=0.001), **(SETTINGS | {"model_kwargs": SCHEDULED}))
        fresh.train(EACH)
        assert fresh._interrupted is not None
        state["metrics"] = fresh._interrupted["state"]["metrics"]
    else:
        state["coefficients"][planted] = {"default_policy": 0.9}
    state["runners"][0] = pickle.dumps(runner)
    strategy.resume()
    assert not same(strategy, expected)


def test_another_process_ends_it_the_same(tmp_path: Path, folders: Callable[[str], Path]) -> None:
    folder = folders("plain")
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from rllib_worlds import environment
from tradeready_gym.strategies import RLlibTradingStrategy
strategy = RLlibTradingStrategy.load({str(folder)!r}, environment(fee_rate=0.001))
strategy.track_training = False
strategy.resume()
strategy.save({str(tmp_path / "ended")!r})
"""
    variables = {**os.environ, "PYTHONWARNINGS": "default"}
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=variables)
    ended = loaded(tmp_path / "ended")
    assert torch.equal(weights(ended), weights(whole()))
    ended.resume()  # it had ended
    assert ended.trained_steps == WHOLE


def test_a_training_that_a_callback_stopped_is_ended_without_a_checkpoint() -> None:
    class Stop(TrainingCallback):
        def on_rollout(self, strategy: Any) -> bool | None:
            return False

    strategy = learner(environment(fee_rate=0.001), **SETTINGS)
    strategy.train(WHOLE, callbacks=[Stop()])
    assert strategy.trained_steps == EACH
    strategy.resume()
    assert same(strategy, whole())


def test_resume_is_refused_by_what_is_missing_or_different(folders: Callable[[str], Path]) -> None:
    folder = folders("plain")
    with pytest.raises(ConfigurationError, match=r"fee_rate was 0\.001, is 0\.002.*train\(steps\)"):
        loaded(folder, environment(fee_rate=0.002)).resume()
    with pytest.raises(ConfigurationError, match=r"candles was .*, is "):
        loaded(folder, environment(trend(bars=4_000, seed=9), fee_rate=0.001)).resume()
    workers = loaded(folder)
    workers.env_runners = 2
    with pytest.raises(ConfigurationError, match="env_runners was 0, is 2"):
        workers.resume()
    lacking = loaded(folder)
    lacking._interrupted = None
    with pytest.raises(ConfigurationError, match="which a checkpoint of it has"):
        lacking.resume()
    endless = loaded(folder)
    assert endless._interrupted is not None
    endless._interrupted["aim"] = 2**62
    with pytest.raises(ConfigurationError, match="needs callbacks that stop it"):
        endless.resume()


def test_the_generators_outside_are_as_before(folders: Callable[[str], Path]) -> None:
    strategy = loaded(folders("plain"))
    torch.manual_seed(3)
    np.random.seed(3)
    before = (torch.get_rng_state().tolist(), str(np.random.get_state(legacy=False)))
    strategy.resume()
    assert (torch.get_rng_state().tolist(), str(np.random.get_state(legacy=False))) == before


def test_no_worker_is_left_behind_because_the_machine_is_busy() -> None:
    strategy = learner(environment(interpreted=True), env_runners=2)
    rollouts = strategy._rollouts(ObservationScale(np.zeros(1, np.float32), np.ones(1, np.float32)), {})
    assert rollouts.config().sample_timeout_s >= 3_600.0
