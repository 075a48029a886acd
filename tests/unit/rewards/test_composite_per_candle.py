"""The composite reward when one action lasts several candles."""

from typing import Any

from small_worlds import candles_of, small_env
from tradeready_gym import CompositeReward


def _paid(**keywords: Any) -> float:
    reward = CompositeReward(sortino_weight=0.0, pnl_weight=0.0, activity_weight=1.0, drawdown_weight=0.0)
    env = small_env(candles_of([100.0] * 60), action_scheme="hold_buy_sell", reward_scheme=reward, **keywords)
    env.reset(seed=0)
    return float(env.step(1)[1])


def test_only_the_candle_with_the_fill_earns_the_activity_bonus() -> None:
    idle = [-min(steps / 50, 1.0) for steps in (1, 2)]
    assert _paid() == 1.0
    assert abs(_paid(steps_per_action=3) - (1.0 + sum(idle))) < 1e-12
