"""Every algorithm by its name trains, plays, and comes back the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import trend_env
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.strategies import StableBaselinesTradingStrategy
from tradeready_gym.strategies.algorithms import ALGORITHMS, find_algorithm, with_defaults

DISCRETE = ("A2C", "DQN", "MaskablePPO", "PPO", "QRDQN", "RecurrentPPO")
CONTINUOUS = ("DDPG", "SAC", "TD3")
SMALL: dict[str, dict[str, Any]] = {
    "RecurrentPPO": {"n_steps": 16, "policy_kwargs": {"lstm_hidden_size": 16}},
    "MaskablePPO": {"n_steps": 16},
    "PPO": {"n_steps": 16},
    "DQN": {"buffer_size": 2_000, "learning_starts": 40},
    "QRDQN": {"buffer_size": 2_000, "learning_starts": 40},
    **{name: {"buffer_size": 2_000, "learning_starts": 40, "batch_size": 32} for name in CONTINUOUS},
}


def environment(model: str, **changes: Any) -> TradingEnvironment:
    scheme = "continuous" if model in CONTINUOUS else "hold_buy_sell"
    return trend_env(**({"action_scheme": scheme, "interpreted": False, "fee_rate": 0.0} | changes))


def learner(model: str, market: Any, **changes: Any) -> StableBaselinesTradingStrategy:
    settings: dict[str, Any] = {"num_envs": 4, "track_training": False, "model_kwargs": SMALL.get(model, {})}
    return StableBaselinesTradingStrategy(market, model, **(settings | changes))


@pytest.mark.parametrize("model", ALGORITHMS)
def test_it_trains_plays_and_comes_back_the_same(model: str, tmp_path: Path) -> None:
    market = environment(model)
    strategy = learner(model, market)
    before = None
    strategy.train(128)
    before = [p.detach().clone() for p in strategy.model.policy.parameters()]
    strategy.train(64)
    assert strategy.name == f"{model}, seed 0"
    assert any(
        not np.array_equal(p, q.detach()) for p, q in zip(before, strategy.model.policy.parameters(), strict=True)
    )
    played = strategy.evaluate(steps=60).episodes[0]
    again = StableBaselinesTradingStrategy.load(strategy.save(tmp_path), market)
    assert again.trained_steps == strategy.trained_steps >= 192
    assert played.action is not None
    replayed = again.evaluate(steps=60).episodes[0]
    assert replayed.action is not None
    assert played.action.tobytes() == replayed.action.tobytes()


@pytest.mark.parametrize("model", ALGORITHMS)
@pytest.mark.parametrize("scheme", ["discrete", "per_asset_discrete", "continuous"])
def test_actions_that_it_cannot_learn_are_named_before_anything_is_trained(model: str, scheme: str) -> None:
    market = environment(model, action_scheme=scheme, interpreted=True)
    algorithm = find_algorithm(model)
    refused = False
    try:  # Stable-Baselines3's own word on it
        algorithm("MlpLstmPolicy" if model == "RecurrentPPO" else "MlpPolicy", market, device="cpu")
    except AssertionError as error:
        refused = "only supports" in str(error)
    if refused:
        with pytest.raises(
            ConfigurationError, match=rf"{model} takes the actions of a .*Take another action scheme, or"
        ):
            learner(model, market)
    else:
        assert learner(model, market).trained_steps == 0


def test_every_algorithm_is_found_by_its_name_in_any_case() -> None:
    assert set(ALGORITHMS) == {*DISCRETE, *CONTINUOUS}
    for name in ALGORITHMS:
        assert find_algorithm(name.lower()).__name__ == name
    assert find_algorithm("recurrent_ppo").__name__ == "RecurrentPPO"
    with pytest.raises(UnknownName, match="Did you mean 'QRDQN'"):
        find_algorithm("QRDQNN")


def test_without_sb3_contrib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "sb3_contrib" else object())
    with pytest.raises(ConfigurationError, match=r"MaskablePPO needs sb3-contrib.*tradeready-gym\[sb3\]"):
        find_algorithm("MaskablePPO")
    assert find_algorithm("PPO").__name__ == "PPO"


@pytest.mark.parametrize("model", [*CONTINUOUS, "DQN", "QRDQN"])
@pytest.mark.parametrize("num_envs", [1, 2, 16])
def test_gradient_steps_per_transition_are_those_of_one_environment(model: str, num_envs: int) -> None:
    import inspect

    arguments = with_defaults(find_algorithm(model), num_envs, {}, 1)
    alone = inspect.signature(find_algorithm(model).__init__).parameters
    per_transition = arguments["gradient_steps"] / (arguments["train_freq"] * num_envs)
    assert per_transition == alone["gradient_steps"].default / alone["train_freq"].default


def test_what_the_user_gives_goes_before_our_defaults() -> None:
    given = {"gradient_steps": 3, "action_noise": None, "device": "meta"}
    arguments = with_defaults(find_algorithm("TD3"), 16, given, 1)
    assert arguments == given
    assert with_defaults(find_algorithm("TD3"), 16, {}, 2)["action_noise"]().shape == (2,)


def test_a_masked_policy_never_chooses_what_can_do_nothing() -> None:
    market = environment("MaskablePPO", fee_rate=0.001)
    strategy = learner("MaskablePPO", market)
    strategy.train(64)
    rollout = strategy.model.rollout_buffer
    taken = rollout.actions.reshape(-1).astype(int)
    allowed = rollout.action_masks.reshape(len(taken), -1)
    assert allowed[np.arange(len(taken)), taken].all()
    assert not allowed.all()  # else the line above says nothing
    masks: list[Any] = []
    _, weights = market.reset(seed=0), strategy.model.policy.action_net
    weights.bias.data[:] = weights.bias.new_tensor([-9.0, 0.0, 9.0])  # would sell whatever it owns
    decide = strategy.decide

    def watched(situation: Any) -> Any:
        masks.append(situation.action_masks)
        return decide(situation)

    strategy.decide = watched  # type: ignore[method-assign]
    actions = strategy.evaluate(steps=40).episodes[0].action
    assert actions is not None
    chosen = actions[1:].astype(int)
    assert np.concatenate(masks)[np.arange(40), chosen].all()
    assert (chosen == 1).any()
    assert (chosen == 2).any()


def test_several_assets_are_masked_by_sum_of_choices() -> None:
    market = trend_env(action_scheme="per_asset_discrete", interpreted=False)
    strategy = learner("MaskablePPO", market)
    strategy.train(64)
    space = strategy.model.action_space
    assert isinstance(space, spaces.MultiDiscrete)
    assert strategy.model.rollout_buffer.action_masks.shape[-1] == space.nvec.sum()


def test_a_recurrent_policy_remembers_within_an_episode_and_forgets_between_them() -> None:
    market = environment("RecurrentPPO")
    strategy = learner("RecurrentPPO", market)
    strategy.train(64)
    first, second = strategy.evaluate(steps=50), strategy.evaluate(steps=50)
    by_hand = environment("RecurrentPPO")
    observation, info = by_hand.reset(seed=0)
    state, equity, hidden = None, [info["equity"]], []
    for step in range(50):
        action, state = strategy.model.predict(observation, state, np.array([step == 0]), deterministic=True)
        observation, _, _, _, info = by_hand.step(int(action))
        equity.append(info["equity"])
        hidden.append(state[0].copy())
    assert first.episodes[0].net_worth.tolist() == equity
    assert second.episodes[0].net_worth.tolist() == equity
    assert np.abs(strategy._memory[0] - hidden[-1]).max() < 1e-6
    forgotten = strategy.model.predict(observation, None, np.array([True]), deterministic=True)[1][0]
    assert np.abs(forgotten - strategy.model.predict(observation, state, np.array([False]))[1][0]).max() > 1e-4


def test_a_recurrent_policy_forgets_an_account_that_began_anew_within_the_vector_environment() -> None:
    from tradeready_gym.strategies.native import vectorise
    from tradeready_gym.strategies.situation import Situation

    market = environment("RecurrentPPO", episode_length=10)
    strategy = learner("RecurrentPPO", market)
    strategy.train(64)
    played = vectorise(market, 2)
    observations, _ = played.reset(seed=0)
    for _ in range(10):
        observations, *_ = played.step(strategy.decide(Situation(observations, played.engine)))
    situation = Situation(observations, played.engine)
    assert situation.starts.all()
    strategy.decide(situation)
    fresh = strategy.model.predict(observations, None, np.ones(2, np.bool_), deterministic=True)[1]
    assert np.allclose(strategy._memory[0], fresh[0])
