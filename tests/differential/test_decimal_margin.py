"""Hand-computed cases that prove the margin account of the Decimal reference: shorts, financing, margin, liquidation."""

from decimal import Decimal
from typing import Any

import pytest
from decimal_ledger import Episode, FixedSlippage, Instrument, MarginTerms, Series, StepResult, TargetPositions
from worlds import CLOSED, episode_of, episode_on, near, only_fill, order, reasons, series_of

FLAT = (100.0, 100.0, 100.0, 100.0)
DAILY = {"annual_borrow_rate": 0.36525}  # a thousandth a day


def account(*candles: tuple[float, float, float, float], **parameters: Any) -> Episode:
    """A margin account of 10000 without fees, on daily candles, unless the test says otherwise."""
    names = ("leverage", "maintenance", "annual_borrow_rate", "funding_rate", "funding_hours", "liquidation_fee")
    terms = MarginTerms(**{name: parameters.pop(name) for name in names if name in parameters})
    return episode_of(*candles, **{"fee_rate": 0.0, "max_loss": 1.0, "margin": terms, **parameters})


def fills(result: StepResult) -> list[tuple[Any, ...]]:
    return [(fill.side, fill.type, fill.quantity, fill.price) for fill in result.fills]


# ---- positions ----------------------------------------------------------------------------------------------------------


def test_a_short_round_trip_earns_the_fall_less_two_fees() -> None:
    episode = account(FLAT, (90.0,) * 4, fee_rate=0.001)
    opened = episode.step(submit=[order("sell", "market", 10.0)])
    assert near(opened.cash, "10999") and opened.positions == [-10] and opened.average_entries == [100]
    assert near(opened.equity, "9999") and opened.position_value == -1000
    closed = episode.step(submit=[order("buy", "market", 10.0)])
    assert only_fill(closed).realized_pnl == 100 and closed.positions == [0] and closed.average_entries == [0]
    assert near(closed.equity, "10098.1") and near(closed.fees_paid, "1.9")


def test_a_short_loses_when_the_price_rises() -> None:
    result = account((100.0, 120.0, 100.0, 120.0)).step(submit=[order("sell", "market", 10.0)])
    assert result.unrealized_pnl == -200 and result.equity == 9800


def test_a_trade_through_zero_closes_and_opens_at_one_price() -> None:
    episode = account(FLAT, (120.0,) * 4, fee_rate=0.001)
    episode.step(submit=[order("buy", "market", 10.0)])
    turned = episode.step(submit=[order("sell", "market", 25.0)])
    fill = only_fill(turned)
    assert fill.realized_pnl == 200 and near(fill.fee, "3")
    assert turned.positions == [-15] and turned.average_entries == [120]
    assert near(turned.equity, "10196")  # 10000 + 200 - 1 - 3


def test_the_two_trips_of_a_trade_through_zero_share_its_fee_by_quantity() -> None:
    episode = account(FLAT, (120.0,) * 4, (110.0,) * 4, fee_rate=0.01)
    for trade in (order("buy", "market", 10.0), order("sell", "market", 25.0), order("buy", "market", 15.0)):
        episode.step(submit=[trade])
    # 200 - 10 - 12 is won, then 150 - 18 - 16.5
    assert episode.metrics()["round_trips"] == 2 and episode.metrics()["win_rate"] == 1
    assert near(episode.results[-1].equity, "10293.5")


def test_adding_to_a_short_averages_and_closing_a_part_keeps_the_entry() -> None:
    episode = account(FLAT, (130.0,) * 4, (130.0,) * 4)
    episode.step(submit=[order("sell", "market", 10.0)])
    assert episode.step(submit=[order("sell", "market", 5.0)]).average_entries == [110]
    part = episode.step(submit=[order("buy", "market", 6.0)])
    assert part.average_entries == [110] and part.realized_pnl == -120


def test_closing_a_position_but_for_rounding_closes_it() -> None:
    parts = [order("sell", "market", 0.1), order("sell", "market", 0.2), order("buy", "market", 0.3)]
    result = account(FLAT).step(submit=parts)
    assert result.positions == [0] and result.average_entries == [0]


# ---- financing ----------------------------------------------------------------------------------------------------------


def test_borrowed_cash_costs_interest_from_the_second_candle() -> None:
    episode = account(FLAT, FLAT, CLOSED, **DAILY)
    assert episode.step(submit=[order("buy", "market", 150.0)]).financing_paid == 0
    second = episode.step()
    assert near(second.cash, "-5005") and near(second.financing_paid, "5")
    assert near(episode.step().financing_paid, "10.005")  # in a gap, too


def test_a_short_costs_interest_on_its_value_at_the_previous_close() -> None:
    episode = account((100.0, 110.0, 100.0, 110.0), FLAT, **DAILY)
    episode.step(submit=[order("sell", "market", 100.0)])
    second = episode.step()
    assert near(second.financing_paid, "11") and near(second.equity, "9989")


def test_what_is_closed_at_the_open_has_still_been_borrowed() -> None:
    episode = account(FLAT, FLAT, **DAILY)
    episode.step(submit=[order("sell", "market", 100.0)])
    assert near(episode.step(submit=[order("buy", "market", 100.0)]).cash, "9990")


def test_a_long_position_without_debt_costs_nothing() -> None:
    episode = account(FLAT, FLAT, **DAILY)
    episode.step(submit=[order("buy", "market", 100.0)])
    assert episode.step().financing_paid == 0


@pytest.mark.parametrize(("side", "paid"), [("buy", "0.3"), ("sell", "-0.3")])
def test_a_day_of_funding_is_three_payments_of_the_long_to_the_short(side: str, paid: str) -> None:
    episode = account(FLAT, FLAT, funding_rate=0.0001)
    assert episode.step(submit=[order(side, "market", 10.0)]).financing_paid == 0
    assert near(episode.step().financing_paid, paid)


@pytest.mark.parametrize(("hours", "steps"), [(8, [8, 16]), (4, [4, 8, 12, 16])])
def test_hourly_candles_pay_funding_at_the_hours_of_the_venue(hours: int, steps: list[int]) -> None:
    rows = 24 + 18
    flat = [100.0] * rows
    series = Series(flat, flat, flat, flat, [1000.0] * rows, [False] * rows)
    terms = MarginTerms(funding_rate=0.001, funding_hours=hours)
    episode = episode_on([series], bars_per_day=24, fee_rate=0.0, margin=terms)
    paid = [episode.step(submit=[order("buy", "market", 10.0)] if k == 0 else ()).financing_paid for k in range(18)]
    changes = [k for k in range(1, 18) if paid[k] != paid[k - 1]]
    assert changes == steps and near(paid[-1], str(len(steps)))


# ---- what the account affords -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_beyond_the_leverage_is_refused_whole(side: str) -> None:
    # 100 x <= 2 * (10000 - x) at a fee of 0.01: x = 20000 / 102
    episode = account(FLAT, FLAT, fee_rate=0.01)
    assert reasons(episode.step(submit=[order(side, "market", 196.1)])) == ["insufficient_balance"]
    assert reasons(episode.step(submit=[order(side, "market", 196.07)])) == []


def test_a_scheme_is_cut_to_the_leverage_after_its_fee() -> None:
    result = account(FLAT, fee_rate=0.01, scheme=TargetPositions((-3.0,))).step(0)
    assert near(only_fill(result).quantity, "196.0784313725490196")
    assert near(abs(result.position_value) / result.equity, "2")


def test_target_positions_turn_and_end_a_short() -> None:
    episode = account(FLAT, FLAT, FLAT, FLAT, scheme=TargetPositions((-1.0, 0.0, 1.0)))
    assert [episode.step(action).positions[0] for action in (0, 2, 0, 1)] == [-100, 100, -100, 0]


def test_closing_is_affordable_when_nothing_else_is() -> None:
    # at 75 the equity of 5000 allows 10000 of positions, and 15000 are held
    episode = account(FLAT, (75.0,) * 4, (75.0,) * 4, (75.0,) * 4)
    episode.step(submit=[order("buy", "market", 200.0)])
    refused = episode.step(submit=[order("buy", "market", 1.0)])
    assert reasons(refused) == ["insufficient_balance"] and refused.equity == 5000
    assert reasons(episode.step(submit=[order("sell", "market", 340.0)])) == ["insufficient_balance"]
    assert episode.step(submit=[order("sell", "market", 200.0)]).positions == [0]


def test_a_position_of_another_symbol_uses_up_the_leverage_at_its_open() -> None:
    series = [series_of((120.0, 120.0, 100.0, 100.0)), series_of(FLAT)]
    terms = MarginTerms(leverage=2.0)
    episode = episode_on(series, fee_rate=0.0, margin=terms)
    first = {**order("sell", "market", 100.0), "symbol": 1}
    # 20000 less the 10000 of the other symbol leaves 10000 / 120
    result = episode.step(submit=[first, order("buy", "market", 83.34), order("buy", "market", 83.33)])  # type: ignore[list-item]
    assert reasons(result) == ["insufficient_balance"] and near(result.positions[0], "83.33")


def test_a_resting_order_is_tested_at_its_own_price_and_cut_when_it_fills() -> None:
    episode = account(FLAT, (100.0, 100.0, 79.0, 80.0), FLAT)
    orders = [
        order("buy", "limit", 251.0, 80.0),
        order("buy", "limit", 250.0, 80.0),
        order("buy", "limit", 250.0, 80.0),
    ]
    assert reasons(episode.step(submit=orders)) == ["insufficient_balance"]  # 250 * 80 is 20000
    second = episode.step()
    assert fills(second) == [("buy", "limit", 250, 80)] and second.open_orders == []


# ---- resting orders -----------------------------------------------------------------------------------------------------


def test_a_bracket_on_a_short_stops_above_and_takes_below() -> None:
    bracket = order("sell", "market", 10.0, stop_price=110.0, take_price=90.0)
    episode = account(FLAT, (100.0, 112.0, 85.0, 100.0))
    assert [leg.side for leg in episode.step(submit=[bracket]).open_orders] == ["buy", "buy"]
    stopped = episode.step()
    assert fills(stopped) == [("buy", "stop_loss", 10, 110)] and stopped.open_orders == []
    taken = account(FLAT, (100.0, 105.0, 85.0, 100.0))
    taken.step(submit=[bracket])
    assert fills(taken.step()) == [("buy", "take_profit", 10, 90)]


def test_a_short_bracket_with_its_stop_below_its_take_profit_is_refused() -> None:
    bracket = order("sell", "market", 10.0, stop_price=90.0, take_price=110.0)
    assert reasons(account(FLAT).step(submit=[bracket])) == ["invalid_price"]


def test_legs_end_where_the_position_turns_and_close_no_more_than_is_held() -> None:
    bracket = order("buy", "market", 10.0, stop_price=50.0, take_price=200.0)
    episode = account(FLAT, FLAT, FLAT)
    episode.step(submit=[bracket])
    smaller = episode.step(submit=[order("sell", "market", 4.0)])
    assert [leg.quantity for leg in smaller.open_orders] == [10, 10]
    assert episode.step(submit=[order("sell", "market", 7.0)]).open_orders == []
    episode = account(FLAT, (100.0, 100.0, 45.0, 60.0))
    episode.step(submit=[bracket])
    stopped = episode.step(submit=[order("sell", "market", 4.0)])
    assert fills(stopped)[1:] == [("sell", "stop_loss", 6, 50)] and stopped.open_orders == []


def test_legs_are_for_the_part_of_a_trade_that_opens() -> None:
    episode = account(FLAT, FLAT)
    episode.step(submit=[order("sell", "market", 4.0)])
    turned = episode.step(submit=[order("buy", "market", 10.0, stop_price=50.0)])
    assert [leg.side for leg in turned.open_orders] == ["sell"] and turned.open_orders[0].quantity == 6


def test_a_bracket_that_only_closes_has_no_legs() -> None:
    episode = account(FLAT, FLAT)
    episode.step(submit=[order("sell", "market", 10.0)])
    closing = order("buy", "market", 4.0, stop_price=50.0, take_price=200.0)
    assert episode.step(submit=[closing]).open_orders == []


def test_a_sell_that_opens_is_an_entry_and_one_that_closes_waits_for_the_stops() -> None:
    # flat: the sell limit fills in (b), and its own stop at 107 is then reached in (c)
    entry = order("sell", "limit", 10.0, 105.0, stop_price=107.0)
    assert fills(account((100.0, 108.0, 99.0, 100.0)).step(submit=[entry])) == [
        ("sell", "limit", 10, 105),
        ("buy", "stop_loss", 10, 107),
    ]
    # long: the same sell limit is an exit in (d), and the stop of 95 comes before it
    episode = account(FLAT, (100.0, 108.0, 94.0, 100.0))
    episode.step(submit=[order("buy", "market", 10.0)])
    stop = order("sell", "stop_loss", 10.0, 95.0)
    exits = episode.step(submit=[order("sell", "limit", 10.0, 105.0), stop])
    assert fills(exits) == [("sell", "stop_loss", 10, 95)]
    assert [one.type for one in exits.open_orders] == ["limit"]


def test_a_position_of_this_candle_takes_no_profit_in_it() -> None:
    orders = [order("buy", "limit", 10.0, 95.0), order("sell", "limit", 10.0, 105.0)]
    result = account((100.0, 110.0, 90.0, 100.0)).step(submit=orders)
    assert fills(result) == [("buy", "limit", 10, 95)]


def test_a_capped_candle_fills_a_part_of_a_short() -> None:
    episode = episode_on([series_of(FLAT, FLAT, volume=40.0)], fee_rate=0.0, margin=MarginTerms(), max_volume_share=0.1)
    first = episode.step(submit=[order("sell", "limit", 10.0, 99.0)])
    assert near(first.positions[0], "-4") and near(first.open_orders[0].quantity, "6")
    assert near(episode.step().positions[0], "-8")


# ---- maintenance --------------------------------------------------------------------------------------------------------

LONG = order("buy", "market", 150.0)  # cash -5000: 142.5 * p < 5000 below 35.09
SHORT = order("sell", "market", 150.0)  # cash 25000: 25000 < 157.5 * p above 158.73


def test_an_account_below_its_maintenance_margin_is_liquidated_at_the_low() -> None:
    episode = account(FLAT, (100.0, 100.0, 35.1, 100.0), (100.0, 100.0, 34.0, 100.0))
    episode.step(submit=[LONG])
    assert episode.step().fills == []
    result = episode.step(submit=[order("sell", "limit", 1.0, 100.5)])
    assert fills(result) == [("sell", "liquidation", 150, 34)]
    assert near(only_fill(result).fee, "25.5") and near(result.cash, "74.5")  # 5100 - 5000 - 0.005 * 5100
    assert result.open_orders == [] and result.bankruptcy_loss == 0 and result.positions == [0]


def test_a_short_account_is_liquidated_at_the_high() -> None:
    episode = account(FLAT, (100.0, 158.0, 100.0, 100.0), (100.0, 160.0, 100.0, 100.0))
    episode.step(submit=[SHORT])
    assert episode.step().fills == []
    result = episode.step()
    assert fills(result) == [("buy", "liquidation", 150, 160)] and near(result.cash, "880")  # 25000 - 24000 - 120


def test_what_a_liquidation_cannot_pay_is_a_bankruptcy_loss() -> None:
    episode = account(FLAT, (100.0, 100.0, 30.0, 90.0), FLAT)
    episode.step(submit=[LONG])
    result = episode.step()
    assert result.equity == result.cash == 0 and near(result.bankruptcy_loss, "522.5")  # 4500 - 5000 - 22.5
    assert near(result.realized_pnl - result.fees_paid + result.bankruptcy_loss, "-10000")


def test_liquidation_prices_slip_and_round_against_the_trader() -> None:
    ticks = (Instrument(tick_size=0.5, lot_size=100.0),)
    episode = account(FLAT, (100.0, 160.0, 100.0, 100.0), slippage=FixedSlippage(0.001), instruments=ticks)
    episode.step(submit=[order("sell", "market", 100.0), order("sell", "market", 100.0)])
    result = episode.step()
    assert fills(result) == [("buy", "liquidation", 200, Decimal("160.5"))]


def test_a_stop_that_triggers_first_saves_the_account() -> None:
    episode = account(FLAT, (100.0, 100.0, 30.0, 90.0))
    episode.step(submit=[LONG])
    result = episode.step(submit=[order("sell", "stop_loss", 150.0, 50.0)])
    assert fills(result) == [("sell", "stop_loss", 150, 50)] and result.cash == 2500


def test_a_stop_beyond_the_maintenance_price_comes_too_late() -> None:
    # at 35 the equity of 250 is below 0.05 * 5250
    episode = account(FLAT, (100.0, 100.0, 30.0, 90.0))
    episode.step(submit=[LONG])
    assert fills(episode.step(submit=[order("sell", "stop_loss", 150.0, 35.0)])) == [("sell", "liquidation", 150, 30)]


def test_a_stop_at_the_open_comes_before_the_liquidation() -> None:
    episode = account(FLAT, (34.0, 34.0, 30.0, 34.0))
    episode.step(submit=[LONG])
    result = episode.step(submit=[order("sell", "stop_loss", 150.0, 50.0)])
    assert fills(result) == [("sell", "stop_loss", 150, 34)] and result.cash == 100


def test_a_liquidation_comes_before_a_profit_of_the_same_candle() -> None:
    episode = account(FLAT, (100.0, 120.0, 30.0, 90.0))
    episode.step(submit=[LONG])
    assert fills(episode.step(submit=[order("sell", "limit", 150.0, 110.0)])) == [("sell", "liquidation", 150, 30)]


def test_the_worst_prices_count_together() -> None:
    # long 80 at a low of 70 and short 80 at a high of 130 are 5200 left of 10000, which the two lows alone are not
    candles = (100.0, 130.0, 70.0, 100.0)
    series = [series_of(FLAT, candles), series_of(FLAT, candles)]
    episode = episode_on(series, fee_rate=0.0, margin=MarginTerms(maintenance=0.33), max_loss=1.0)
    short = {**order("sell", "market", 80.0), "symbol": 1}
    episode.step(submit=[order("buy", "market", 80.0), short])  # type: ignore[list-item]
    result = episode.step()
    assert [(side, price) for side, _, _, price in fills(result)] == [("sell", 70), ("buy", 130)]


def test_interest_can_liquidate_an_account_in_a_gap() -> None:
    # a charge of 9900 on the 10000 that are borrowed leaves 100, and that is the liquidation fee
    episode = account(FLAT, CLOSED, annual_borrow_rate=0.99 * 365.25)
    episode.step(submit=[order("buy", "market", 200.0)])
    result = episode.step()
    assert fills(result) == [("sell", "liquidation", 200, 100)] and near(result.cash, "0")
    assert near(result.bankruptcy_loss, "0")
