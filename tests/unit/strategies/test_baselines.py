"""The baselines do what their names say, on worlds where it is known what that earns."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gymnasium import spaces

from tradeready_gym.actions import AccountView, CustomActionScheme, TargetPosition
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
from tradeready_gym.market import Candles
from tradeready_gym.market.sample import load_sample
from tradeready_gym.market.worlds import halt, martingale, trend
from tradeready_gym.orders import Order
from tradeready_gym.strategies import (
    BuyAndHold,
    Flat,
    MovingAverageCross,
    RandomTrader,
    RSIReversal,
    Situation,
    StableBaselinesTradingStrategy,
)
from tradeready_gym.strategies.targets import actions_towards

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


@pytest.mark.parametrize("scheme", ["portfolio", "target_weights"])
def test_buy_and_hold_of_several_symbols_goes_on_where_a_candle_fills_a_part(scheme: str) -> None:
    exchange = SimulatedExchange(
        two_symbols(400), starting_balance=1e6, max_volume_share=0.05, fee_rate=0.0, slippage="none"
    )
    market = TradingEnvironment(
        exchange=exchange, action_scheme=scheme, feature_pipeline=["returns", "position"], lookback_window=10
    )
    result = BuyAndHold().evaluate(market).episodes[0]
    assert result.fills is not None
    assert len(result.fills) > 20
    assert np.all(result.fills["side"] == 1)
    assert result.position_value[-1] > 0.97 * result.net_worth[-1]


def test_buy_and_hold_buys_a_symbol_that_could_not_be_traded_at_first() -> None:
    rising, other = trend(100, seed=1, symbol="BTCUSDT"), trend(100, seed=2, symbol="ETHUSDT")
    volume = np.array(other.volume)
    market = environment(Candles.merge([rising, other]), action_scheme="portfolio")
    first = int(market.engine.segments[0]["first_row"])
    volume[:, : first + 5] = 0.0
    late = environment(Candles.merge([rising, replace(other, volume=volume)]), action_scheme="portfolio")
    result = BuyAndHold().evaluate(late).episodes[0]
    assert result.fills is not None
    assert [(int(fill["symbol"]), int(fill["row"]) - first) for fill in result.fills] == [(0, 0), (1, 5)]


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


class Unheard(CustomActionScheme):
    """Orders of its own that no rule can speak."""

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(2)

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        return []


@pytest.mark.parametrize(
    "scheme", [Unheard(), "discrete", "managed_risk", TargetPosition((0.0, 0.5)), TargetPosition((1.0, 0.5))]
)
def test_a_rule_whose_targets_the_actions_cannot_say_is_played_with_holdings(scheme: Any) -> None:
    market = environment(trend(bars=120, seed=3), action_scheme=scheme, interpreted=True)
    usual = environment(trend(bars=120, seed=3), interpreted=True)
    for rule in (BuyAndHold(), Flat(), MovingAverageCross(2, 4)):
        played, plain = rule.evaluate(market), rule.evaluate(usual)
        assert played.action_scheme == "Holdings(threshold=0.01)"
        assert plain.action_scheme.startswith("TargetPosition(")
        assert np.array_equal(played.episodes[0].net_worth, plain.episodes[0].net_worth)


def test_targets_that_an_action_scheme_cannot_say_are_refused_with_what_to_do() -> None:
    vector = TradingVectorEnvironment(
        num_envs=1, data=trend(bars=100), action_scheme=Unheard(), interpreted=True, autoreset_mode="SAME_STEP"
    )
    observations, _ = vector.reset(seed=0)
    with pytest.raises(ConfigurationError, match="Unheard.*baseline_environment"):
        actions_towards(np.ones((1, 1)), Situation(observations, vector.engine))


def test_buy_and_hold_on_a_margin_account_borrows_nothing_and_never_sells() -> None:
    exchange = SimulatedExchange(trend(bars=200, seed=0), account=MarginAccount(leverage=3.0), fee_rate=0.001)
    market = TradingEnvironment(
        exchange=exchange, action_scheme=TargetPosition(positions=(-1, 3)), feature_pipeline=["returns"],
        lookback_window=5, interpreted=True,
    )  # fmt: skip
    played = BuyAndHold().evaluate(market).episodes[0]
    assert played.metrics["total_trades"] == 1
    assert played.position_value[1] / played.net_worth[1] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"redraw": 1.5}, "redraw must be in"),
        ({"choices": 0}, "choices must be"),
        ({"holdings": [0.5, 1.0]}, "shape"),
        ({"holdings": [[np.nan]]}, "finite"),
    ],
)
def test_random_traders_that_cannot_be_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RandomTrader(**arguments)


def test_random_traders_refuse_a_market_of_another_number_of_symbols() -> None:
    with pytest.raises(ConfigurationError, match="hold 2 symbols, the environment has 1"):
        RandomTrader(holdings=[[0.5, 0.5]]).evaluate(environment(trend(bars=100), interpreted=True))


class Latest:
    """Draws the last number before 1, always."""

    def random(self, shape: Any) -> npt.NDArray[np.float64]:
        return np.full(shape, np.nextafter(1.0, 0.0))

    def permuted(self, values: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
        return values


@pytest.mark.parametrize("count", [1, 2, 20, 999])
def test_the_last_holding_is_the_last_that_can_be_drawn(count: int) -> None:
    holdings = np.linspace(0.0, 1.0, 7)[:, None]
    trader = RandomTrader(1.0, holdings=holdings)
    trader._draws = Latest()  # type: ignore[assignment]
    assert trader._drawn_holdings(count, holdings)[-1] == 1.0


def test_a_strategy_prints_as_what_it_is_and_not_where_it_lies() -> None:
    assert repr(BuyAndHold()) == "BuyAndHold()"
    assert repr(MovingAverageCross(5, 9)) == "MovingAverageCross(fast=5, slow=9)"
    assert repr(RSIReversal()) == "RSIReversal(period=14, oversold=30.0, overbought=70.0)"
    assert repr(RandomTrader()) == "RandomTrader(redraw=0.02, invested=0.5, size=1.0, choices=1)"
    assert repr(RandomTrader(holdings=[[0.5], [1.0]])).endswith("choices=1, holdings='<2 x 1>')")
    learner = StableBaselinesTradingStrategy(model="A2C", seed=3, model_kwargs={"verbose": 0})
    assert repr(learner) == "StableBaselinesTradingStrategy(model='A2C', seed=3)"
