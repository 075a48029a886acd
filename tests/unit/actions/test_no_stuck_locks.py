"""Random policies: buys and sells both occur, nothing is refused for want of money, and no lock stays stuck."""

from typing import Any

import numpy as np
import pytest

from small_worlds import candles_of, drawn, small_env
from tradeready_gym.actions import (
    ContinuousActions,
    DiscreteActions,
    ManagedRiskOrders,
    MultiDiscreteActions,
    PerAssetDiscrete,
    SimpleOrders,
    TargetWeights,
    simple_orders,
    trade_table,
)
from tradeready_gym.market import Candles

TWO = ("AAAUSDT", "BBBUSDT")


def jumpy(symbols: Any, bars: int = 220) -> Candles:
    """A random walk that opens up to some per cent away from its last close, so that limits rest."""
    random = np.random.default_rng(5)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, (len(symbols), bars)), axis=1))
    opening = np.roll(close, 1, axis=1) * np.exp(random.normal(0.0, 0.015, close.shape))
    opening[:, 0] = close[:, 0]
    return candles_of(close, open=opening, symbols=symbols, wick=0.002, volume=np.full(close.shape, 1e6))


# scheme, symbols, the actions that buy and then sell everything of each symbol
POLICIES: list[tuple[Any, Any, list[Any]]] = [
    (DiscreteActions(max_allowed_slippage_percent=0.0), TWO[:1], [17, 19]),
    (MultiDiscreteActions(), TWO, [7, 27, 19, 39]),
    (PerAssetDiscrete(), TWO, [[17, 17], [19, 19]]),
    (ContinuousActions(max_allowed_slippage_percent=0.0), TWO[:1], [[0.5, 1.0], [1.0, 1.0]]),
    (SimpleOrders(), TWO[:1], [7, 8]),
    (SimpleOrders(), TWO, [3, 31, 8, 32]),
    (ManagedRiskOrders(), TWO[:1], [10, 91]),
    ("parametric", TWO[:1], [[1.0, 1.0], [-1.0, 1.0]]),
    (TargetWeights(), TWO, [[0.5, 0.5], [0.0, 0.0]]),
]


def play_and_get_out(scheme: Any, symbols: Any, way_out: list[Any]) -> None:
    """150 random actions, and then those that buy and sell everything."""
    env = small_env(jumpy(symbols), action_scheme=scheme, fee_rate=0.001, slippage="volume_share", starting_balance=1e6)
    env.reset(seed=0)
    sides: list[str] = []
    rested = 0
    for action in drawn(env, 150):
        info = env.step(action)[4]
        sides += [fill["side"] for fill in info["filled_orders"]]
        rested += len(env.exchange.open_orders) > 0
        assert {reject["reason"] for reject in info["rejected_orders"]} <= {"min_notional"}
        money = info["available_cash"], info["locked_cash"], info["position_value"]
        assert min(money) >= 0.0
        assert info["equity"] == pytest.approx(sum(money), rel=1e-12)

    assert sides.count("buy") > 10
    assert sides.count("sell") > 10
    assert rested > 0 or not env.action_scheme.rests
    for action in way_out:
        info = env.step(np.array(action))[4]
    assert info["position_value"] == 0.0
    assert info["locked_cash"] == 0.0
    assert env.exchange.open_orders == []
    assert info["available_cash"] == info["equity"]


@pytest.mark.parametrize(("scheme", "symbols", "way_out"), POLICIES)
def test_a_random_policy_buys_sells_and_gets_out(scheme: Any, symbols: Any, way_out: list[Any]) -> None:
    play_and_get_out(scheme, symbols, way_out)


@pytest.mark.parametrize(("scheme", "symbols", "way_out"), [POLICIES[0], POLICIES[3], POLICIES[4]])
def test_a_scheme_that_never_cancels_is_caught(
    scheme: Any, symbols: Any, way_out: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (trade_table, simple_orders):
        monkeypatch.setattr(module, "cancel_resting", lambda *_: None)

    # without it a second sell finds its holding locked, and cash stays locked at the end
    with pytest.raises(AssertionError, match="invalid_quantity|== 0.0"):
        play_and_get_out(scheme, symbols, way_out)
