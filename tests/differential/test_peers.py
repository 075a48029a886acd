"""What other backtesters are given, and the comparison with them; they themselves run in the soak (peers/compare.py)."""

from collections import Counter
from dataclasses import replace

from peers.compare import case_of, engine_says, ledger_says, world_of, worst_difference, worst_trade
from peers.run_backtesting import whole_units


def test_peer_orders_are_whole_units_filled_whole_and_one_in_a_row() -> None:
    case, unit = case_of(seed=1, steps=120)
    world = world_of(case, unit)
    fills = [fill for result in case.results for fill in result.fills]
    assert len(fills) == len(world["orders"]) >= 20
    assert all(whole_units(quantity, unit) > 0 for _, _, quantity in world["orders"])
    assert set(Counter(row for row, _, _ in world["orders"]).values()) == {1}
    assert not [rejection for result in case.results for rejection in result.rejects]


def test_our_engine_and_the_ledger_agree_on_what_the_peers_are_asked() -> None:
    for seed in range(3):
        case, _ = case_of(seed, steps=120)
        ours, theirs = engine_says(case), ledger_says(case.results)
        assert worst_difference(ours, theirs, case.parameters.starting_balance) < 1e-14
        assert worst_trade(ours, theirs) < 1e-14


def test_the_comparison_sees_a_cent_a_missing_trade_and_a_wrong_price() -> None:
    case, _ = case_of(seed=2, steps=120)
    balance, told = case.parameters.starting_balance, ledger_says(case.results)
    assert worst_difference(told, replace(told, equity=[value + 0.01 for value in told.equity]), balance) > 1e-14
    assert worst_trade(told, replace(told, trades=told.trades[1:])) > 1
    dearer = [[row, side, quantity, price * 1.0001] for row, side, quantity, price in told.trades]
    assert worst_trade(told, replace(told, trades=dearer)) > 1e-5
