"""The baselines do what their names say, on worlds where it is known what that earns."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tradeready_gym.actions import TargetPosition
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
from tradeready_gym.market import Candles
from tradeready_gym.market.sample import load_sample
from tradeready_gym.market.worlds import halt, martingale, trend
from tradeready_gym.strategies import (
    BuyAndHold,
    Flat,
    MovingAverageCross,
    RandomTrader,
    RSIReversal,
    Situation,
    TradingStrategy,
)
from tradeready_gym.strategies.comparison import compare

SCHEMES = ("hold_buy_sell", "continuous", "portfolio", "target_position")


def environment(candles: Candles | list[Candles], **arguments: Any) -> TradingEnvironment:
    settings: dict[str, Any] = {
        "action_scheme": "target_position",
        "feature_pipeline": ["returns", "position"],
        "lookback_window": 10,
        "slippage": "none",
        "fee_rate": 0.0,
    }
    return TradingEnvironment(data=candles, **(settings | arguments))


def two_symbols(bars: int) -> Candles:
    rising = trend(bars, seed=1, symbol="BTCUSDT")
    return Candles.merge([rising, trend(bars, seed=2, symbol="ETHUSDT")])


def test_buy_and_hold_earns_what_the_market_does_less_one_fee() -> None:
    market = environment(trend(bars=300, seed=3), fee_rate=0.001)
    result = BuyAndHold().evaluate(market).episodes[0]
    candles = market.engine.market.candles
    first = int(market.engine.segments[0]["first_row"])
    bought = 10_000.0 / (candles.open[0, first] * 1.001)
    assert result.net_worth[-1] == pytest.approx(bought * candles.close[0, -1], rel=1e-12)
    assert result.metrics["total_trades"] == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_buy_and_hold_spends_all_cash_and_sells_nothing_with_any_scheme(scheme: str) -> None:
    market = environment(trend(bars=100, seed=3), action_scheme=scheme, fee_rate=0.001, interpreted=True)
    result = BuyAndHold().evaluate(market).episodes[0]
    assert result.balance[-1] == 0.0
    assert np.all(np.diff(result.balance) <= 0.0)
    assert result.metrics["round_trips"] == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_flat_never_trades_with_any_scheme(scheme: str) -> None:
    market = environment(trend(bars=100, seed=3), action_scheme=scheme, interpreted=True)
    result = Flat().evaluate(market).episodes[0]
    assert result.metrics["total_trades"] == 0
    assert np.all(result.net_worth == 10_000.0)


def test_buy_and_hold_of_several_symbols_buys_each_once_and_does_not_rebalance() -> None:
    market = environment(two_symbols(200), action_scheme="portfolio", interpreted=True)
    result = BuyAndHold().evaluate(market).episodes[0]
    candles = market.engine.market.candles
    first = int(market.engine.segments[0]["first_row"])
    growth = candles.close[:, -1] / candles.open[:, first]
    assert result.metrics["total_trades"] == 2
    assert result.net_worth[-1] == pytest.approx(10_000.0 * growth.mean(), rel=1e-6)


def test_buy_and_hold_tries_again_after_a_halt() -> None:
    candles = halt(bars=100, halt_bars=10, quiet_bars=0)
    closed = int(np.flatnonzero(candles.gaps[0])[0])
    start = candles.times[closed].astype("datetime64[us]").item().isoformat() + "Z"
    market = environment(candles, start_time=start, interpreted=True)
    result = BuyAndHold().evaluate(market).episodes[0]
    assert result.position_value[10] == 0.0
    assert result.position_value[11] > 0.0


def test_moving_average_cross_holds_exactly_while_the_fast_mean_is_higher() -> None:
    market = environment(trend(bars=400, seed=5))
    result = MovingAverageCross(fast=5, slow=10).evaluate(market).episodes[0]
    close = market.engine.market.candles.close[0]
    first = int(market.engine.segments[0]["first_row"])
    for step in range(len(result) - 1):
        seen = close[: first + step]
        wanted = seen[-5:].mean() > seen[-10:].mean()
        assert (result.position_value[step + 1] > 0.0) == wanted, step


def test_moving_average_cross_waits_until_it_has_seen_its_slow_window() -> None:
    market = environment(trend(bars=300, seed=1))
    first = int(market.engine.segments[0]["first_row"])
    result = MovingAverageCross(fast=5, slow=100).evaluate(market).episodes[0]
    assert np.all(result.position_value[: 100 - first + 1] == 0.0)
    assert np.any(result.position_value > 0.0)


def test_moving_average_cross_earns_on_trends_and_pays_for_it_in_a_fair_game() -> None:
    rules = MovingAverageCross(fast=5, slow=20)
    trending = rules.evaluate(environment(trend(bars=5_000, seed=0), fee_rate=0.001)).episodes[0]
    fair = rules.evaluate(environment(martingale(bars=5_000, seed=0), fee_rate=0.001)).episodes[0]
    assert trending.net_worth[-1] > 20_000.0
    assert fair.net_worth[-1] < 10_000.0


@pytest.mark.parametrize(("fast", "slow"), [(20, 20), (0, 5), (30, 10)])
def test_averages_in_the_wrong_order_are_refused(fast: int, slow: int) -> None:
    with pytest.raises(ConfigurationError, match="1 <= fast < slow"):
        MovingAverageCross(fast, slow)


def strength_of(closes: list[float]) -> float:
    gains = sum(after - before for before, after in pairwise(closes) if after > before)
    losses = sum(before - after for before, after in pairwise(closes) if after < before)
    return 100.0 - 100.0 / (1.0 + gains / losses) if losses > 0.0 else 100.0 if gains > 0.0 else 50.0


def test_rsi_reversal_buys_below_30_and_sells_above_70_and_at_no_other_time() -> None:
    sample = load_sample().between("2021-01-01T00:00:00Z", "2021-01-21T00:00:00Z")
    market = environment(sample, interpreted=True)
    result = RSIReversal().evaluate(market).episodes[0]
    closes, first = sample.close[0].tolist(), int(market.engine.segments[0]["first_row"])
    held, wanted = False, []
    for seen in range(first, first + len(result) - 1):
        strength = strength_of(closes[seen - 15 : seen]) if seen >= 15 else 50.0
        held = strength <= 70.0 if held else strength < 30.0
        wanted.append(held)
    assert (result.position_value[1:] > 0.0).tolist() == wanted
    assert 50 < sum(wanted) < 400
    assert sum(now != before for before, now in pairwise([False, *wanted])) == result.metrics["total_trades"]


@pytest.mark.parametrize(
    "arguments", [{"period": 1}, {"period": True}, {"oversold": 70.0}, {"oversold": -1.0}, {"overbought": 101.0}]
)
def test_limits_that_no_strength_can_have_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="period must be|the limits need"):
        RSIReversal(**arguments)


class Short(TradingStrategy):
    """Sells short all that it may, always."""

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        return np.zeros(situation.count, np.int64)


def test_who_is_always_short_is_compared_with_random_traders_that_hold_as_much() -> None:
    exchange = SimulatedExchange(trend(bars=200, seed=0), account=MarginAccount(leverage=2.0))
    market = TradingEnvironment(
        exchange=exchange,
        action_scheme=TargetPosition(positions=(-1, 0, 1)),
        feature_pipeline=["returns", "position"],
        lookback_window=5,
        interpreted=True,
    )
    result = compare([Short()], market, random_seeds=2)
    assert result.agents[0].episodes[0].mean_weight < -0.9
    assert all(episode.mean_weight > 0.9 for episode in result.random_traders.episodes)


def test_random_trader_earns_nothing_in_fair_games() -> None:
    worlds = [martingale(bars=200, seed=seed) for seed in range(80)]
    returns = RandomTrader(0.1).evaluate(environment(worlds), episodes=320).metric("roi_pct")
    # traders of one world share its path: only the worlds are independent
    assert abs(returns.mean()) < 4.0 * returns.std() / len(worlds) ** 0.5


@pytest.mark.parametrize(("scheme", "slippage"), [("target_position", "none"), ("hold_buy_sell", "volume_share")])
def test_random_trader_has_the_turnover_and_the_exposure_of_whom_it_is_like(scheme: str, slippage: str) -> None:
    market = environment(trend(bars=3_000, seed=0), action_scheme=scheme, fee_rate=0.001, slippage=slippage)
    model = MovingAverageCross().evaluate(market)
    trader = RandomTrader.like(model, market)
    played = trader.evaluate(market, episodes=20)
    assert played.metric("turnover").mean() == pytest.approx(model.metric("turnover")[0], rel=0.05)
    assert played.metric("exposure").mean() == pytest.approx(model.metric("exposure")[0], abs=0.12)


def test_random_trader_like_somebody_who_does_nothing_does_nothing() -> None:
    market = environment(trend(bars=200, seed=0), interpreted=True)
    trader = RandomTrader.like(Flat().evaluate(market), market, seeds=3)
    assert np.all(trader.evaluate(market, episodes=3).metric("total_trades") == 0)


def test_random_traders_repeat_with_their_seed_and_differ_between_seeds() -> None:
    market = environment(martingale(bars=300, seed=1), interpreted=True)
    trader = RandomTrader(0.2)
    once, again = (trader.evaluate(market, episodes=2, seed=7).metric("roi_pct") for _ in range(2))
    assert np.array_equal(once, again)
    assert once[0] != once[1]


@pytest.mark.parametrize("rule", [BuyAndHold(), MovingAverageCross(2, 4)])
def test_rules_refuse_an_action_scheme_that_they_do_not_know(rule: TradingStrategy) -> None:
    from collections.abc import Sequence

    from gymnasium import spaces

    from tradeready_gym.actions import AccountView, CustomActionScheme
    from tradeready_gym.orders import Order

    class Own(CustomActionScheme):
        def action_space(self, symbols: int) -> spaces.Discrete:
            return spaces.Discrete(2)

        def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
            return []

    market = environment(trend(bars=100), action_scheme=Own(), interpreted=True)
    with pytest.raises(ConfigurationError, match="Own"):
        rule.evaluate(market)
