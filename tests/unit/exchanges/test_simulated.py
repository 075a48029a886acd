"""SimulatedExchange by itself, and every reason to refuse an order."""

from typing import Any

import numpy as np
import pytest

from small_worlds import candles_of, random_candles, small_env
from tradeready_gym.errors import ConfigurationError, EpisodeError, UnknownName
from tradeready_gym.exchanges import Exchange, SimulatedExchange
from tradeready_gym.market import Instrument
from tradeready_gym.orders import Fill, Order

FLAT = np.full(40, 100.0)


def exchange_on(close: Any = FLAT, **arguments: Any) -> SimulatedExchange:
    """An exchange at the second candle, without costs unless the test says otherwise."""
    candles = candles_of(close, missing=arguments.pop("missing", ()), wick=arguments.pop("wick", 0.0))
    exchange = SimulatedExchange(candles, **{"fee_rate": 0.0, "slippage": "none", **arguments})
    exchange.reset("2024-01-01T02:00:00Z")
    return exchange


def answer(exchange: SimulatedExchange, *arguments: Any, **keywords: Any) -> dict[str, Any]:
    return exchange.submit([Order(*arguments, **keywords)])[0]


# ---- the contract ----


def test_it_is_an_exchange_that_owns_its_market_account_and_costs() -> None:
    exchange = exchange_on([100.0, 100.0, 100.0, 110.0, 120.0], fee_rate=0.01)

    assert isinstance(exchange, Exchange)
    assert (exchange.balance, exchange.portfolio, exchange.net_worth, exchange.trades) == (10_000.0, {}, 10_000.0, [])

    bought = answer(exchange, "BTCUSDT", "buy", 10.0)
    assert (bought["status"], bought["price"], bought["fee"]) == ("filled", 100.0, pytest.approx(10.0))
    assert exchange.balance == pytest.approx(8_990.0)
    assert exchange.trades == [{name: value for name, value in bought.items() if name != "status"}]
    assert Fill(**exchange.trades[0]).quantity == 10.0
    assert exchange.match() == []
    assert exchange.mark() == pytest.approx(8_990.0 + 10.0 * 100.0)


def test_reset_goes_back_to_the_starting_balance() -> None:
    exchange = exchange_on()
    answer(exchange, "BTCUSDT", "buy", 10.0)
    answer(exchange, "BTCUSDT", "buy", 10.0, type="limit", price=50.0)
    exchange.match()
    exchange.mark()
    exchange.reset("2024-01-01T05:00:00Z")

    assert (exchange.balance, exchange.portfolio, exchange.trades, exchange.open_orders) == (10_000.0, {}, [], [])
    assert len(exchange.performance["equity"]) == 0


def test_resting_orders_are_matched_candle_by_candle() -> None:
    exchange = exchange_on([100.0, 100.0, 100.0, 99.0, 95.0, 95.0])
    answer(exchange, "BTCUSDT", "buy", 1.0, type="limit", price=97.0)

    assert exchange.match() == []
    assert exchange.match() == []
    (fill,) = exchange.match()
    assert (fill.price, fill.filled_at) == (97.0, "2024-01-01T04:00:00Z")
    assert exchange.mark() == pytest.approx(10_000.0 - 97.0 + 95.0)
    assert exchange.trades[-1]["price"] == 97.0


def test_an_exchange_at_the_end_of_its_data_says_so() -> None:
    exchange = exchange_on(FLAT[:4])
    exchange.match()
    exchange.match()

    with pytest.raises(EpisodeError, match=r"reset\(\)"):
        exchange.match()
    with pytest.raises(EpisodeError, match=r"reset\(\)"):
        exchange.submit([Order("BTCUSDT", "buy", 1.0)])


def test_a_start_outside_the_data_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must lie between"):
        SimulatedExchange(candles_of(FLAT)).reset("2024-01-01T00:00:00Z")


# ---- refusals: one reason each, and nothing changes ----


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order("BTCUSDT", "buy", 101.0), "insufficient_balance"),
        (Order("BTCUSDT", "buy", 201.0, type="limit", price=50.0), "insufficient_balance"),
        (Order("BTCUSDT", "sell", 0.1), "insufficient_position"),
        (Order("BTCUSDT", "sell", 0.1, type="stop_loss", price=50.0), "insufficient_position"),
        (Order("BTCUSDT", "buy", 1e-9), "min_notional"),
        (Order("BTCUSDT", "buy", 0.0), "invalid_quantity"),
        (Order("BTCUSDT", "buy", -1.0), "invalid_quantity"),
        (Order("BTCUSDT", "buy", float("nan")), "invalid_quantity"),
        (Order("BTCUSDT", "buy", float("inf")), "invalid_quantity"),
        (Order("BTCUSDT", "buy", 1.0, type="limit", price=-5.0), "invalid_price"),
        (Order("BTCUSDT", "buy", 1.0, type="limit", price=0.0), "invalid_price"),
        (Order("BTCUSDT", "buy", 1.0, type="limit", price=float("nan")), "invalid_price"),
        (Order("BTCUSDT", "buy", 1.0, stop_price=110.0, take_price=90.0), "invalid_price"),
        (Order("MOONUSDT", "buy", 1.0), "unknown_symbol"),
    ],
)
def test_a_refused_order_has_one_reason_and_changes_nothing(order: Order, reason: str) -> None:
    exchange = exchange_on()
    (refused,) = exchange.submit([order])

    assert (refused["status"], refused["reason"]) == ("rejected", reason)
    assert (exchange.balance, exchange.portfolio, exchange.open_orders, exchange.trades) == (10_000.0, {}, [], [])


def test_nothing_trades_in_a_gap() -> None:
    exchange = exchange_on(missing=[2])

    assert answer(exchange, "BTCUSDT", "buy", 1.0)["reason"] == "market_closed"


def test_a_full_book_refuses_by_the_risk_limit() -> None:
    exchange = exchange_on(max_open_orders=3)
    answers = [answer(exchange, "BTCUSDT", "buy", 1.0, type="limit", price=50.0 + k) for k in range(5)]

    assert [a["status"] for a in answers] == ["pending"] * 3 + ["rejected"] * 2
    assert answers[-1]["reason"] == "risk_limit"


# ---- filters ----


def test_quantities_floor_to_the_lot_and_leave_dust() -> None:
    exchange = exchange_on(instruments={"BTCUSDT": Instrument("BTCUSDT", lot_size=0.5)})

    assert answer(exchange, "BTCUSDT", "buy", 1.9)["quantity"] == 1.5
    assert answer(exchange, "BTCUSDT", "buy", 0.4)["reason"] == "invalid_quantity"


def test_a_whole_number_of_lots_is_not_lost_to_binary_fractions() -> None:
    exchange = exchange_on(instruments={"BTCUSDT": Instrument("BTCUSDT", lot_size=0.1)})

    assert answer(exchange, "BTCUSDT", "buy", 0.3)["quantity"] == pytest.approx(0.3)


def test_limit_prices_off_the_tick_are_refused_and_slipped_prices_round_against_the_trader() -> None:
    exchange = exchange_on(instruments={"BTCUSDT": Instrument("BTCUSDT", tick_size=0.5)}, slippage=0.001)

    assert answer(exchange, "BTCUSDT", "buy", 1.0, type="limit", price=99.9)["reason"] == "invalid_price"
    assert answer(exchange, "BTCUSDT", "buy", 1.0, type="limit", price=99.5)["status"] == "pending"
    assert answer(exchange, "BTCUSDT", "buy", 1.0)["price"] == 100.5
    assert answer(exchange, "BTCUSDT", "sell", 1.0)["price"] == 99.5


def test_the_minimum_notional_is_judged_at_the_last_visible_close() -> None:
    exchange = exchange_on(instruments={"BTCUSDT": Instrument("BTCUSDT", min_notional=50.0)})

    assert answer(exchange, "BTCUSDT", "buy", 0.49)["reason"] == "min_notional"
    assert answer(exchange, "BTCUSDT", "buy", 0.5)["status"] == "filled"


# ---- locks ----


def test_a_resting_buy_locks_its_cost_with_the_fee_and_cancelling_frees_exactly_that() -> None:
    exchange = exchange_on(fee_rate=0.01)
    order = answer(exchange, "BTCUSDT", "buy", 10.0, type="limit", price=90.0)

    assert order["locked"] == pytest.approx(10.0 * 90.0 * 1.01)
    assert exchange.balance == pytest.approx(10_000.0 - 909.0)
    assert exchange.net_worth == 10_000.0
    assert exchange.cancel(order["order_id"]) is True
    assert exchange.balance == 10_000.0
    assert exchange.cancel(order["order_id"]) is False


def test_a_stop_buy_locks_the_largest_slippage_too() -> None:
    exchange = exchange_on(fee_rate=0.01, slippage=0.02)

    assert answer(exchange, "BTCUSDT", "buy", 1.0, type="stop_loss", price=110.0)["locked"] == pytest.approx(
        110.0 * 1.01 * 1.02
    )


def test_what_is_locked_cannot_be_spent_or_sold() -> None:
    exchange = exchange_on()
    answer(exchange, "BTCUSDT", "buy", 100.0, type="limit", price=50.0)
    assert answer(exchange, "BTCUSDT", "buy", 51.0)["reason"] == "insufficient_balance"
    assert answer(exchange, "BTCUSDT", "buy", 50.0)["status"] == "filled"
    answer(exchange, "BTCUSDT", "sell", 30.0, type="limit", price=150.0)

    assert answer(exchange, "BTCUSDT", "sell", 21.0)["reason"] == "insufficient_position"
    assert answer(exchange, "BTCUSDT", "sell", 20.0)["status"] == "filled"


def test_the_two_legs_of_a_bracket_lock_the_position_once_and_one_cancels_the_other() -> None:
    exchange = exchange_on([100.0, 100.0, 100.0, 105.0, 111.0, 100.0])
    answer(exchange, "BTCUSDT", "buy", 10.0, stop_price=90.0, take_price=110.0)

    assert {order["type"] for order in exchange.open_orders} == {"stop_loss", "take_profit"}
    assert answer(exchange, "BTCUSDT", "sell", 1.0)["reason"] == "insufficient_position"
    exchange.match()
    exchange.match()
    (fill,) = exchange.match()
    assert (fill.type, fill.price) == ("take_profit", 110.0)
    assert (exchange.open_orders, exchange.portfolio) == ([], {})


def test_when_a_candle_reaches_both_exits_the_stop_is_taken() -> None:
    exchange = exchange_on([100.0, 100.0, 100.0, 100.0, 100.0], wick=0.2)
    answer(exchange, "BTCUSDT", "buy", 10.0, stop_price=90.0, take_price=110.0)
    (fill,) = exchange.match()[-1:]

    assert (fill.type, fill.price) == ("stop_loss", 90.0)


def test_a_touch_is_not_enough_for_a_limit_and_is_for_a_stop() -> None:
    exchange = exchange_on([100.0, 100.0, 100.0, 95.0, 95.0])
    answer(exchange, "BTCUSDT", "buy", 10.0)
    answer(exchange, "BTCUSDT", "buy", 1.0, type="limit", price=95.0)
    answer(exchange, "BTCUSDT", "sell", 1.0, type="stop_loss", price=95.0)
    exchange.match()
    fills = exchange.match()

    assert [(fill.type, fill.price) for fill in fills] == [("stop_loss", 95.0)]


def test_selling_the_whole_position_by_a_scheme_cancels_the_resting_sells_first() -> None:
    env = small_env(candles_of(FLAT))
    env.reset(seed=0)
    env.step(1)
    env.exchange.submit([Order("BTCUSDT", "sell", 5.0, type="limit", price=200.0)])

    info = env.step(2)[4]

    assert [fill["quantity"] for fill in info["filled_orders"]] == pytest.approx([10.0])
    assert (env.exchange.open_orders, info["position_value"]) == ([], 0.0)


def test_market_makers_pay_the_makers_fee() -> None:
    exchange = exchange_on([100.0, 100.0, 100.0, 90.0, 90.0], fee_rate=0.01, maker_fee_rate=0.002)
    answer(exchange, "BTCUSDT", "buy", 1.0, type="limit", price=95.0)
    exchange.match()
    (fill,) = exchange.match()

    assert [fill.price, fill.fee] == pytest.approx([95.0, 0.002 * 95.0])


def test_a_candle_fills_no_more_than_its_share_of_the_volume() -> None:
    candles = candles_of(FLAT, volume=np.full(40, 10.0))
    exchange = SimulatedExchange(candles, fee_rate=0.0, slippage="none", max_volume_share=0.2)
    exchange.reset("2024-01-01T02:00:00Z")

    assert answer(exchange, "BTCUSDT", "buy", 5.0)["quantity"] == pytest.approx(2.0)
    assert answer(exchange, "BTCUSDT", "buy", 5.0)["status"] == "cancelled"
    assert exchange.portfolio == {"BTCUSDT": pytest.approx(2.0)}
    exchange.match()
    assert answer(exchange, "BTCUSDT", "buy", 1.0)["quantity"] == 1.0


def test_an_exchange_prints_short() -> None:
    assert len(repr(SimulatedExchange(random_candles(60)))) < 400


def test_an_exchange_alone_loads_the_history_that_its_slippage_needs() -> None:
    exchange = SimulatedExchange("synthetic")
    exchange.reset("2021-03-01T00:00:00Z")
    assert exchange.submit([Order("BTCUSDT", "buy", 0.001)])[0]["filled_at"] == "2021-03-01T00:00:00Z"


def test_nothing_is_executed_if_one_of_several_orders_cannot_be_understood() -> None:
    exchange = SimulatedExchange(random_candles(60))
    exchange.reset()
    with pytest.raises(UnknownName, match="hold"):
        exchange.submit([Order("BTCUSDT", "buy", 1.0), Order("BTCUSDT", "hold", 1.0)])
    assert (exchange.trades, exchange.balance) == ([], 10_000.0)


def test_the_exchange_of_an_environment_is_reset_by_the_environment_alone() -> None:
    env = small_env(random_candles(60))
    env.reset(seed=0)
    with pytest.raises(EpisodeError, match="reset\\(\\) the environment"):
        env.exchange.reset()
    while not any(env.step(1)[2:4]):
        pass
    with pytest.raises(EpisodeError, match="episode"):
        env.exchange.submit([Order("BTCUSDT", "buy", 1.0)])


def test_candles_are_those_that_have_closed_at_the_clock() -> None:
    whole = random_candles(60)
    exchange = SimulatedExchange(whole, slippage="none")
    with pytest.raises(EpisodeError, match="no account yet"):
        exchange.candles  # noqa: B018
    exchange.reset()
    first = exchange.candles
    assert first == whole.between(None, first.end)
    exchange.match()
    assert len(exchange.candles) == len(first) + 1
    assert exchange.candles.close[0, -1] == whole.close[0, len(first)]
    with pytest.raises(ValueError, match="read-only"):
        exchange.candles.close[0, 0] = 1.0


def test_an_environment_shows_the_candles_of_the_data_set_that_is_played() -> None:
    sets = [random_candles(40, seed=0), random_candles(50, seed=1)]
    env = small_env(sets)
    played = set()
    for seed in range(8):
        env.reset(seed=seed)
        env.step(0)
        found = env.exchange.candles
        (which,) = [k for k, one in enumerate(sets) if one.between(None, found.end) == found]
        assert found.end == int(env.engine.times[int(env.engine.state.accounts["row"][0])])
        played.add(which)
    assert played == {0, 1}


def test_a_truth_value_is_no_balance() -> None:
    with pytest.raises(ConfigurationError, match="starting_balance must be a positive number; got True"):
        SimulatedExchange("sample", starting_balance=True)
    assert SimulatedExchange("sample", starting_balance=np.float64(1.0)).starting_balance == 1.0
