"""Candles in any order and number become slots, each once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tradeready_gym.live.assembler import Assembler, Values

STEP = 60
SYMBOLS = ("A", "B")


def candle(close: float) -> Values:
    return (1.0, 10.0, 0.5, close, 3.0)


def test_a_slot_waits_for_every_symbol() -> None:
    assembler = Assembler(SYMBOLS, STEP, 0)
    assert assembler.offer("A", 0, candle(2.0))
    assert assembler.take() is None
    assert assembler.missing(STEP) == [("B", 0)]
    assert assembler.offer("B", 0, candle(3.0))
    slot = assembler.take()
    assert slot is not None
    assert (slot.time, slot.values[:, 3].tolist(), slot.gaps.tolist()) == (0, [2.0, 3.0], [False, False])
    assert assembler.take() is None


def test_a_declared_gap_completes_a_slot_and_a_candle_is_never_declared_away() -> None:
    assembler = Assembler(SYMBOLS, STEP, 0)
    assembler.offer("A", 0, candle(2.0))
    assembler.declare_gap("A", 0)
    assembler.declare_gap("B", 0)
    slot = assembler.take()
    assert slot is not None
    assert slot.gaps.tolist() == [False, True]


def test_what_was_handed_out_is_not_handed_out_again() -> None:
    assembler = Assembler(("A",), STEP, 0)
    assembler.offer("A", 0, candle(2.0))
    assembler.take()
    assert not assembler.offer("A", 0, candle(2.0))
    assert not assembler.offer("A", 0, candle(2.5))
    assert not assembler.offer("A", -STEP, candle(2.5))
    assert (assembler.arrivals.duplicates, assembler.arrivals.corrections, assembler.arrivals.late) == (1, 1, 1)
    assert assembler.take() is None


def test_before_it_is_handed_out_the_last_word_counts() -> None:
    assembler = Assembler(("A",), STEP, 0)
    assembler.offer("A", 0, candle(2.0))
    assert assembler.offer("A", 0, candle(2.5))
    slot = assembler.take()
    assert slot is not None
    assert slot.values[0, 3] == 2.5
    assert assembler.arrivals.corrections == 1


def test_strange_candles_are_counted_and_left_out() -> None:
    assembler = Assembler(("A",), STEP, 0)
    assert not assembler.offer("Z", 0, candle(2.0))
    assert not assembler.offer("A", 7, candle(2.0))
    assert assembler.arrivals.off_grid == 2
    assert assembler.missing(STEP) == [("A", 0)]


@given(st.permutations([(symbol, slot) for symbol in SYMBOLS for slot in range(6)]), st.data())
def test_any_order_with_any_repetitions_gives_every_slot_once_in_order(
    arrivals: list[tuple[str, int]], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(arrivals), max_size=10))
    assembler = Assembler(SYMBOLS, STEP, 0)
    taken = []
    for symbol, slot in [*arrivals, *repeated]:
        assembler.offer(symbol, slot * STEP, candle(2.0 + slot))
        while (complete := assembler.take()) is not None:
            taken.append(complete)
    assert [slot.time for slot in taken] == [slot * STEP for slot in range(6)]
    assert all(np.array_equal(slot.values[:, 3], [2.0 + k] * 2) for k, slot in enumerate(taken))
    assert assembler.arrivals.duplicates == len(repeated)
