"""Trade metrics of a backtest: round trips, and what was sold of a position that is still open; figures by hand."""

from typing import Any

import numpy as np
import pytest
from backtest_calls import begin, hours, look, order, step, stored
from serving import Served

from tradeready_gym.evaluation.round_trips import round_trips
from tradeready_gym.platform.sessions.pieces import realised_pieces

FIELDS = [("symbol", "i8"), ("side", "i8"), ("quantity", "f8"), ("price", "f8"), ("fee", "f8"), ("row", "i8")]


def fills_of(*lines: tuple[Any, ...]) -> np.ndarray:
    """Fills of symbol 0 from (side, quantity, price, fee, realised profit)."""
    fills = np.zeros(len(lines), [*FIELDS, ("realized_pnl", "f8")])
    for row, (side, quantity, price, fee, realised) in enumerate(lines):
        fills[row] = (0, side, quantity, price, fee, row, realised)
    return fills


def test_what_was_sold_of_an_open_position_is_a_piece_with_its_share_of_the_fees() -> None:
    # bought 2 at 100 for a fee of 2, half of which belongs to what is sold at 110: 10 - 1.1 - 1
    pieces = realised_pieces(fills_of((1, 2.0, 100.0, 2.0, 0.0), (-1, 1.0, 110.0, 1.1, 10.0)))
    assert pieces.profit.tolist() == pytest.approx([7.9])
    assert pieces.bars.tolist() == [1]
    assert (pieces.win_rate, pieces.profit_factor) == (100.0, None)


def test_sales_of_one_open_position_are_one_piece() -> None:
    # and then half of the rest at 90: its share of the fees is 0.5, so -5 - 0.45 - 0.5
    fills = fills_of((1, 2.0, 100.0, 2.0, 0.0), (-1, 1.0, 110.0, 1.1, 10.0), (-1, 0.5, 90.0, 0.45, -5.0))
    pieces = realised_pieces(fills)
    assert pieces.profit.tolist() == pytest.approx([7.9 - 5.95])
    assert pieces.bars.tolist() == [2]


def test_what_was_bought_and_not_sold_is_no_piece() -> None:
    pieces = realised_pieces(fills_of((1, 2.0, 100.0, 2.0, 0.0), (1, 1.0, 90.0, 0.9, 0.0)))
    assert len(pieces.profit) == 0
    assert pieces.win_rate is pieces.profit_factor is None


def test_a_position_that_was_closed_is_its_round_trip_and_nothing_else() -> None:
    fills = fills_of(
        (1, 2.0, 100.0, 2.0, 0.0), (-1, 1.0, 110.0, 1.1, 10.0), (-1, 1.0, 90.0, 0.9, -10.0), (1, 1.0, 50.0, 0.5, 0.0)
    )
    pieces = realised_pieces(fills)
    assert pieces.profit.tolist() == pytest.approx([10.0 - 10.0 - 2.0 - 1.1 - 0.9])
    assert pieces.profit.tolist() == round_trips(fills).profit.tolist()
    # and what was sold of the next one
    more = realised_pieces(np.append(fills, fills_of(*[(0,) * 5] * 4, (-1, 0.5, 60.0, 0.3, 5.0))[-1:]))
    assert more.profit.tolist() == pytest.approx([-4.0, 5.0 - 0.3 - 0.25])
    assert more.win_rate == 50.0
    assert more.profit_factor == pytest.approx(4.45 / 4.0)


def test_a_short_position_and_a_fill_through_zero_count_alike() -> None:
    # sold 1 at 100, bought back a half at 80; then from -0.5 to +1 at 90, of whose fee two thirds are the new position's
    fills = fills_of(
        (-1, 1.0, 100.0, 1.0, 0.0), (1, 0.5, 80.0, 0.4, 10.0), (1, 1.5, 90.0, 1.5, 5.0), (-1, 0.5, 100.0, 0.5, 5.0)
    )
    first, second = realised_pieces(fills).profit.tolist()
    assert first == pytest.approx(10.0 + 5.0 - 1.0 - 0.4 - 0.5)
    assert second == pytest.approx(5.0 - 0.5 - 0.5)
    assert len(realised_pieces(fills[:2]).profit) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_pieces_and_what_is_left_of_the_fees_make_up_what_was_realised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = average = 0.0
    lines = []
    for _ in range(200):
        price, quantity = float(rng.uniform(50, 150)), float(rng.integers(1, 5))
        side = 1 if held == 0.0 or rng.random() < 0.5 else -1
        quantity = quantity if side > 0 else min(quantity, held)
        realised = 0.0 if side > 0 else quantity * (price - average)
        average = (average * held + price * quantity) / (held + quantity) if side > 0 else average
        held += side * quantity
        lines.append((side, quantity, price, 0.001 * price * quantity, realised))
    fills = fills_of(*lines)
    fees_left = _fees_left(lines)
    found = float(realised_pieces(fills).profit.sum())
    assert found == pytest.approx(fills["realized_pnl"].sum() - fills["fee"].sum() + fees_left)


def _fees_left(lines: list[tuple[Any, ...]]) -> float:
    # of what is held, lot by lot at the average: what its purchases cost in fees
    held = fees = 0.0
    for side, quantity, _, fee, _ in lines:
        if side > 0:
            held, fees = held + quantity, fees + fee
        else:
            held, fees = held - quantity, fees * (1.0 - quantity / held)
    return fees


def test_a_partial_sale_has_its_figures_in_the_results(fresh_server: Served) -> None:
    plan = stored(fresh_server.platform, hours([100.0] * 4 + [110.0] * 20))
    session = begin(fresh_server.client, **plan, fee_rate="0.01")
    order(fresh_server.client, session, "buy", 2)  # at 100.01, for a fee of 2.0002
    step(fresh_server.client, session, 6)
    order(fresh_server.client, session, "sell", 1)  # at 109.989, for a fee of 1.09989
    step(fresh_server.client, session, 10_000)

    results = look(fresh_server.client, session, "results")
    metrics, pair = results["metrics"], results["by_pair"][0]
    assert float(metrics["avg_win"]) == pytest.approx(9.979 - 1.09989 - 1.0001, abs=1e-8)
    assert metrics["best_trade"] == metrics["worst_trade"] == metrics["avg_win"]
    assert (metrics["win_rate"], metrics["profit_factor"], metrics["avg_loss"]) == ("100.00", None, None)
    assert (metrics["avg_trade_duration_minutes"], metrics["trades_per_day"]) == ("360.00", "2.00")
    assert (pair["trades"], pair["wins"], pair["losses"], pair["win_rate"]) == (2, 1, 0, "100.00")
    best = fresh_server.client.get("/api/v1/backtest/best?metric=win_rate").json()
    assert (best["session_id"], best["value"]) == (session, "100.00")


def test_the_rate_of_wins_of_a_symbol_is_a_string_also_before_a_sale(fresh_server: Served) -> None:
    session = begin(fresh_server.client, **stored(fresh_server.platform, hours([100.0] * 24)))
    order(fresh_server.client, session, "buy", 1)
    step(fresh_server.client, session, 10_000)
    results = look(fresh_server.client, session, "results")
    assert results["by_pair"][0]["win_rate"] == "0.00"
    assert results["metrics"]["win_rate"] is None
