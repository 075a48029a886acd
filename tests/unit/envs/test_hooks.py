"""The hooks of TradingEnvironment: called in order, and honoured when a subclass overrides one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from small_worlds import RAW, assert_same, play, random_candles
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.envs.trading import HOOKS
from tradeready_gym.errors import ResetNeeded
from tradeready_gym.rewards import CustomReward

USUAL: dict[str, Any] = {"lookback_window": 2, "interpreted": True, "feature_pipeline": RAW, "slippage": "uniform"}
ACTIONS = [1, 0, 2, 1, 1, 0, 2, 2, 0, 1] * 4


class Recording(TradingEnvironment):
    """Writes down which hook was called."""

    def __init__(self, **arguments: Any) -> None:
        self.called: list[str] = []
        super().__init__(**arguments)

    def _take_action(self, action: Any) -> None:
        self.called.append("_take_action")
        super()._take_action(action)

    def _next_observation(self) -> Any:
        self.called.append("_next_observation")
        return super()._next_observation()

    def _get_reward(self) -> float:
        self.called.append("_get_reward")
        return super()._get_reward()

    def _done(self) -> tuple[bool, bool]:
        self.called.append("_done")
        return super()._done()

    def _info(self) -> dict[str, Any]:
        self.called.append("_info")
        return super()._info()


def test_hooks_run_in_the_documented_order_once_a_step_and_those_of_what_is_seen_at_reset() -> None:
    env = Recording(data=random_candles(60), **USUAL)
    play(env, [1, 0, 2])

    assert env.called == ["_next_observation", "_info", *list(HOOKS) * 3]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"reward_scheme": "sharpe", "fee_rate": 0.01},
        {"reward_scheme": "composite", "steps_per_action": 3},
        {"flatten": False, "episode_length": 20},
        {"fill_at": "close", "max_volume_share": 0.0001},
    ],
)
def test_overriding_without_changing_changes_no_bit(arguments: dict[str, Any]) -> None:
    candles = random_candles(60, gaps=True)
    plain, hooked = (kind(data=candles, **USUAL, **arguments) for kind in (TradingEnvironment, Recording))

    for seed in (0, 1):
        assert_same(play(plain, ACTIONS, seed), play(hooked, ACTIONS, seed))


def test_an_overridden_action_is_what_is_done() -> None:
    class Contrarian(TradingEnvironment):
        def _take_action(self, action: Any) -> None:
            super()._take_action({0: 0, 1: 2, 2: 1}[int(action)])

    env, twin = Contrarian(data=random_candles(60), **USUAL), TradingEnvironment(data=random_candles(60), **USUAL)

    assert_same(play(env, [2, 0, 1]), play(twin, [1, 0, 2]))


def test_an_observation_that_asks_nothing_of_ours_leaves_the_infos_true() -> None:
    class Elsewhere(TradingEnvironment):
        def _next_observation(self) -> Any:
            return np.zeros(self.observation_space.shape, np.float32)

    data = random_candles(900)
    actions = [1, 2] * 420
    blind, plain = (play(kind(data=data, **USUAL), actions) for kind in (Elsewhere, TradingEnvironment))

    assert [outcome[1:] for outcome in blind[1:]] == [outcome[1:] for outcome in plain[1:]]
    assert sum(len(outcome[-1]["filled_orders"]) for outcome in blind[1:]) > 700


def test_an_overridden_observation_is_returned() -> None:
    class Blind(TradingEnvironment):
        def _next_observation(self) -> Any:
            return np.zeros_like(super()._next_observation())

    outcomes = play(Blind(data=random_candles(60), **USUAL), [1, 0])

    assert not any(outcome[0].any() for outcome in outcomes)


def test_an_overridden_reward_is_returned_and_may_use_the_compiled_one() -> None:
    class Doubled(TradingEnvironment):
        def _get_reward(self) -> float:
            return 2.0 * super()._get_reward()

    doubled, plain = (play(kind(data=random_candles(60), **USUAL), ACTIONS) for kind in (Doubled, TradingEnvironment))

    assert [outcome[1] for outcome in doubled[1:]] == [2.0 * outcome[1] for outcome in plain[1:]]


def test_an_overridden_end_ends_the_episode() -> None:
    class ThreeSteps(TradingEnvironment):
        def _done(self) -> tuple[bool, bool]:
            terminated, truncated = super()._done()
            return terminated, truncated or self.engine.state.accounts[0].steps >= 3

    outcomes = play(ThreeSteps(data=random_candles(60), **USUAL), ACTIONS)

    assert len(outcomes) == 4
    assert outcomes[-1][3] is True
    assert "episode_metrics" in outcomes[-1][4]


def test_a_prolonged_end_cannot_step_past_the_data() -> None:
    class GoesOn(TradingEnvironment):
        def _done(self) -> tuple[bool, bool]:
            return False, False

    env = GoesOn(data=random_candles(20), **{**USUAL, "slippage": "none"})
    with pytest.raises(RuntimeError):
        play(env, [1] * 40)
        for _ in range(40):
            env.step(1)
    assert env.exchange.net_worth > 0.0


def test_an_overridden_info_is_returned_after_the_reward_has_seen_the_plain_one() -> None:
    class Chatty(TradingEnvironment):
        def _info(self) -> dict[str, Any]:
            return {**super()._info(), "mood": "calm"}

    outcomes = play(Chatty(data=random_candles(60), **USUAL), [1, 0])

    assert outcomes[0][1]["mood"] == outcomes[1][4]["mood"] == "calm"
    assert list(outcomes[1][4]) == list(outcomes[0][1])


def test_an_episode_that_a_reward_broke_off_has_to_begin_anew() -> None:
    class Failing(CustomReward):
        def compute(self, prev_equity: float, curr_equity: float, info: Mapping[str, Any]) -> float:
            if info["step"] == 2:
                raise RuntimeError("no more")
            return 0.0

    env = TradingEnvironment(data=random_candles(60), **USUAL | {"reward_scheme": Failing()})
    env.reset(seed=0)
    env.step(1)
    with pytest.raises(RuntimeError, match="no more"):
        env.step(1)
    with pytest.raises(ResetNeeded):
        env.step(1)
    env.reset()
    assert env.step(1)[4]["step"] == 1
