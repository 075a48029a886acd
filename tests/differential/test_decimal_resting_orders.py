"""Hand-computed cases of the reference: limits, stops, brackets, locks and the pessimistic order inside a candle."""

from decimal import Decimal

import pytest
from decimal_ledger import Episode, FixedSlippage, HoldBuySell, Instrument, StepResult
from worlds import CLOSED, episode_of, episode_on, near, only_fill, order, reasons, series_of

FLAT = (100.0, 100.0, 100.0, 100.0)
ONE_PER_CENT = FixedSlippage(0.01)


def holding(quantity: float, *candles: tuple[float, float, float, float], **parameters: object) -> Episode:
    episode = episode_of(FLAT, *candles, fee_rate=0.0, **parameters)
    episode.step(submit=[order("buy", "market", quantity)])
    return episode


def test_limit_buy_locks_its_cost_with_the_fee_and_cancelling_frees_exactly_that() -> None:
    episode = episode_of(FLAT, FLAT)
    locked = episode.step(submit=[order("buy", "limit", 10.0, 90.0)])
    assert near(locked.locked_cash, "900.9") and near(locked.cash, "9099.1")
    freed = episode.step(cancel=[0])
    assert [freed.cash, freed.locked_cash, freed.open_orders] == [10_000, 0, []]


def test_a_touch_is_not_enough_for_a_limit_and_trading_through_fills_at_the_limit() -> None:
    episode = episode_of((100.0, 100.0, 90.0, 95.0), (95.0, 95.0, 89.0, 95.0), slippage=ONE_PER_CENT)
    assert not episode.step(submit=[order("buy", "limit", 10.0, 90.0)]).fills
    fill = only_fill(episode.step())
    assert [fill.price, fill.slippage] == [90, 0]


def test_a_limit_that_rested_fills_at_a_better_open_without_slippage_at_the_maker_fee() -> None:
    episode = episode_of(FLAT, (80.0, 85.0, 80.0, 85.0), slippage=ONE_PER_CENT, maker_fee_rate=0.0)
    episode.step(submit=[order("buy", "limit", 10.0, 90.0)])
    result = episode.step()
    assert [only_fill(result).price, only_fill(result).fee] == [80, 0]
    assert [result.cash, result.locked_cash] == [9200, 0]


@pytest.mark.parametrize(("limit", "price"), [(102.0, "101"), (100.5, "100.5"), (100.0, "100")])
def test_a_limit_that_is_marketable_when_submitted_slips_at_most_to_its_limit_as_a_taker(
    limit: float, price: str
) -> None:
    episode = episode_of(FLAT, slippage=ONE_PER_CENT, maker_fee_rate=0.0)
    fill = only_fill(episode.step(submit=[order("buy", "limit", 10.0, limit)]))
    assert near(fill.price, price) and near(fill.fee, str(Decimal(price) / 100))


def test_limit_and_take_profit_sells_mirror_the_buys() -> None:
    for kind in ("limit", "take_profit"):
        episode = holding(10.0, (100.0, 110.0, 100.0, 105.0), (105.0, 111.0, 105.0, 105.0))
        assert not episode.step(submit=[order("sell", kind, 10.0, 110.0)]).fills
        assert only_fill(episode.step()).price == 110
        better = holding(10.0, FLAT, (120.0,) * 4)
        better.step(submit=[order("sell", kind, 10.0, 110.0)])
        assert only_fill(better.step()).price == 120


def test_an_order_may_fill_in_the_candle_that_begins_at_its_submission_as_a_taker() -> None:
    episode = episode_of((100.0, 100.0, 80.0, 90.0), maker_fee_rate=0.0)
    fill = only_fill(episode.step(submit=[order("buy", "limit", 1.0, 90.0)]))
    assert near(fill.fee, "0.09")


def test_stop_sell_fills_at_its_trigger_or_a_lower_open_less_slippage() -> None:
    for candle, price in (((100.0, 100.0, 95.0, 98.0), "94.05"), ((90.0, 99.0, 85.0, 98.0), "89.1")):
        episode = holding(10.0, candle, slippage=ONE_PER_CENT)
        assert near(only_fill(episode.step(submit=[order("sell", "stop_loss", 10.0, 95.0)])).price, price)


def test_stop_sell_does_not_trigger_above_its_price() -> None:
    episode = holding(10.0, (100.0, 100.0, 95.01, 98.0))
    result = episode.step(submit=[order("sell", "stop_loss", 10.0, 95.0)])
    assert not result.fills and result.locked_positions == [10]


def test_stop_buy_locks_with_the_largest_slippage_and_is_cut_to_its_lock() -> None:
    episode = episode_of(FLAT, (220.0,) * 4, fee_rate=0.0, slippage=ONE_PER_CENT)
    waiting = episode.step(submit=[order("buy", "stop_loss", 10.0, 110.0)])
    assert near(waiting.locked_cash, "1111")  # 10 * 110 * 1.01
    result = episode.step()
    assert near(only_fill(result).price, "222.2") and near(only_fill(result).quantity, "5")
    assert result.locked_cash == 0 and near(result.cash, "8889") and not result.open_orders


def test_stop_buy_inside_the_candle_fills_at_its_trigger_plus_slippage_and_the_rest_of_the_lock_is_freed() -> None:
    episode = episode_of((100.0, 110.0, 100.0, 105.0), fee_rate=0.0)
    result = episode.step(submit=[order("buy", "stop_loss", 10.0, 110.0)])
    assert only_fill(result).price == 110
    assert [result.cash, result.locked_cash] == [8900, 0]


def test_a_stop_buy_that_affords_no_lot_ends_and_frees_its_lock() -> None:
    episode = episode_of(FLAT, (300.0,) * 4, instruments=(Instrument(lot_size=1.0),))
    episode.step(submit=[order("buy", "stop_loss", 1.0, 110.0)])
    result = episode.step()
    assert not result.fills and not result.rejects and not result.open_orders
    assert [result.cash, result.locked_cash] == [10_000, 0]


def test_resting_orders_wait_through_a_gap() -> None:
    episode = episode_of(FLAT, CLOSED, (80.0,) * 4, fee_rate=0.0)
    episode.step(submit=[order("buy", "limit", 10.0, 90.0)])
    assert not episode.step().fills
    assert only_fill(episode.step()).price == 80


def test_a_resting_sell_locks_its_quantity() -> None:
    episode = holding(10.0, FLAT, FLAT)
    first = episode.step(submit=[order("sell", "limit", 8.0, 200.0), order("sell", "market", 3.0)])
    assert reasons(first) == ["insufficient_position"] and first.locked_positions == [8]
    assert episode.step(cancel=[1], submit=[order("sell", "market", 10.0)]).positions == [0]


def test_the_rest_of_a_capped_limit_waits_with_its_part_of_the_lock() -> None:
    market = series_of(FLAT, (90.0,) * 4, (90.0,) * 4, volume=100.0)
    episode = episode_on([market], max_volume_share=0.0625, fee_rate=0.0)
    episode.step(submit=[order("buy", "limit", 10.0, 95.0)])
    part = episode.step()
    assert only_fill(part).quantity == 6.25
    assert part.locked_cash == Decimal("356.25") and part.cash == 10_000 - Decimal("356.25") - Decimal("562.5")
    rest = episode.step()
    assert only_fill(rest).quantity == 3.75 and rest.locked_cash == 0 and rest.cash == 9100


def test_a_brackets_legs_activate_at_the_fill_lock_once_and_one_cancels_the_other() -> None:
    episode = episode_of(FLAT, FLAT, (100.0, 121.0, 100.0, 110.0), fee_rate=0.0)
    entered = episode.step(submit=[order("buy", "market", 10.0, stop_price=90.0, take_price=120.0)])
    assert entered.locked_positions == [10]
    assert [(one.order, one.leg) for one in entered.open_orders] == [(0, "stop"), (0, "take")]
    assert reasons(episode.step(submit=[order("sell", "market", 10.0)])) == ["insufficient_position"]
    left = episode.step()
    assert only_fill(left).leg == "take" and only_fill(left).price == 120
    assert left.open_orders == [] and left.locked_positions == [0] and left.cash == 10_200


def test_when_a_candle_reaches_both_legs_the_stop_is_taken() -> None:
    episode = episode_of((100.0, 130.0, 80.0, 100.0), fee_rate=0.0)
    result = episode.step(submit=[order("buy", "market", 10.0, stop_price=90.0, take_price=120.0)])
    assert [(fill.side, fill.leg) for fill in result.fills] == [("buy", ""), ("sell", "stop")]


def test_both_legs_may_exit_a_position_entered_at_the_open() -> None:
    episode = episode_of((100.0, 130.0, 95.0, 100.0), fee_rate=0.0)
    result = episode.step(submit=[order("buy", "market", 10.0, stop_price=90.0, take_price=120.0)])
    assert result.fills[1].price == 120


def test_a_position_entered_inside_a_candle_may_be_stopped_there_but_never_take_its_profit() -> None:
    entered = episode_of((100.0, 130.0, 94.0, 100.0), (100.0, 130.0, 100.0, 100.0), fee_rate=0.0)
    bracket = order("buy", "limit", 10.0, 95.0, stop_price=90.0, take_price=120.0)
    assert [fill.leg for fill in entered.step(submit=[bracket]).fills] == [""]
    assert only_fill(entered.step()).leg == "take"
    stopped = episode_of((100.0, 130.0, 90.0, 100.0), fee_rate=0.0)
    assert [fill.price for fill in stopped.step(submit=[bracket]).fills] == [95, 90]


def test_a_stop_leg_of_a_parent_that_filled_inside_does_not_sell_at_the_open_it_never_saw() -> None:
    bought_above = order("buy", "stop_loss", 10.0, 110.0, stop_price=105.0)
    result = episode_of((100.0, 112.0, 99.0, 108.0), fee_rate=0.0).step(submit=[bought_above])
    assert [fill.price for fill in result.fills] == [110, 105]
    stop_over_limit = order("buy", "limit", 10.0, 95.0, stop_price=98.0)
    result = episode_of((100.0, 100.0, 94.0, 96.0), fee_rate=0.0).step(submit=[stop_over_limit])
    assert [fill.price for fill in result.fills] == [95, 95]


def test_phases_run_open_entries_stops_profits_and_older_orders_first() -> None:
    episode = episode_of(FLAT, (100.0, 130.0, 80.0, 100.0), fee_rate=0.0)
    episode.step(submit=[order("buy", "market", 10.0)])
    result = episode.step(
        submit=[
            order("sell", "limit", 1.0, 120.0),
            order("sell", "stop_loss", 2.0, 90.0),
            order("buy", "limit", 3.0, 85.0),
            order("buy", "stop_loss", 4.0, 110.0),
            order("sell", "limit", 5.0, 99.0),
        ]
    )
    assert [fill.quantity for fill in result.fills] == [5, 3, 4, 2, 1]


def test_a_partially_filled_parent_protects_what_it_has_bought() -> None:
    market = series_of(FLAT, (100.0, 100.0, 89.0, 95.0), volume=64.0)
    episode = episode_on([market], max_volume_share=0.0625, fee_rate=0.0)
    first = episode.step(submit=[order("buy", "limit", 10.0, 100.0, stop_price=90.0)])
    assert first.positions == [4] and first.locked_positions == [4]
    second = episode.step()  # the open takes all of the candle's share, and the stop waits
    assert [fill.side for fill in second.fills] == ["buy"] and second.locked_positions == [8]


def test_a_cancellation_names_one_order_and_a_pairs_lock_stays_until_both_legs_are_gone() -> None:
    episode = episode_of(FLAT, FLAT, FLAT)
    episode.step(submit=[order("buy", "market", 10.0, stop_price=90.0, take_price=120.0)])
    kept = episode.step(cancel=[0, (0, "stop")], submit=[order("sell", "market", 10.0)])
    assert reasons(kept) == ["insufficient_position"] and [one.leg for one in kept.open_orders] == ["take"]
    result = episode.step(cancel=[(0, "take")], submit=[order("sell", "market", 10.0)])
    assert result.positions == [0] and result.locked_positions == [0] and result.open_orders == []


def test_a_further_fill_of_the_parent_joins_its_legs() -> None:
    market = series_of(FLAT, FLAT, FLAT, volume=64.0)
    episode = episode_on([market], max_volume_share=0.0625, fee_rate=0.0)
    episode.step(submit=[order("buy", "limit", 10.0, 100.0, stop_price=90.0, take_price=120.0)])
    for quantity in (4, 8, 10):
        result = episode.results[-1] if quantity == 4 else episode.step()
        legs = [(one.number, int(one.quantity)) for one in result.open_orders if one.leg]
        assert legs == [(2, quantity), (3, quantity)] and result.locked_positions == [quantity]


def test_a_cancelled_parent_never_activates_its_legs() -> None:
    episode = episode_of(FLAT, (100.0, 100.0, 50.0, 60.0))
    episode.step(submit=[order("buy", "limit", 10.0, 90.0, stop_price=80.0)])
    result = episode.step(cancel=[0])
    assert not result.fills and result.cash == 10_000


def test_a_schemes_sale_of_everything_first_cancels_the_resting_sells() -> None:
    episode = episode_of(FLAT, FLAT, scheme=HoldBuySell())
    episode.step(submit=[order("buy", "market", 10.0, stop_price=90.0), order("buy", "limit", 1.0, 50.0)])
    result: StepResult = episode.step(action=2)
    assert result.positions == [0] and result.locked_positions == [0]
    assert [one.order for one in result.open_orders] == [1]
