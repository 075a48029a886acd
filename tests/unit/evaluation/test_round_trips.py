"""Round trips against hand numbers and an exact ledger that goes fill by fill."""

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import round_trips
from tradeready_gym.evaluation.round_trips import RoundTrips

FIELDS = [("symbol", "i8"), ("side", "i8"), ("quantity", "f8"), ("price", "f8"), ("fee", "f8"), ("row", "i8")]


def fills_of(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(list(rows), np.dtype(FIELDS))


@dataclass
class Trip:
    """A trip as it is counted by hand."""

    symbol: int
    side: int
    opened: int
    closed: int = -1
    profit: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)


def counted_one_by_one(fills: np.ndarray, *, splits: bool = True) -> list[Trip]:
    """Average-cost books in exact numbers; with `splits=False` a fill through zero is never closed (a planted defect)."""
    held: dict[int, Fraction] = {}
    entry: dict[int, Fraction] = {}
    trips: dict[int, Trip] = {}
    done = []
    for symbol, side, q, p, f, row in fills.tolist():
        quantity, price, fee = Fraction(str(q)), Fraction(str(p)), Fraction(str(f))
        before = held.get(symbol, Fraction(0))
        closing = min(quantity, abs(before)) if before * side < 0 else Fraction(0)
        if closing:
            trip = trips[symbol]
            share = fee * closing / quantity
            trip.profit += (price - entry[symbol]) * closing * trip.side - share
            trip.fees += share
            before += side * closing
            if before == 0 and (splits or closing == quantity):
                trip.closed = row
                done.append(trips.pop(symbol))
        opening = quantity - closing
        if opening:
            trip = trips.setdefault(symbol, Trip(symbol, side, row))
            share = fee * opening / quantity
            trip.profit -= share
            trip.fees += share
            total = abs(before) + opening
            entry[symbol] = (entry.get(symbol, Fraction(0)) * abs(before) + price * opening) / total
            before += side * opening
        held[symbol] = before
    return done


def random_fills(seed: int, count: int = 300) -> np.ndarray:
    draw = random.Random(seed)
    held = {0: 0, 1: 0}
    rows = []
    for row in range(count):
        symbol, side = draw.choice([0, 1]), draw.choice([-1, 1])
        quantity = draw.randint(1, 9)
        if held[symbol] and draw.random() < 0.5:  # exactly flat, so that there are trips without a flip too
            quantity, side = abs(held[symbol]), -1 if held[symbol] > 0 else 1
        held[symbol] += side * quantity
        price = draw.randint(900, 1100) / 10
        rows.append((symbol, side, quantity / 10, price, draw.randint(0, 20) / 100, row // 2))
    return fills_of(*rows)


def agree(trips: RoundTrips, expected: list[Trip]) -> bool:
    if len(trips) != len(expected):
        return False
    table: list[Any] = sorted(
        zip(trips.closed, trips.symbol, trips.opened, trips.side, trips.profit, trips.fees, strict=True)
    )
    by_hand = sorted((t.closed, t.symbol, t.opened, t.side, float(t.profit), float(t.fees)) for t in expected)
    return bool(np.allclose(np.array(table, np.float64), np.array(by_hand, np.float64), rtol=1e-9, atol=1e-9))


def test_a_long_and_a_short_trip_by_hand() -> None:
    trips = round_trips(
        fills_of(
            (0, +1, 2.0, 100.0, 1.0, 3),
            (0, +1, 2.0, 110.0, 1.0, 5),
            (0, -1, 4.0, 108.0, 2.0, 9),
            (0, -1, 1.0, 50.0, 0.5, 10),
            (0, +1, 1.0, 40.0, 0.5, 14),
        )
    )
    assert trips.side.tolist() == [1, -1]
    assert trips.profit.tolist() == pytest.approx([432 - 420 - 4, 10 - 1])
    assert trips.fees.tolist() == pytest.approx([4.0, 1.0])
    assert trips.traded_value.tolist() == pytest.approx([852.0, 90.0])
    assert trips.holding_bars.tolist() == [6, 4]


def test_a_fill_through_zero_closes_one_trip_and_opens_the_next_and_they_share_its_fee() -> None:
    trips = round_trips(fills_of((0, +1, 1.0, 100.0, 0.0, 0), (0, -1, 3.0, 110.0, 3.0, 1), (0, +1, 2.0, 100.0, 0.0, 2)))
    assert trips.profit.tolist() == pytest.approx([10.0 - 1.0, 20.0 - 2.0])
    assert trips.opened.tolist() == [0, 1]
    assert trips.closed.tolist() == [1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_random_fills_give_what_an_exact_ledger_counts(seed: int) -> None:
    fills = random_fills(seed)
    trips = round_trips(fills)
    assert len(trips) > 50
    assert agree(trips, counted_one_by_one(fills))


def test_the_comparison_finds_a_ledger_that_misses_flips_or_fees() -> None:
    fills = random_fills(0)
    trips = round_trips(fills)
    assert not agree(trips, counted_one_by_one(fills, splits=False))
    free = fills.copy()
    free["fee"] = 0.0
    assert not agree(trips, counted_one_by_one(free))


def test_tenths_that_do_not_add_up_in_binary_are_still_flat() -> None:
    fills = fills_of(*[(0, 1, 0.1, 10.0, 0.0, k) for k in range(3)], (0, -1, 0.3, 10.0, 0.0, 3))
    assert 0.1 + 0.1 + 0.1 - 0.3 != 0.0
    assert len(round_trips(fills)) == 1


def test_what_is_open_or_empty_is_no_trip() -> None:
    assert len(round_trips(fills_of())) == 0
    assert len(round_trips(fills_of((0, 1, 1.0, 10.0, 0.0, 0)))) == 0
    trips = round_trips(
        fills_of(
            (0, 1, 1.0, 10.0, 0.0, 0), (0, -1, 1.0, 11.0, 0.0, 1), (0, 1, 5.0, 10.0, 0.0, 2), (1, 1, 1.0, 9.0, 0.0, 3)
        )
    )
    assert trips.profit.tolist() == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 0, 1.0, 10.0, 0.0, 9), "side"),
        ((0, 1, 0.0, 10.0, 0.0, 9), "quantity"),
        ((0, 1, 1.0, float("nan"), 0.0, 9), "price"),
        ((0, 1, 1.0, 10.0, 0.0, 1), "order of their rows"),
    ],
)
def test_fills_that_cannot_be_are_refused(row: tuple[float, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        round_trips(fills_of((0, 1, 1.0, 10.0, 0.0, 5), row))


def test_missing_fields_and_several_accounts_are_named() -> None:
    with pytest.raises(DataError, match="without fee, row"):
        round_trips(np.zeros(2, np.dtype(FIELDS[:4])))
    fills = np.ones(2, np.dtype([*FIELDS, ("env", "i8")]))
    fills["env"] = [0, 1]
    with pytest.raises(DataError, match="several"):
        round_trips(fills)
