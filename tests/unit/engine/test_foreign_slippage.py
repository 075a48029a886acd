"""A compiled slippage model of somebody else is bounded in every step, as one in plain Python is."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from foreign_slippage import Compiled
from small_worlds import random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError, ResetNeeded
from tradeready_gym.exchanges import CustomSlippage, SlippageModel


@dataclass(frozen=True)
class Plain(CustomSlippage):
    said: float
    # so that it begins where the other does
    uses_last_day = False
    uses_volatility = False

    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return self.said


def env_of(model: SlippageModel, **more: Any) -> TradingEnvironment:
    return TradingEnvironment(data=random_candles(60), slippage=model, lookback_window=2, **more)


@pytest.mark.parametrize("account", ["spot", "margin"])
@pytest.mark.parametrize("said", [-0.5, 0.05, 1.5])
def test_every_step_fills_at_the_bounded_price(said: float, account: str) -> None:
    prices = []
    for env in (
        env_of(Compiled(said), account=account),
        env_of(Compiled(said), account=account, interpreted=True),
        env_of(Plain(said), account=account),
    ):
        env.reset(seed=0)
        prices.append(env.step(1)[4]["filled_orders"][0]["price"])
    vector = TradingVectorEnvironment(
        data=random_candles(60), slippage=Compiled(said), lookback_window=2, num_envs=3, account=account
    )
    vector.reset(seed=0)
    prices += vector.step(np.ones(3, np.int64))[4]["filled_orders"]["price"].tolist()
    assert len(set(prices)) == 1
    row = int(env.engine.state.accounts["row"][0]) - 1
    assert prices[0] == pytest.approx(env.engine.rows["open"][row, 0] * (1.0 + min(max(said, 0.0), 0.1)))


@pytest.mark.parametrize(("num_envs", "num_threads"), [(1, 1), (3, 1), (3, 2)])
def test_a_kernel_that_says_nan_is_refused_by_name_and_the_episode_is_over(num_envs: int, num_threads: int) -> None:
    env: Any = env_of(Compiled(math.nan))
    if num_envs > 1:
        settings: dict[str, Any] = {"data": random_candles(60), "slippage": Compiled(math.nan), "lookback_window": 2}
        env = TradingVectorEnvironment(**settings, num_envs=num_envs, num_threads=num_threads)
    action = 1 if num_envs == 1 else np.ones(num_envs, np.int64)
    for _ in range(2):
        env.reset(seed=0)
        with pytest.raises(ConfigurationError, match="the kernel _first_of_two returned NaN or an infinity"):
            env.step(action)
        with pytest.raises(ResetNeeded):
            env.step(action)
