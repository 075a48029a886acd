"""The margin account, by hand."""

from typing import Any

import pytest

from small_worlds import candles_of, small_env
from tradeready_gym import HoldBuySell, TargetPosition
from tradeready_gym.envs import check_trading_env
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
from tradeready_gym.orders import Fill, Order

FLAT = [100.0] * 4


def margin_env(prices: list[float], positions: tuple[float, ...] = (-1.0, 0.0, 1.0), **account: Any) -> Any:
    arguments = {"fee_rate": account.pop("fee_rate", 0.0), "timeframe": account.pop("timeframe", "1h")}
    wick = account.pop("wick", 0.0)
    candles = candles_of(prices, open=prices, wick=wick, timeframe=arguments["timeframe"])
    return small_env(
        candles,
        action_scheme=TargetPosition(positions=positions),
        account=MarginAccount(**account),
        fee_rate=arguments["fee_rate"],
    )


def infos(env: Any, actions: list[int]) -> list[dict[str, Any]]:
    env.reset(seed=0)
    return [env.step(action)[4] for action in actions]


def test_a_short_round_trip_earns_what_the_price_fell_by() -> None:
    history = infos(margin_env([100.0, 100.0, 100.0, 90.0, 90.0, 90.0], leverage=1.0), [0, 0, 1])
    assert (history[0]["available_cash"], history[0]["position_value"]) == (20_000.0, -10_000.0)
    assert history[0]["filled_orders"][0]["side"] == "sell"
    assert history[2]["equity"] == history[2]["available_cash"] == pytest.approx(11_000.0)
    assert history[2]["realized_pnl"] == pytest.approx(1_000.0)


def test_the_equity_of_a_short_moves_against_the_price() -> None:
    history = infos(margin_env([100.0, 100.0, 100.0, 90.0, 120.0, 120.0], leverage=1.0, maintenance=0.01), [0, 0, 1])
    assert [info["equity"] for info in history] == [
        pytest.approx(10_000.0),
        pytest.approx(11_000.0),
        pytest.approx(8_000.0),
    ]
    last = history[-1]
    assert last["realized_pnl"] == pytest.approx(-2_000.0)
    assert (last["position_value"], last["unrealized_pnl"]) == (0.0, 0.0)


def test_interest_is_charged_on_borrowed_cash_and_on_shorts_for_the_candle_before() -> None:
    hourly = 0.001
    rate = {"annual_borrow_rate": hourly * 8766.0}
    long = infos(margin_env([100.0] * 8, (0.0, 2.0), **rate), [1, 1, 0, 0])
    assert [info["financing_paid"] for info in long] == pytest.approx([0.0, 10.0, 20.01, 20.01])
    short = infos(margin_env([100.0] * 8, (-1.0, 0.0), leverage=1.0, **rate), [0, 0, 1, 1])
    assert [info["financing_paid"] for info in short] == pytest.approx([0.0, 10.0, 20.0, 20.0])


def test_funding_is_paid_by_longs_to_shorts_at_the_venues_hours_only() -> None:
    # the first decision is at 02:00; 08:00 is the open of the seventh step's candle
    for positions, sign in (((0.0, 1.0), 1.0), ((0.0, -1.0), -1.0)):
        history = infos(margin_env([100.0] * 14, positions, leverage=1.0, funding_rate=0.01), [1] * 9)
        paid = [info["financing_paid"] for info in history]
        assert paid[5] == 0.0
        assert paid[6] == pytest.approx(sign * 100.0)
        assert paid[8] == paid[6]


def test_a_daily_candle_pays_all_of_its_funding_times() -> None:
    env = margin_env([100.0] * 8, (0.0, 1.0), leverage=1.0, funding_rate=0.01, timeframe="1d")
    assert infos(env, [1, 1])[1]["financing_paid"] == pytest.approx(300.0)


def test_a_trade_through_zero_is_a_close_and_an_open() -> None:
    bought, turned = infos(margin_env([100.0, 100.0, 100.0, 110.0, 110.0, 110.0], (-1.0, 1.0), leverage=1.0), [1, 0])
    assert bought["equity"] == pytest.approx(10_000.0)
    assert turned["realized_pnl"] == pytest.approx(1_000.0)
    assert turned["unrealized_pnl"] == pytest.approx(0.0, abs=1e-9)
    assert turned["position_value"] < 0.0


def test_an_action_is_cut_to_the_initial_margin_after_its_own_fee() -> None:
    (info,) = infos(margin_env([100.0] * 6, (0.0, 3.0), leverage=3.0, fee_rate=0.01), [1])
    gross, equity = info["position_value"], info["equity"]
    assert gross == pytest.approx(3.0 * equity)
    assert gross < 30_000.0


def test_an_explicit_order_beyond_the_leverage_is_refused_whole() -> None:
    exchange = SimulatedExchange(
        candles_of([100.0] * 6), account=MarginAccount(leverage=2.0), fee_rate=0.0, slippage=None
    )
    exchange.reset()
    refused, taken = exchange.submit([Order("BTCUSDT", "sell", 201.0), Order("BTCUSDT", "sell", 200.0)])
    assert (refused["status"], refused["reason"]) == ("rejected", "insufficient_balance")
    assert taken["status"] == "filled"
    assert exchange.portfolio == {"BTCUSDT": -200.0}


def test_a_broken_account_is_liquidated_at_the_worst_price_of_the_candle() -> None:
    env = margin_env([100.0, 100.0, 100.0, 60.0, 60.0], (0.0, 2.0), maintenance=0.1, liquidation_fee=0.02, wick=0.1)
    bought, broken = infos(env, [1, 1])
    assert bought["equity"] == pytest.approx(10_000.0)
    (fill,) = broken["filled_orders"]
    assert (fill["type"], fill["side"], fill["price"]) == ("liquidation", "sell", pytest.approx(54.0))
    assert fill["fee"] == pytest.approx(0.02 * 54.0 * 200.0)
    assert broken["equity"] == pytest.approx(10_000.0 - 46.0 * 200.0 - fee_of(fill))
    assert broken["bankruptcy_loss"] == 0.0


def fee_of(fill: dict[str, Any]) -> float:
    return float(fill["fee"])


def test_equity_after_a_liquidation_is_never_below_zero_and_the_rest_is_recorded() -> None:
    env = margin_env([100.0, 100.0, 100.0, 40.0, 40.0], (0.0, 2.0), maintenance=0.1, liquidation_fee=0.0)
    broken = infos(env, [1, 1])[1]
    assert broken["equity"] == 0.0
    assert broken["bankruptcy_loss"] == pytest.approx(2_000.0)
    money = broken["realized_pnl"] - broken["fees_paid"] - broken["financing_paid"] + broken["bankruptcy_loss"]
    assert 10_000.0 + money == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("low", "trigger", "expected"),
    [
        # 200 at 100 with 10,000 borrowed breaks at 10,000 / (200 x 0.9) = 55.6
        (60.0, 80.0, ("stop_loss", 80.0)),
        (50.0, 56.0, ("stop_loss", 56.0)),
        (50.0, 55.0, ("liquidation", 50.0)),
    ],
)
def test_a_stop_comes_before_the_liquidation_unless_the_account_breaks_on_the_way(
    low: float, trigger: float, expected: tuple[str, float]
) -> None:
    (fill,) = one_candle(
        Order("BTCUSDT", "buy", 200.0, stop_price=trigger), low, leverage=2.0, maintenance=0.1, liquidation_fee=0.0
    )
    assert (fill.type, fill.price) == expected


def one_candle(order: Order, close: float, **account: Any) -> list[Fill]:
    """What the candle that opens at 100 and ends at `close` does to an order submitted at its open."""
    candles = candles_of([100.0, 100.0, close, close], open=[100.0, 100.0, 100.0, close])
    exchange = SimulatedExchange(candles, account=MarginAccount(**account), fee_rate=0.0, slippage=None)
    exchange.reset()
    exchange.match()
    exchange.mark()
    exchange.submit([order])
    fills = exchange.match()
    assert (exchange.portfolio, exchange.open_orders) == ({}, [])
    return fills


def test_a_bracket_on_a_short_stops_above_and_takes_below() -> None:
    order = Order("BTCUSDT", "sell", 50.0, stop_price=103.0, take_price=95.0)
    (stop,) = one_candle(order, 104.0)
    (take,) = one_candle(order, 94.0)
    assert (stop.type, stop.side, stop.price) == ("stop_loss", "buy", 103.0)
    assert (take.type, take.side, take.price) == ("take_profit", "buy", 95.0)


def test_positions_beyond_the_account_are_refused_when_the_parts_are_put_together() -> None:
    with pytest.raises(ConfigurationError, match="account='margin'"):
        small_env(candles_of(FLAT), action_scheme=TargetPosition(positions=(-1.0, 1.0)))
    with pytest.raises(ConfigurationError, match="leverage is 2"):
        small_env(candles_of(FLAT), action_scheme=TargetPosition(positions=(0.0, 3.0)), account="margin")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"leverage": 0.5}, "leverage"),
        ({"leverage": 4.0, "maintenance": 0.25}, "maintenance"),
        ({"annual_borrow_rate": -0.1}, "annual_borrow_rate"),
        ({"funding_hours": 5}, "funding_hours"),
        ({"funding_rate": 0.5}, "funding_rate"),
        ({"funding_rate": 0.001, "annual_borrow_rate": 0.1}, "not both"),
        ({"liquidation_fee": float("nan")}, "liquidation_fee"),
    ],
)
def test_an_impossible_margin_account_is_refused_by_name(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        MarginAccount(**arguments)


def test_an_unknown_account_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="margin"):
        SimulatedExchange(candles_of(FLAT), account="margni")


def test_hold_buy_sell_on_a_margin_account_never_goes_short() -> None:
    env = small_env(candles_of([100.0] * 8), action_scheme=HoldBuySell(), account="margin")
    assert all(info["position_value"] >= 0.0 for info in infos(env, [2, 1, 2, 2]))


def test_the_checker_keeps_its_own_margin_account() -> None:
    prices = [100.0, 101.0, 99.0, 103.0, 97.0, 100.0, 80.0, 120.0] * 6
    env = margin_env(prices, (-2.0, 0.0, 2.0), leverage=2.0, annual_borrow_rate=0.5, wick=0.02, fee_rate=0.001)
    check_trading_env(env)
