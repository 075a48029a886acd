"""Where the margin account of the engine and that of the Decimal ledger once disagreed: the smallest case, by hand."""

from typing import Any

import pytest
from adapter import EngineStep
from decimal_ledger import Continuous, Instrument, MarginTerms
from playing import FLAT, Candle, fills, played, reasons, submit
from worlds import order

HALF = (50.0, 50.0, 50.0, 50.0)


def on_margin(candles: list[Candle], script: list[dict[str, Any]], **parameters: Any) -> list[EngineStep]:
    """Leverage 2 on 10000 without fees; the engine and the reference have said the same."""
    return played(candles, script, **{"fee_rate": 0.0, "margin": MarginTerms(), **parameters})


def resting(step: EngineStep) -> list[tuple[str, Any]]:
    return [(one["side"], pytest.approx(one["quantity"])) for one in step.open_orders]


@pytest.mark.parametrize("volume", [20.0, 25.0])
def test_an_order_for_which_no_lot_of_volume_is_left_is_not_cut(volume: float) -> None:
    # at 200 only 100 of the 190 are affordable, but the market order has used up the 2 or 2.5 that the candle can fill
    script = [submit(order("buy", "stop_loss", 190.0, 101.0)), submit(order("buy", "market", 2.0))]
    lots = (Instrument(lot_size=1.0),)
    steps = on_margin([FLAT, (200.0,) * 4], script, volume=volume, max_volume_share=0.1, instruments=lots)
    assert len(fills(steps[1])) == 1 and resting(steps[1]) == [("buy", 190.0)]


def test_what_is_affordable_but_worth_nothing_is_not_filled() -> None:
    # 1e-11 at 100 is 1e-9: a tenth of what counts as rounding in an account of 10000
    orders = submit(order("buy", "limit", 10.0, 100.0), order("buy", "market", 200.0 - 1e-11))
    (step,) = on_margin([FLAT], [orders])
    assert [side for side, _, _ in fills(step)] == ["buy"] and step.open_orders == []


def test_a_bracket_does_not_guard_what_another_order_has_opened() -> None:
    bought = submit(order("buy", "market", 10.0))
    sold = submit(order("sell", "market", 4.0, stop_price=120.0, take_price=80.0), order("sell", "market", 20.0))
    steps = on_margin([FLAT, FLAT], [bought, sold])
    assert steps[1].positions == [-14.0] and steps[1].open_orders == []


def test_a_position_that_was_turned_inside_a_candle_takes_no_profit_there() -> None:
    shorted = submit(order("sell", "market", 10.0))
    turned = submit(order("buy", "limit", 20.0, 95.0, take_price=105.0))
    steps = on_margin([FLAT, (100.0, 110.0, 90.0, 100.0)], [shorted, turned])
    assert fills(steps[1]) == [("buy", 20.0, 95.0)] and resting(steps[1]) == [("sell", 10.0)]


def test_an_order_that_closes_all_but_rounding_leaves_nothing_in_the_book() -> None:
    parts = submit(order("sell", "market", 0.1), order("sell", "market", 0.2), order("buy", "limit", 0.3, 110.0))
    (step,) = on_margin([FLAT], [parts])
    assert step.positions == [0.0] and step.open_orders == []


def test_a_scheme_that_sells_what_it_holds_does_not_turn_short() -> None:
    script = [submit(order("buy", "market", 10.0), action=0.0), {"action": -1.0}, {"action": -1.0}]
    steps = on_margin([FLAT, FLAT, FLAT], script, scheme=Continuous(1.0))
    assert [step.positions for step in steps] == [[10.0], [0.0], [0.0]]


def test_legs_end_with_a_position_that_is_opened_again_in_the_same_candle() -> None:
    bracket = submit(order("sell", "market", 10.0, stop_price=110.0))
    around = submit(order("buy", "market", 20.0), order("sell", "market", 20.0))
    steps = on_margin([FLAT, FLAT], [bracket, around])
    assert steps[1].positions == [-10.0] and steps[1].open_orders == []


def test_a_leg_keeps_its_quantity_when_the_position_is_smaller_and_the_volume_is_capped() -> None:
    # 10 are bought at 2 a candle, 2 are sold again; then the stop of 10 closes 2 of the 8
    script = [submit(order("buy", "limit", 10.0, 100.0, stop_price=60.0)), {}, {}, {}, {}]
    script += [submit(order("sell", "market", 2.0)), {}]
    steps = on_margin([*[FLAT] * 6, HALF], script, volume=20.0, max_volume_share=0.1)
    assert steps[5].positions == pytest.approx([8.0]) and resting(steps[5]) == [("sell", 10.0)]
    assert steps[6].positions == pytest.approx([6.0]) and resting(steps[6]) == [("sell", 8.0)]


def test_a_resting_order_is_tested_at_the_larger_fee() -> None:
    # 90 x <= 2 * (10000 - 2.7 x) at the maker's 3 %: 209.6
    orders = submit(order("buy", "limit", 211.0, 90.0), order("buy", "limit", 209.0, 90.0))
    (step,) = on_margin([FLAT], [orders], fee_rate=0.001, maker_fee_rate=0.03)
    assert reasons(step) == ["insufficient_balance"] and resting(step) == [("buy", 209.0)]
