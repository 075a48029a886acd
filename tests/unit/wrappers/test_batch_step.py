"""BatchStepWrapper: one action, several candles."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from small_worlds import assert_same, candles_of, drawn, play, random_candles, small_env
from tradeready_gym.envs import check_trading_env
from tradeready_gym.errors import ConfigurationError, ResetNeeded
from tradeready_gym.rewards import CustomReward
from tradeready_gym.wrappers import BatchStepWrapper


def test_the_action_is_applied_once_and_the_candles_pass() -> None:
    env: Any = BatchStepWrapper(small_env(candles_of(np.linspace(100.0, 140.0, 40))), n_steps=5)
    env.reset(seed=0)

    info = env.step(1)[4]

    assert info["step"] == 5
    assert len(info["filled_orders"]) == 1
    assert info["position_value"] < 0.2 * info["equity"]


def test_a_batch_equals_the_action_and_then_waiting_with_the_rewards_summed() -> None:
    candles = random_candles(120)
    batched = BatchStepWrapper(small_env(candles, reward_scheme="sharpe", fee_rate=0.001), n_steps=4)
    single = small_env(candles, reward_scheme="sharpe", fee_rate=0.001)
    batched.reset(seed=0)
    single.reset(seed=0)

    for action in (1, 1, 0, 2, 1, 2):
        observation, reward, _, _, info = batched.step(action)
        steps = [single.step(action if candle == 0 else 0) for candle in range(4)]
        assert_same(observation, steps[-1][0])
        assert reward == pytest.approx(sum(step[1] for step in steps), abs=1e-12)
        assert info["equity"] == steps[-1][4]["equity"]
        assert [f["price"] for f in info["filled_orders"]] == [
            f["price"] for step in steps for f in step[4]["filled_orders"]
        ]


def test_an_episode_that_ends_within_a_batch_ends_there() -> None:
    env: Any = BatchStepWrapper(small_env(random_candles(20)), n_steps=5)

    outcomes = play(env, [1] * 10)

    assert [outcome[4]["step"] for outcome in outcomes[1:]] == [5, 10, 15, 18]
    assert outcomes[-1][2] is True


def test_wrappers_inside_each_other_multiply() -> None:
    env: Any = BatchStepWrapper(BatchStepWrapper(small_env(random_candles(60)), n_steps=2), n_steps=3)
    env.reset(seed=0)

    assert env.step(0)[4]["step"] == 6


def test_it_equals_the_parameter_steps_per_action() -> None:
    candles = random_candles(80)
    wrapped = BatchStepWrapper(small_env(candles), n_steps=7)
    built = small_env(candles, steps_per_action=7)

    assert_same(play(wrapped, [1, 0, 2, 1, 1]), play(built, [1, 0, 2, 1, 1]))


class EachCandle(CustomReward):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        self.asked += 1
        return 1.0

    def reset(self) -> None:
        self.asked = 0


def test_a_python_reward_is_paid_for_every_candle() -> None:
    env: Any = BatchStepWrapper(small_env(random_candles(60), reward_scheme=EachCandle()), n_steps=5)
    env.reset(seed=0)

    assert env.step(1)[1] == 5.0
    assert env.unwrapped.reward_scheme.asked == 5


def test_fills_of_resting_orders_within_the_batch_are_all_reported() -> None:
    from tradeready_gym.orders import Order

    close = 100.0 - np.arange(60.0)
    env: Any = BatchStepWrapper(small_env(candles_of(close)), n_steps=20)
    env.reset(seed=0)
    orders = [Order("BTCUSDT", "buy", 1.0, type="limit", price=90.5 - place) for place in range(12)]
    env.unwrapped.exchange.submit(orders)

    info = env.step(0)[4]

    assert [fill["price"] for fill in info["filled_orders"]] == [
        90.5 - place for place in range(len(info["filled_orders"]))
    ]
    assert len(info["filled_orders"]) >= 8


def test_setting_it_up_ends_the_episode_in_progress() -> None:
    env = small_env(random_candles(60))
    env.reset(seed=0)
    batched = BatchStepWrapper(env, n_steps=5)

    with pytest.raises(ResetNeeded):
        env.step(0)
    batched.reset(seed=0)
    batched.step(0)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
def test_both_checkers_accept_it() -> None:
    env: Any = BatchStepWrapper(small_env(random_candles(90, gaps=True), fee_rate=0.001, slippage="uniform"), n_steps=5)

    check_env(env, skip_render_check=True)
    check_trading_env(env)


def test_masks_and_actions_are_those_of_the_wrapped_environment() -> None:
    env: Any = BatchStepWrapper(small_env(random_candles(60)), n_steps=5)
    env.reset(seed=0)

    assert drawn(env, 20) == drawn(env.unwrapped, 20)
    assert env.unwrapped.action_masks().tolist() == [True, True, False]


@pytest.mark.parametrize("n_steps", [0, -1, 2.5, True, "5"])
def test_an_impossible_number_of_candles_is_refused(n_steps: Any) -> None:
    with pytest.raises(ConfigurationError, match="n_steps"):
        BatchStepWrapper(small_env(random_candles(60)), n_steps=n_steps)


def test_foreign_environments_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="CartPoleEnv"):
        BatchStepWrapper(gymnasium.make("CartPole-v1"), n_steps=5)
