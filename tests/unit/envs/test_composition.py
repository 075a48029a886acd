"""An environment is put together from objects or from names, and offline."""

from typing import Any

import pytest

from small_worlds import assert_same, play, random_candles
from tradeready_gym.actions import DiscreteActions
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import UnknownName
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.rewards import SimpleProfit


def test_names_of_the_old_library_and_objects_make_the_same_environment() -> None:
    candles = random_candles(60)
    named = TradingEnvironment(
        "simulated", "discrete", "simple", ["returns"], data=candles, lookback_window=3, interpreted=True
    )
    parts = (SimulatedExchange(candles), DiscreteActions(), SimpleProfit(), FeaturePipeline(["returns"]))
    built = TradingEnvironment(*parts, lookback_window=3, interpreted=True)
    actions = [7, 0, 19, 11, 3, 14] * 4

    assert_same(play(named, actions), play(built, actions))


def test_the_pipeline_may_be_left_out() -> None:
    env = TradingEnvironment(SimulatedExchange(random_candles(60)), lookback_window=3, interpreted=True)

    assert env.observation_space.contains(env.reset(seed=0)[0])


@pytest.mark.parametrize(
    ("part", "known"), [("exchange", "simulated"), ("action_scheme", "discrete"), ("reward_scheme", "simple_profit")]
)
def test_an_unknown_name_lists_the_known_ones(part: str, known: str) -> None:
    parts: dict[str, Any] = {part: "moon"}

    with pytest.raises(UnknownName, match=f"known: .*{known}"):
        TradingEnvironment(data=random_candles(60), **parts)


def test_an_argument_that_nobody_takes_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="exchnage"):
        TradingEnvironment(exchnage="simulated")
