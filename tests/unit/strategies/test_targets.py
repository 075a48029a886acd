"""Whatever the scheme, a rule's target is what the account ends up with."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym import HoldBuySell, TargetPosition
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.market.worlds import martingale
from tradeready_gym.strategies import Situation
from tradeready_gym.strategies.targets import actions_towards


def weight_after(scheme: Any, targets: list[float]) -> float:
    """The share of the equity held after deciding towards each target in turn."""
    vector = TradingVectorEnvironment(
        data=martingale(bars=100, noise=1e-6),
        action_scheme=scheme,
        feature_pipeline=["returns"],
        lookback_window=2,
        slippage="none",
        fee_rate=0.0,
        num_envs=1,
        autoreset_mode="SAME_STEP",
        interpreted=True,
    )
    observations, _ = vector.reset(seed=0)
    for target in targets:
        situation = Situation(observations, vector.engine)
        observations, *_ = vector.step(actions_towards(np.array([[target]]), situation))
    return float(Situation(observations, vector.engine).weights[0, 0])


@pytest.mark.parametrize(
    ("scheme", "precision"), [("continuous", 0.006), ("portfolio", 0.011), (TargetPosition((0.0, 0.35, 1.0)), 0.011)]
)
def test_a_part_of_the_equity_is_reached_from_below_and_from_above(scheme: Any, precision: float) -> None:
    assert weight_after(scheme, [0.35] * 15) == pytest.approx(0.35, abs=precision)
    assert weight_after(scheme, [1.0] * 15 + [0.35] * 15) == pytest.approx(0.35, abs=precision)


def test_hold_buy_sell_buys_to_within_half_an_order_and_sells_only_everything() -> None:
    assert weight_after(HoldBuySell(0.1), [0.35] * 15) == pytest.approx(0.35, abs=0.051)
    assert weight_after(HoldBuySell(0.1), [1.0] * 15 + [0.35] * 5) == pytest.approx(1.0)
    assert weight_after(HoldBuySell(0.1), [1.0] * 15 + [0.0]) == 0.0


@pytest.mark.parametrize("scheme", ["continuous", "portfolio", "target_position", "hold_buy_sell"])
def test_without_a_target_what_is_held_is_left_alone(scheme: str) -> None:
    before = weight_after(scheme, [1.0] * 4)
    assert before > 0.3
    assert weight_after(scheme, [1.0] * 4 + [np.nan] * 3) == pytest.approx(before, abs=1e-5)
