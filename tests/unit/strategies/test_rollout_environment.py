"""What RLlib's workers play: the numbers of the environment, scaled, from seeds that no other worker has."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import RLlibTradingStrategy
from tradeready_gym.strategies.rollout_environment import ObservationScale, RolloutEnvironment

GAMMA = 0.9
SCALE = ObservationScale(np.array([0.0, 0.0, 0.5], np.float32), np.array([0.01, 0.01, 0.5], np.float32))


def vector(num_envs: int = 3, **arguments: Any) -> TradingVectorEnvironment:
    settings: dict[str, Any] = {
        "data": trend(bars=300, seed=0),
        "action_scheme": "target_position",
        "reward_scheme": "log_return",
        "feature_pipeline": ["returns", "position"],
        "lookback_window": 2,
        "episode_length": 5,
        "episode_end": "gymnasium",
        "interpreted": True,
    }
    return TradingVectorEnvironment(num_envs=num_envs, **(settings | arguments))


def rollout(**arguments: Any) -> RolloutEnvironment:
    return RolloutEnvironment(vector(), SCALE, GAMMA, **arguments)


def actions(step: int) -> np.ndarray[Any, Any]:
    return np.array([step % 2, 1, 0])


def test_observations_are_those_of_the_environment_scaled_and_clipped() -> None:
    scaled, plain = rollout(first_seed=7), vector()
    seen, _ = scaled.reset(seed=0)
    raw, _ = plain.reset(seed=7)
    assert np.array_equal(seen, np.clip((raw - SCALE.offset) / SCALE.scale, -10, 10))
    assert scaled.single_observation_space.contains(seen[0])
    for step in range(6):
        seen = scaled.step(actions(step))[0]
        raw = plain.step(actions(step))[0]
        assert np.array_equal(seen, np.clip((raw - SCALE.offset) / SCALE.scale, -10, 10))
    assert ObservationScale(np.zeros(1, np.float32), np.full(1, 1e-3, np.float32))(np.array([[1.0]]))[0, 0] == 10.0


def test_rewards_are_divided_by_the_deviation_of_their_discounted_sums_within_an_episode() -> None:
    scaled, plain = rollout(), vector()
    scaled.reset(seed=0)
    plain.reset(seed=0)
    sums, history, over = np.zeros(3), [], np.zeros(3, np.bool_)
    for step in range(14):
        paid = scaled.step(actions(step))[1]
        _, raw, terminated, truncated, _ = plain.step(actions(step))
        sums = np.where(over, 0.0, sums * GAMMA + raw)
        history += sums[~over].tolist()
        over = terminated | truncated
        assert paid == pytest.approx(np.clip(raw / np.sqrt(np.var(history) + 1e-8), -10, 10))
    assert scaled.take_report().returns["count"] == len(history)


def test_a_report_counts_the_steps_that_were_played_and_not_those_that_only_began_an_episode() -> None:
    scaled = rollout(first_seed=10)
    scaled.reset(seed=0)
    for step in range(6):
        scaled.step(actions(step))
    report, again = scaled.take_report(), scaled.take_report()
    assert (report.steps, report.seeds, report.metrics["length"]) == (15, [10, 11, 12], [5, 5, 5])
    assert (again.steps, again.seeds, again.metrics) == (0, [], {})


def test_workers_have_seeds_of_their_own_and_go_on_from_their_own_statistics() -> None:
    scaled = rollout(first_seed=10)
    scaled.reset(seed=0)
    scaled.step(actions(0))
    kept = scaled.take_report().returns
    second = rollout(first_seed=10, returns=[{"shape": [], "count": 0, "mean": [0.0], "squares": [0.0]}, kept])
    second.take_place(2)
    second.reset(seed=0)
    assert second.environment.engine.state.accounts["seed"].tolist() == [13, 14, 15]
    assert second.take_report().returns == kept


@pytest.mark.parametrize("change", [{"autoreset_mode": "SAME_STEP"}, {"episode_end": "documented"}])
def test_an_environment_that_would_mislead_the_learner_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="RLlib needs autoreset_mode='NEXT_STEP'"):
        RolloutEnvironment(vector(**change), SCALE, GAMMA)


def test_without_the_extra_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ConfigurationError, match=r"ray and torch is not installed: pip install 'tradeready-gym\[rllib\]'"
    ):
        RLlibTradingStrategy()
