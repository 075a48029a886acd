"""The worlds that other backtesters are given: every order can be said in their words and is filled by the reference."""

from collections import Counter

from peers.compare import world_of, worst_difference, worst_trade
from peers.run_backtesting import whole_units


def test_peer_orders_are_whole_units_filled_whole_and_one_in_a_row() -> None:
    world, results = world_of(seed=1, steps=120)
    fills = [fill for result in results for fill in result.fills]
    assert len(fills) == len(world["orders"]) >= 20
    assert all(whole_units(quantity, world["unit"]) > 0 for _, _, quantity in world["orders"])
    assert set(Counter(row for row, _, _ in world["orders"]).values()) == {1}
    assert not [rejection for result in results for rejection in result.rejects]


def test_the_comparison_sees_a_cent_and_a_missing_trade() -> None:
    world, results = world_of(seed=2, steps=120)
    equity = [float(result.equity) for result in results]
    trades = [
        [fill.row - results[0].row, fill.side, float(fill.quantity), float(fill.price)]
        for r in results
        for fill in r.fills
    ]
    assert worst_difference(results, equity, world["starting_balance"]) < 1e-15
    assert worst_trade(results, trades) < 1e-15
    assert worst_difference(results, [value + 0.01 for value in equity], world["starting_balance"]) > 1e-14
    assert worst_trade(results, trades[1:]) > 1
