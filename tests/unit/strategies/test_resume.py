"""What was interrupted goes on exactly as it would have."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from small_worlds import trend_env
from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import Checkpoints, StableBaselinesTradingStrategy, TrainingCallback

SMALL: dict[str, dict[str, Any]] = {
    "PPO": {"n_steps": 16, "policy_kwargs": {"net_arch": [16]}},
    "A2C": {"n_steps": 8, "policy_kwargs": {"net_arch": [16]}},
    "RecurrentPPO": {"n_steps": 16, "policy_kwargs": {"lstm_hidden_size": 8}},
    "MaskablePPO": {"n_steps": 16, "policy_kwargs": {"net_arch": [16]}},
    "SAC": {"buffer_size": 500, "learning_starts": 40, "batch_size": 16, "policy_kwargs": {"net_arch": [16]}},
    "TD3": {"buffer_size": 500, "learning_starts": 40, "batch_size": 16, "policy_kwargs": {"net_arch": [16]}},
}


def market(model: str = "PPO", **changes: Any) -> Any:
    scheme = "continuous" if model in ("SAC", "TD3") else "hold_buy_sell"
    # short windows, uneven with the rollouts: accounts stand in the middle of episodes where training is cut
    settings = {"action_scheme": scheme, "interpreted": False, "episode_length": 37, "fee_rate": 0.001}
    return trend_env(**(settings | changes))


def learner(model: str = "PPO", environment: Any = None, **changes: Any) -> StableBaselinesTradingStrategy:
    settings: dict[str, Any] = {"num_envs": 4, "track_training": False, "seed": 3}
    kwargs = SMALL.get(model, {}) | changes.pop("model_kwargs", {})
    return StableBaselinesTradingStrategy(
        environment or market(model), model, model_kwargs=kwargs, **(settings | changes)
    )


def weights(strategy: StableBaselinesTradingStrategy) -> torch.Tensor:
    tensors = [value for value in strategy.model.policy.state_dict().values() if value.is_floating_point()]
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


@pytest.mark.parametrize("model", SMALL)
def test_training_twice_with_save_and_load_between_is_training_once(model: str, tmp_path: Path) -> None:
    whole = learner(model)
    whole.train(256)
    part = learner(model)
    part.train(128)
    first = weights(part)
    folder = part.save(tmp_path, replay=True)
    loaded = StableBaselinesTradingStrategy.load(folder, market(model))
    torch.rand(7)  # what others draw meanwhile does not matter
    loaded.train(128)
    part.train(128)
    assert loaded.trained_steps == whole.trained_steps == 256
    assert torch.equal(weights(loaded), weights(whole))
    assert torch.equal(weights(part), weights(whole))
    assert not torch.equal(first, weights(whole))


@pytest.mark.parametrize("planted", ["environment", "returns", "generators"])
def test_the_comparison_above_would_see_a_state_that_was_not_restored(planted: str, tmp_path: Path) -> None:
    whole, part = learner(), learner()
    whole.train(256)
    part.train(128)
    loaded = StableBaselinesTradingStrategy.load(part.save(tmp_path), market())
    state = loaded._state
    assert state is not None
    if planted == "environment":
        state._values["environment"]["arrays"]["accounts"]["episode"] += 1
    elif planted == "returns":
        state._values["returns"] = state._values["returns"] + 0.1
    else:
        state._values["generators"] = {**state._values["generators"], "torch": torch.get_rng_state().numpy()}
    loaded.train(128)
    assert not torch.equal(weights(loaded), weights(whole))


def test_an_interrupted_training_is_resumed_from_its_checkpoint_in_another_process(tmp_path: Path) -> None:
    # DQN explores less and less until its last step: only resume() knows which one that is
    kwargs = {"buffer_size": 500, "learning_starts": 40, "policy_kwargs": {"net_arch": [16]}}
    whole = learner("DQN", model_kwargs=kwargs)
    whole.train(400)

    class Crash(TrainingCallback):
        def on_rollout(self, strategy: Any) -> bool | None:
            if strategy.trained_steps >= 300:
                raise KeyboardInterrupt
            return None

    with pytest.raises(KeyboardInterrupt):
        learner("DQN", model_kwargs=kwargs).train(400, callbacks=[Checkpoints(tmp_path, 100), Crash()])
    latest = Checkpoints.latest(tmp_path)
    assert latest.name == "step-000000000300"
    program = f"""
import json, sys
from small_worlds import trend_env
from tradeready_gym.strategies import StableBaselinesTradingStrategy
market = trend_env(action_scheme="hold_buy_sell", interpreted=False, episode_length=37, fee_rate=0.001)
strategy = StableBaselinesTradingStrategy.load({str(latest)!r}, market)
strategy.track_training = False
strategy.resume()
strategy.save({str(tmp_path / "ended")!r})
"""
    path = [*sys.path, str(Path(__file__).parents[2])]
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}\n{program}"], check=True, capture_output=True
    )
    ended = StableBaselinesTradingStrategy.load(tmp_path / "ended")
    assert ended.trained_steps == 400
    assert torch.equal(weights(ended), weights(whole))
    assert ended.model.exploration_rate == whole.model.exploration_rate


def test_resume_is_refused_by_what_is_missing_or_different(tmp_path: Path) -> None:
    strategy = learner("SAC")
    strategy.train(80)
    folder = strategy.save(tmp_path / "small")
    assert not (folder / "replay.npz").exists()
    with pytest.raises(ConfigurationError, match=r"lacks its replay buffer, which save\(path, replay=True\)"):
        StableBaselinesTradingStrategy.load(folder, market("SAC")).resume()
    ppo = learner()
    ppo.train(64)
    folder = ppo.save(tmp_path / "ppo")
    loaded = StableBaselinesTradingStrategy.load(folder, market(fee_rate=0.002))
    loaded._state._values["aim"] = 128  # type: ignore[union-attr]
    with pytest.raises(ConfigurationError, match=r"fee_rate was 0\.001, is 0\.002.*train\(steps\)"):
        loaded.resume()
    for name, other in (
        ("fees", {"fee_rate": {"rate": 0.001, "per_trade": 1.0}}),
        ("max_volume_share", {"max_volume_share": 0.1}),
        ("max_loss", {"max_loss": 0.5}),
    ):
        loaded.environment = market(**other)
        with pytest.raises(ConfigurationError, match=rf"in the environment .*\b{name} was .*, is "):
            loaded.resume()
    loaded.environment = market(data=trend(bars=300, seed=9))
    with pytest.raises(ConfigurationError, match=r"candles was .*, is "):
        loaded.resume()


def test_a_training_that_had_ended_has_nothing_to_resume(tmp_path: Path) -> None:
    strategy = learner()
    strategy.train(64)
    loaded = StableBaselinesTradingStrategy.load(strategy.save(tmp_path), market())
    loaded.resume()
    assert loaded.trained_steps == 64


def test_training_goes_on_elsewhere_with_new_episodes_and_the_same_numbers_every_time() -> None:
    found = []
    for draws in (0, 5):
        strategy = learner()
        strategy.train(64)
        strategy.environment = market(data=trend(bars=300, seed=9))
        torch.rand(draws)
        strategy.train(64)
        found.append(weights(strategy))
    assert torch.equal(*found)


def test_training_leaves_the_global_generators_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    numbers = np.random.get_state(legacy=False)["state"]["key"].tolist()
    torch.manual_seed(5)
    strategy = learner()
    strategy.train(64)
    StableBaselinesTradingStrategy.load(strategy.save(tmp_path))
    assert torch.equal(torch.rand(3), expected)
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == numbers


def test_evaluating_between_changes_nothing_of_the_training() -> None:
    whole, watched = learner("RecurrentPPO"), learner("RecurrentPPO")
    whole.train(128)
    watched.train(64)
    watched.evaluate(steps=20)
    watched.train(64)
    assert torch.equal(weights(watched), weights(whole))


def test_a_damaged_training_state_is_refused_by_its_file(tmp_path: Path) -> None:
    strategy = learner()
    strategy.train(64)
    folder = strategy.save(tmp_path)
    (folder / "training.pickle").write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"training\.pickle is damaged"):
        StableBaselinesTradingStrategy.load(folder)


def test_the_bundle_says_which_candles_and_how_rewards_are_scaled(tmp_path: Path) -> None:
    environment = market()
    strategy = learner(environment=environment)
    strategy.train(64)
    card = json.loads((strategy.save(tmp_path) / "strategy.json").read_text())
    candles = environment.engine.market.candles
    assert card["data"][0]["fingerprint"] == candles.fingerprint
    assert card["data"][0]["anchor"] == "2021-01-01T00:00:00Z"
    assert card["normaliser"]["count"] == pytest.approx(64, abs=1)
    assert card["seeds"] == {"strategy": 3}
    assert StableBaselinesTradingStrategy.load(tmp_path).feature_pipeline == environment.feature_pipeline
