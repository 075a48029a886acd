"""Where the engine and the Decimal ledger once disagreed: the smallest case of each, with the answer computed by hand.

Each case is run through both, so that they cannot drift apart again; the rules themselves are the [A..] of decimal_ledger.py.
"""

import math
from typing import Any

import pytest
from decimal_ledger import Continuous, FixedSlippage, HoldBuySell, Instrument
from playing import FLAT, fills, played, reasons, submit
from worlds import CLOSED, order


def test_checks_come_in_one_order_whatever_the_type() -> None:  # A2
    wrong = {"quantity": math.nan, "price": -1.0}
    everything = [
        order("buy", "limit", **wrong),
        order("buy", "limit", 1e-9, -1.0),
        order("buy", "limit", 1e-9, 1.0),
        order("buy", "market", 1e-9),
        order("buy", "market", 1e9),
        order("sell", "market", 1.0),
    ]
    (step,) = played([CLOSED], [submit(*everything)])
    first = ["invalid_quantity", "invalid_price", "min_notional", "min_notional", "market_closed", "market_closed"]
    assert reasons(step) == first


def test_a_limit_buy_locks_at_the_larger_fee() -> (
    None
):  # A3: at 0.001 the account would be overdrawn at the maker's fill
    steps = played([FLAT, FLAT], [submit(order("buy", "limit", 99.5, 90.0)), {}], maker_fee_rate=0.03)
    assert steps[0].info["locked_cash"] == pytest.approx(99.5 * 90.0 * 1.03)


def test_a_sell_that_misses_the_holding_by_rounding_leaves_nothing() -> None:  # A5
    parts = [order("buy", "market", 0.1), order("buy", "market", 0.2), order("sell", "market", 0.3)]
    (step,) = played([FLAT], [submit(*parts)])
    assert step.positions == [0.0] and step.average_entries == [0.0]


def test_resting_sells_of_all_the_parts_leave_nothing() -> None:  # A5: 0.1 + 0.2 - 0.1 - 0.2 is 2.8e-17
    bought = submit(order("buy", "market", 0.1), order("buy", "market", 0.2))
    sold = submit(order("sell", "limit", 0.1, 90.0), order("sell", "limit", 0.2, 90.0))
    steps = played([FLAT, FLAT], [bought, sold], fee_rate=0.0)
    assert steps[1].positions == [0.0] and steps[1].average_entries == [0.0]


def test_a_scheme_that_has_everything_locked_sells_nothing_and_is_not_refused() -> None:  # A7
    script = [submit(order("buy", "market", 10.0, stop_price=50.0), action=0.0), {"action": -1.0}]
    steps = played([FLAT, FLAT], script, scheme=Continuous())
    assert fills(steps[1]) == [] and reasons(steps[1]) == []


def test_a_schemes_buy_without_cash_is_refused_as_too_small() -> None:  # A7
    steps = played([FLAT, FLAT], [{"action": 1}, {"action": 1}], scheme=HoldBuySell(1.0))
    assert steps[0].info["available_cash"] == 0.0 and reasons(steps[1]) == ["min_notional"]


def test_filling_at_the_last_close_still_needs_a_candle_that_trades() -> None:  # A8
    buy = submit(order("buy", "market", 1.0))
    steps = played([FLAT, CLOSED, (120.0,) * 4], [buy, buy, buy], fill_at="close")
    assert [len(fills(step)) for step in steps] == [1, 0, 1] and reasons(steps[1]) == ["market_closed"]
    assert fills(steps[2])[0][2] == 100.0


def test_a_market_order_for_which_the_cap_leaves_nothing_is_cancelled_not_refused() -> None:  # A10
    twice = submit(order("buy", "market", 10.0), order("buy", "market", 10.0))
    (step,) = played([FLAT], [twice], volume=80.0, max_volume_share=0.125)
    assert [answer["status"] for answer in step.answers] == ["filled", "cancelled"] and reasons(step) == []


def test_a_take_profit_below_the_open_is_executable_at_the_open() -> None:  # A13
    bracket = order("buy", "market", 10.0, stop_price=50.0, take_price=105.0)
    (step,) = played([(110.0, 120.0, 40.0, 110.0)], [submit(bracket)], slippage=FixedSlippage(0.01))
    wanted: list[Any] = [("buy", 10.0, pytest.approx(111.1)), ("sell", 10.0, pytest.approx(108.9))]
    assert fills(step) == wanted


def test_legs_of_a_limit_that_fills_at_the_open_are_executable_at_the_open() -> None:  # A13
    # the low would stop it out, but what is executable at the open comes first
    bracket = order("buy", "limit", 10.0, 90.0, stop_price=70.0, take_price=78.0)
    steps = played([FLAT, (80.0, 100.0, 60.0, 100.0)], [submit(bracket), {}])
    assert fills(steps[1]) == [("buy", 10.0, 80.0), ("sell", 10.0, 80.0)]


def test_a_stop_leg_does_not_sell_at_an_open_that_its_position_never_saw() -> None:  # A17
    bought_above = order("buy", "stop_loss", 10.0, 110.0, stop_price=105.0)
    (step,) = played([(100.0, 112.0, 99.0, 108.0)], [submit(bought_above)])
    assert fills(step) == [("buy", 10.0, 110.0), ("sell", 10.0, 105.0)]
    stop_over_limit = order("buy", "limit", 10.0, 95.0, stop_price=98.0)
    (step,) = played([(100.0, 100.0, 94.0, 96.0)], [submit(stop_over_limit)])
    assert fills(step) == [("buy", 10.0, 95.0), ("sell", 10.0, 95.0)]


def test_a_limit_that_fills_in_parts_at_its_own_price_fills_to_the_end() -> None:
    # 10 * 80.02 * 1.001 * (3.3 / 10) is a hair less than 3.3 * 80.02 * 1.001: that is no reason to end the order
    candle = (81.0, 81.0, 80.0, 80.5)
    script = [submit(order("buy", "limit", 10.0, 80.02)), {}, {}, {}]
    steps = played([candle] * 4, script, volume=33.0, max_volume_share=0.1)
    assert steps[3].positions == [pytest.approx(10.0)] and steps[3].info["locked_cash"] == 0.0


def test_a_stop_buy_is_cut_to_its_lock_before_the_volume_caps_it() -> None:
    # 1100 are locked, which buys 5 at 220; 2 of them in each candle, and the rest waits
    candles = [FLAT, *[(220.0,) * 4] * 3]
    script = [submit(order("buy", "stop_loss", 10.0, 110.0)), {}, {}, {}]
    steps = played(candles, script, volume=20.0, max_volume_share=0.1, fee_rate=0.0)
    assert [step.positions[0] for step in steps] == pytest.approx([0.0, 2.0, 4.0, 5.0])
    assert steps[3].info["locked_cash"] == 0.0


@pytest.mark.parametrize("quantity", [math.nan, math.inf, -math.inf, -1.0, 0.0])
@pytest.mark.parametrize("kind", ["market", "limit"])
def test_an_impossible_quantity_is_refused_also_on_lots(quantity: float, kind: str) -> None:
    price = None if kind == "market" else 90.0
    (step,) = played([FLAT], [submit(order("buy", kind, quantity, price))], instruments=(Instrument(lot_size=0.1),))
    assert reasons(step) == ["invalid_quantity"]


def test_a_price_of_fifty_million_ticks_is_not_a_tick_off() -> None:
    # 50.006055 / 1e-6 is 50006055.00000001
    ticks = (Instrument(tick_size=1e-6),)
    (step,) = played([(50.006055,) * 4], [submit(order("buy", "market", 0.001))], instruments=ticks)
    assert fills(step)[0][2] == pytest.approx(50.006055, abs=1e-9)


def test_selling_everything_on_small_lots_leaves_no_lot() -> None:
    # 47787.7275 and 42359.93297 differ by 542779453 lots of 1e-5, less a rounding of almost a millionth of one
    script = [submit(order("buy", "market", 47_787.7275)), submit(order("sell", "market", 42_359.93297)), {"action": 2}]
    script = [{"action": 0, **entry} for entry in script]
    steps = played(
        [FLAT] * 3, script, starting_balance=1e8, instruments=(Instrument(lot_size=1e-5),), scheme=HoldBuySell()
    )
    assert steps[2].positions == [0.0]


def test_a_cap_that_is_used_up_but_for_rounding_fills_nothing_more() -> None:
    # 0.1 * 3 - 0.2 - 0.1 is 2.8e-17
    orders = [order("buy", "market", quantity) for quantity in (0.2, 10.0, 10.0)]
    (step,) = played([FLAT], [submit(*orders)], volume=3.0, max_volume_share=0.1)
    assert [answer["status"] for answer in step.answers] == ["filled", "filled", "cancelled"]


def test_the_legs_of_the_first_order_of_an_exchange_alone_are_a_pair() -> None:
    bracket = order("buy", "market", 10.0, stop_price=90.0, take_price=120.0)
    steps = played([FLAT, (100.0, 130.0, 95.0, 100.0)], [submit(bracket), submit()], alone=True)
    assert steps[0].locked_positions == [10.0]
    assert fills(steps[1]) == [("sell", 10.0, 120.0)] and steps[1].open_orders == []
