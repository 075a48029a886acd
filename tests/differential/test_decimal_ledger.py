"""Hand-computed cases that prove the Decimal reference itself: market orders, money, slippage, filters, rejections."""

from decimal import Decimal

import pytest
from decimal_ledger import (
    EpisodeOver,
    FixedSlippage,
    HalfSpreadSlippage,
    Instrument,
    NoSlippage,
    OrderRequest,
    Series,
    SquareRootSlippage,
    UniformSlippage,
    VolumeShareSlippage,
)
from reference.inputs import exact
from worlds import CLOSED, episode_of, episode_on, near, only_fill, order, reasons, series_of

FLAT = (100.0, 100.0, 100.0, 100.0)


def test_golden_vector_buy_and_sell_one_hundredth_at_100000() -> None:
    candle = (100_000.0,) * 4
    episode = episode_on([series_of(candle, candle, before=100_000.0)], slippage=FixedSlippage(0.0001))
    bought = episode.step(submit=[order("buy", "market", 0.01)])
    assert near(only_fill(bought).price, "100010") and near(only_fill(bought).fee, "1.0001")
    assert near(bought.cash, "8998.8999")
    sold = episode.step(submit=[order("sell", "market", 0.01)])
    assert near(only_fill(sold).price, "99990") and near(only_fill(sold).fee, "0.9999")
    assert near(sold.realized_pnl, "-0.20") and near(sold.equity, "9997.80")
    assert sold.positions == [0] and sold.average_entries == [0]


def test_market_orders_fill_at_the_open_and_are_marked_at_the_close() -> None:
    result = episode_of((110.0, 130.0, 90.0, 120.0), fee_rate=0.0).step(submit=[order("buy", "market", 10.0)])
    assert only_fill(result).price == 110
    assert [result.cash, result.equity, result.unrealized_pnl] == [8900, 10_100, 100]


def test_fill_at_close_takes_the_last_visible_close() -> None:
    episode = episode_of((110.0, 130.0, 90.0, 120.0), fee_rate=0.0, fill_at="close")
    assert only_fill(episode.step(submit=[order("buy", "market", 10.0)])).price == 100


def test_average_entry_excludes_fees_and_realised_pnl_follows_it() -> None:
    episode = episode_of(FLAT, (130.0,) * 4, (150.0,) * 4, fee_rate=0.01)
    episode.step(submit=[order("buy", "market", 10.0)])
    second = episode.step(submit=[order("buy", "market", 5.0)])
    assert second.average_entries == [110]
    third = episode.step(submit=[order("sell", "market", 6.0)])
    assert only_fill(third).realized_pnl == 240 and third.average_entries == [110]
    assert near(third.fees_paid, "25.5")  # 1 % of 1000 + 650 + 900
    assert near(third.equity, "10574.5")  # 10000 + 240 + 9 * 40 - 25.5


def test_explicit_buy_that_cash_does_not_cover_is_rejected_whole_and_changes_nothing() -> None:
    result = episode_of(FLAT).step(submit=[order("buy", "market", 100.0)])
    assert reasons(result) == ["insufficient_balance"]
    assert not result.fills and result.cash == 10_000


def test_explicit_buy_of_exactly_the_cash_is_accepted() -> None:
    result = episode_of(FLAT, fee_rate=0.0).step(submit=[order("buy", "market", 100.0)])
    assert result.cash == 0 and result.positions == [100]


def test_cash_that_a_resting_order_locked_cannot_be_spent() -> None:
    episode = episode_of(FLAT, fee_rate=0.0)
    result = episode.step(submit=[order("buy", "limit", 50.0, 90.0), order("buy", "market", 60.0)])
    assert reasons(result) == ["insufficient_balance"]
    assert [result.cash, result.locked_cash, result.equity] == [5500, 4500, 10_000]


def test_orders_of_a_person_are_taken_in_order_of_submission() -> None:
    episode = episode_of(FLAT, FLAT, fee_rate=0.0)
    episode.step(submit=[order("buy", "market", 100.0)])
    refused_first = episode.step(submit=[order("buy", "market", 1.0), order("sell", "market", 100.0)])
    assert reasons(refused_first) == ["insufficient_balance"] and refused_first.cash == 10_000


def test_selling_what_is_not_held_is_rejected_whole() -> None:
    episode = episode_of(FLAT, FLAT)
    assert reasons(episode.step(submit=[order("sell", "market", 1.0)])) == ["insufficient_position"]
    result = episode.step(submit=[order("buy", "market", 1.0), order("sell", "market", 1.5)])
    assert reasons(result) == ["insufficient_position"] and result.positions == [1]


def test_a_holding_bought_in_parts_can_be_sold_as_their_float_sum() -> None:
    result = episode_of(FLAT).step(
        submit=[order("buy", "market", 0.1), order("buy", "market", 0.2), order("sell", "market", 0.1 + 0.2)]
    )
    assert result.positions == [0] and not result.rejects


def test_nothing_trades_in_a_gap_or_in_a_candle_without_volume() -> None:
    empty = Series([100.0] * 3, [100.0] * 3, [100.0] * 3, [100.0] * 3, [1.0, 0.0, 1.0], [False, False, False])
    assert reasons(episode_on([empty]).step(submit=[order("buy", "market", 1.0)])) == ["market_closed"]
    gap = episode_of((120.0,) * 4, CLOSED)
    gap.step(submit=[order("buy", "market", 1.0)])
    result = gap.step(submit=[order("sell", "market", 1.0)])
    assert reasons(result) == ["market_closed"]
    assert result.equity == gap.results[0].equity


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (order("buy", "market", 1.0, symbol=1), "unknown_symbol"),
        (order("buy", "market", 0.0), "invalid_quantity"),
        (order("buy", "market", float("nan")), "invalid_quantity"),
        (order("buy", "limit", 1.0), "invalid_price"),
        (order("buy", "limit", 1.0, -5.0), "invalid_price"),
        (order("buy", "market", 1.0, 100.0), "invalid_price"),
        (order("buy", "market", 1.0, stop_price=100.0, take_price=90.0), "invalid_price"),
        (order("buy", "market", 1e-8), "min_notional"),
        (order("buy", "limit", 1000.0, 100.0), "insufficient_balance"),
        (order("sell", "stop_loss", 1.0, 90.0), "insufficient_position"),
    ],
)
def test_a_refused_order_carries_its_reason_and_changes_nothing(request_: OrderRequest, reason: str) -> None:
    result = episode_of(FLAT).step(submit=[request_])
    assert reasons(result) == [reason]
    assert [result.cash, result.locked_cash, result.positions, result.fees_paid] == [10_000, 0, [0], 0]


def test_lots_are_floored_and_the_remainder_stays_as_dust() -> None:
    lots = (Instrument(lot_size=0.25),)
    episode = episode_of(FLAT, FLAT, instruments=lots, fee_rate=0.0)
    bought = episode.step(submit=[order("buy", "market", 1.6)])
    assert bought.positions == [1.5]
    refused = episode.step(submit=[order("sell", "market", 0.2), order("sell", "market", 1.3)])
    assert reasons(refused) == ["invalid_quantity"] and refused.positions == [0.25]


def test_three_tenths_are_three_lots_of_a_tenth() -> None:
    result = episode_of(FLAT, instruments=(Instrument(lot_size=0.1),)).step(submit=[order("buy", "market", 0.3)])
    assert result.positions == [exact(0.3)]


def test_limits_off_the_tick_are_rejected_and_slipped_prices_round_against_the_trader() -> None:
    ticks = (Instrument(tick_size=0.5),)
    episode = episode_of(FLAT, FLAT, instruments=ticks, slippage=FixedSlippage(0.001))
    result = episode.step(submit=[order("buy", "limit", 1.0, 99.7), order("buy", "market", 1.0)])
    assert reasons(result) == ["invalid_price"]
    assert only_fill(result).price == 100.5  # 100.1, and no tick below it is fair
    assert only_fill(result).slippage == Decimal("0.005")
    assert only_fill(episode.step(submit=[order("sell", "market", 1.0)])).price == 99.5


def test_minimum_notional_is_judged_at_the_last_visible_close() -> None:
    episode = episode_of((200.0,) * 4, instruments=(Instrument(min_notional=150.0),))
    result = episode.step(submit=[order("buy", "market", 1.0), order("buy", "limit", 1.5, 50.0)])
    assert reasons(result) == ["min_notional"]
    assert [one.order for one in result.open_orders] == [1]


def test_volume_cap_cancels_the_rest_of_a_market_order_and_is_shared_in_one_candle() -> None:
    episode = episode_on([series_of(FLAT, volume=100.0)], max_volume_share=0.125, fee_rate=0.0)
    result = episode.step(submit=[order("buy", "market", 10.0), order("buy", "market", 10.0)])
    assert [fill.quantity for fill in result.fills] == [10, 2.5]
    assert not result.open_orders and not result.rejects


def test_volume_share_slippage_follows_order_value_over_the_volume_of_the_last_day() -> None:
    # V = 2 candles * 100 * 50 = 10000; v = 5 * 100 = 500; 0.1 * 0.05 = 0.005
    calm = Series([100.0] * 3, [100.0] * 3, [100.0] * 3, [100.0] * 3, [50.0, 50.0, 7.0], [False] * 3)
    episode = episode_on([calm], slippage=VolumeShareSlippage(), bars_per_day=2)
    assert near(only_fill(episode.step(submit=[order("buy", "market", 5.0)])).slippage, "0.005")


@pytest.mark.parametrize(("volume", "fraction"), [(1e9, "0.0001"), (1.0, "0.1"), (0.0, "0.1")])
def test_volume_share_slippage_is_clipped_and_largest_without_volume(volume: float, fraction: str) -> None:
    market = Series([100.0] * 2, [100.0] * 2, [100.0] * 2, [100.0] * 2, [volume, 9.0], [False] * 2)
    episode = episode_on([market], slippage=VolumeShareSlippage())
    assert near(only_fill(episode.step(submit=[order("buy", "market", 5.0)])).slippage, fraction)


def test_slippage_looks_at_the_last_visible_close_not_at_the_fill() -> None:
    # v = 5 * 100 although the fill is at 200; V = 100 * 1000
    episode = episode_of((200.0,) * 4, slippage=VolumeShareSlippage())
    assert near(only_fill(episode.step(submit=[order("buy", "market", 5.0)])).price, "200.1")


def test_constant_models_by_hand() -> None:
    for model, price in ((NoSlippage(), "100"), (FixedSlippage(0.01), "101"), (HalfSpreadSlippage(0.02), "101")):
        assert near(only_fill(episode_of(FLAT, slippage=model).step(submit=[order("buy", "market", 1.0)])).price, price)


def test_uniform_slippage_takes_the_draw_of_the_step_and_the_order() -> None:
    asked: list[tuple[int, int]] = []

    def draw(step: int, number: int) -> float:
        asked.append((step, number))
        return 0.25

    episode = episode_of(FLAT, FLAT, slippage=UniformSlippage(0.04), draw=draw)
    episode.step(submit=[order("buy", "market", 0.0)])
    assert near(only_fill(episode.step(submit=[order("buy", "market", 1.0)])).price, "101")
    assert asked == [(1, 2)]


def test_square_root_slippage_is_daily_volatility_times_the_root_of_the_volume_share() -> None:
    rising = [100.0, 110.0, 121.0, 121.0]
    episode = episode_on(
        [Series(rising, rising, rising, rising, [10.0] * 4, [False] * 4)],
        slippage=SquareRootSlippage(0.1),
        bars_per_day=2,
    )
    episode.step()
    # the second step sees the closes 110 and 121, and the return into each: 2 * ln(1.1)^2;
    # V = 110 * 10 + 121 * 10 = 2310; v = 1.21 * 121 = 146.41
    expected = Decimal("0.1") * (2 * Decimal("1.1").ln() ** 2).sqrt() * (Decimal("146.41") / 2310).sqrt()
    fill = only_fill(episode.step(submit=[order("buy", "market", 1.21)]))
    assert near(fill.slippage, str(expected))


def test_the_episode_ends_with_its_last_candle_and_a_step_after_it_is_an_error() -> None:
    episode = episode_of(FLAT)
    assert episode.step().terminated
    with pytest.raises(EpisodeOver):
        episode.step()


def test_ruin_truncates_as_documented_and_terminates_for_reinforcement_learning() -> None:
    crash = (100.0, 100.0, 1.0, 1.0)
    for ending, flags in (("documented", (False, True)), ("gymnasium", (True, False))):
        episode = episode_of(crash, FLAT, fee_rate=0.0, episode_end=ending)
        result = episode.step(submit=[order("buy", "market", 95.0)])
        assert (result.terminated, result.truncated) == flags
