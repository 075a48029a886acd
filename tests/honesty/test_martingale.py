"""In a fair game nobody earns: not by any policy, not with any order.

The statistic of a policy is z = sum(r) / sqrt(sum(r^2)) over the returns r of its steps. In a martingale these are martingale
differences, so z is standard normal for a policy that cannot see the future (P. Hall, C. Heyde: Martingale Limit Theory, 1980).
A policy fails beyond |z| = 3.3, which happens to an honest one in one of a thousand seeds; seeds are fixed.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tradeready_gym.actions import HoldBuySell
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.exchanges import VolumeShareSlippage
from tradeready_gym.market.worlds import halt, martingale, trend
from tradeready_gym.orders import Order

LEVEL = 3.3
BARS = 6_000
SEEDS = (0, 1, 2)
# the default model with nothing to charge, so that no other function has to be compiled
FREE = VolumeShareSlippage(factor=0.0, minimum=0.0, maximum=0.0)
HOLD, BUY, SELL = 0, 1, 2
Policy = Callable[[Any, Any, np.random.Generator], int]


def make(candles: Any, **arguments: Any) -> TradingEnvironment:
    """Everything or nothing, seen through the log returns of the last 20 closes."""
    return TradingEnvironment(
        data=candles,
        action_scheme=HoldBuySell(position_size=1.0),
        slippage=arguments.pop("slippage", FREE),
        feature_pipeline=["returns", "position", "unrealized_pnl"],
        lookback_window=20,
        **{"fee_rate": 0.0, **arguments},
    )


def returns_of(env: TradingEnvironment, policy: Policy, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return and fee of every step, as shares of the equity before it."""
    random = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    returns, fees = [], []
    done = False
    while not done:
        equity, paid = info["equity"], info["fees_paid"]
        observation, _, terminated, truncated, info = env.step(policy(observation, info, random))
        returns.append(info["equity"] / equity - 1.0)
        fees.append((info["fees_paid"] - paid) / equity)
        done = terminated or truncated
    return np.array(returns), np.array(fees)


def statistic(returns: np.ndarray) -> float:
    return float(returns.sum() / math.sqrt((returns**2).sum()))


def follow(observation: Any, info: Any, random: Any) -> int:
    return BUY if observation[19] > 0.0 else SELL


POLICIES: dict[str, Policy] = {
    "buy and hold": lambda o, i, random: BUY,
    "random": lambda o, i, random: int(random.integers(3)),
    "momentum of one candle": follow,
    "reversal of one candle": lambda o, i, random: SELL if o[19] > 0.0 else BUY,
    "momentum of twenty candles": lambda o, i, random: BUY if o[:20].sum() > 0.0 else SELL,
    "reversal of twenty candles": lambda o, i, random: SELL if o[:20].sum() > 0.0 else BUY,
    "five above twenty": lambda o, i, random: BUY if o[15:20].mean() > o[:20].mean() else SELL,
    "calm candles only": lambda o, i, random: BUY if np.abs(o[10:20]).mean() < np.abs(o[:20]).mean() else SELL,
    "take small gains": lambda o, i, random: SELL if o[21] > 0.005 else BUY,
    "cut small losses": lambda o, i, random: SELL if o[21] < -0.005 else BUY,
    "sell losers late": lambda o, i, random: SELL if o[21] < -0.05 else BUY,
}


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_no_policy_earns_in_a_fair_game(name: str) -> None:
    returns = np.concatenate([returns_of(make(martingale(BARS, seed=s)), POLICIES[name], s)[0] for s in SEEDS])

    assert len(returns) > 17_000
    assert np.count_nonzero(returns) > 1_000
    assert abs(statistic(returns)) < LEVEL


@pytest.mark.parametrize("name", ["random", "momentum of one candle", "reversal of one candle"])
def test_with_fees_every_policy_loses_exactly_its_fees(name: str) -> None:
    played = [returns_of(make(martingale(BARS, seed=s), fee_rate=0.001), POLICIES[name], s) for s in SEEDS]
    returns, fees = (np.concatenate(parts) for parts in zip(*played, strict=True))

    assert abs(statistic(returns + fees)) < LEVEL
    assert returns.sum() < -0.5 * fees.sum() < 0.0


@pytest.mark.parametrize("slippage", [FREE, VolumeShareSlippage(minimum=0.0005)])
def test_filling_at_the_close_earns_nothing_more_where_every_candle_opens_there(slippage: Any) -> None:
    candles = martingale(BARS, seed=5)
    at_open = returns_of(make(candles, slippage=slippage), follow, 0)[0]
    at_close = returns_of(make(candles, slippage=slippage, fill_at="close"), follow, 0)[0]

    np.testing.assert_allclose(at_open, at_close, atol=1e-12)


ORDERS: dict[str, Callable[[float, float], list[Order]]] = {
    "limit orders below and above": lambda close, held: [
        Order("BTCUSDT", "buy", 1.0, type="limit", price=0.996 * close),
        *([Order("BTCUSDT", "sell", held, type="limit", price=1.004 * close)] if held > 0.0 else []),
    ],
    "breakouts with stops": lambda close, held: [
        Order("BTCUSDT", "buy", 1.0, type="stop_loss", price=1.003 * close),
        *([Order("BTCUSDT", "sell", held, type="stop_loss", price=0.997 * close)] if held > 0.0 else []),
    ],
    "stops only": lambda close, held: (
        [Order("BTCUSDT", "buy", 1.0)]
        if held == 0.0
        else [Order("BTCUSDT", "sell", held, type="stop_loss", price=0.995 * close)]
    ),
    "brackets": lambda close, held: (
        [Order("BTCUSDT", "buy", 1.0, stop_price=0.995 * close, take_price=1.004 * close)] if held == 0.0 else []
    ),
}


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_no_kind_of_order_earns_in_a_fair_game(name: str) -> None:
    """Fresh orders at every step; the rule for candles that reach two prices is pessimistic, so that losing is allowed."""
    returns = []
    for seed in (0, 1):
        env = make(martingale(1_500, seed=seed))
        _, info = env.reset(seed=seed)
        done = False
        while not done:
            exchange = env.exchange
            for order in exchange.open_orders:
                if order["parent_id"] is None:
                    exchange.cancel(order["order_id"])
            row = int(env.engine.state.accounts["row"][0])
            close = float(env.engine.rows["close"][row - 1, 0])
            exchange.submit(ORDERS[name](close, exchange.portfolio.get("BTCUSDT", 0.0)))
            equity = info["equity"]
            _, _, terminated, truncated, info = env.step(HOLD)
            returns.append(info["equity"] / equity - 1.0)
            done = terminated or truncated

    assert np.count_nonzero(returns) > 300
    assert statistic(np.array(returns)) < LEVEL


# ---- the statistic has power ----


def test_a_policy_that_sees_the_next_candle_is_found_out() -> None:
    env = make(martingale(BARS, seed=0))

    def peeks(observation: Any, info: Any, random: Any) -> int:
        candle = env.engine.rows[int(env.engine.state.accounts["row"][0]), 0]
        return BUY if candle["close"] > candle["open"] else SELL

    assert statistic(returns_of(env, peeks, 0)[0]) > 30.0


def test_a_policy_that_sees_one_candle_in_twenty_is_found_out() -> None:
    env = make(martingale(BARS, seed=0))

    def peeks_rarely(observation: Any, info: Any, random: Any) -> int:
        row = int(env.engine.state.accounts["row"][0])
        if row % 20 == 0:
            candle = env.engine.rows[row, 0]
            return BUY if candle["close"] > candle["open"] else SELL
        return SELL

    assert statistic(returns_of(env, peeks_rarely, 0)[0]) > LEVEL


def test_money_from_nothing_is_found_out() -> None:
    returns = returns_of(make(martingale(BARS, seed=0)), POLICIES["random"], 0)[0]

    # three hundredths of a per cent a step
    assert abs(statistic(returns)) < LEVEL < statistic(returns + 0.0003)


def test_what_can_be_learned_is_earned_in_a_world_with_trends() -> None:
    returns = returns_of(make(trend(BARS, seed=0)), POLICIES["momentum of twenty candles"], 0)[0]

    assert statistic(returns) > 5.0


def test_through_a_halt_nothing_is_filled_and_the_jump_is_earned_exactly() -> None:
    candles = halt(400, seed=0, halt_bars=24, quiet_bars=3, reopening=-0.1)
    start = (400 - 24) // 2
    env = make(candles)
    env.reset(seed=0)
    fills, equity = [], {}
    while True:
        row = int(env.engine.state.accounts["row"][0])
        action = BUY if row < start - 10 else (SELL if start - 3 <= row < start + 27 else HOLD)
        _, _, terminated, truncated, info = env.step(action)
        equity[row] = info["equity"]
        if info["filled_orders"]:
            fills.append(row)
        if start - 3 <= row < start + 27:
            assert [reject["reason"] for reject in info["rejected_orders"]] == ["market_closed"]
        if terminated or truncated:
            break

    assert len(fills) >= 1
    assert all(row < start - 10 for row in fills)
    assert equity[start + 26] / equity[start - 4] - 1.0 == pytest.approx(-0.1, abs=1e-9)
