"""What moves eight accounts at once: records in columns, the loop over them, and that it is compiled for eight."""

import re
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np
import pytest
from numba import njit

from tradeready_gym.actions import HoldBuySell, market_order
from tradeready_gym.engine.cells import cells_of, hold_numbers, scratch, turn_lines
from tradeready_gym.engine.lanes import LANES, blank_of, call_apart, for_lanes, holder_of, lane_of
from tradeready_gym.engine.lockstep import CHUNK, make_lockstep
from tradeready_gym.exchanges.slippage import VolumeShareSlippage
from tradeready_gym.kernel import kernel
from tradeready_gym.ledger.columns import Columns
from tradeready_gym.ledger.records import ACCOUNT_DTYPE
from tradeready_gym.market.replayer import CANDLE_DTYPE
from tradeready_gym.rewards import DrawdownPenaltyReward, SharpeReward

# a test that compiles a dozen lines needs no cache
compiled = njit(error_model="numpy")
SMALL = np.dtype([("row", "i8"), ("cash", "f8"), ("seed", "u8")])
small_lane, blank_small = lane_of(SMALL), blank_of(SMALL)
take_small, put_small = holder_of(SMALL, ("cash",))


def place_of(columns: Columns) -> tuple[int, int]:
    """What compiled code knows of columns: where they are, and the cells from one to the next."""
    return columns.cells.ctypes.data, columns.cells.shape[1]


# ---- the loop ----


@kernel
def count_visit(i: int, amount: Any, visits: Any) -> None:
    visits[i] += amount


@kernel
def count_slowly(i: int, amount: Any, visits: Any) -> None:
    # a loop of its own, which keeps the one around it from being compiled for eight
    for _ in range(i % 3 + 1):
        visits[i] += amount
    visits[i] -= (i % 3) * amount


@compiled
def visit(first: int, last: int, visits: Any) -> None:
    for_lanes(count_visit, 1, first, last, visits)


@compiled
def visit_slowly(first: int, last: int, visits: Any) -> None:
    for_lanes(count_slowly, 1, first, last, visits)


@pytest.mark.parametrize("loop", [visit, visit_slowly], ids=["eight at a time", "one after the other"])
def test_every_index_from_the_first_to_the_last_is_visited_once_and_no_other(loop: Any) -> None:
    for first in range(19):
        for last in range(45):
            visits = np.zeros(48, np.int64)
            loop(first, last, visits)

            assert visits.tolist() == [int(first <= i < last) for i in range(48)], (first, last)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (5, 5), (7, 2), (3, -4)])
def test_a_range_without_an_index_visits_none(first: int, last: int) -> None:
    visits = np.zeros(8, np.int64)
    visit(first, last, visits)

    assert not visits.any()


def test_a_loop_that_visits_an_index_twice_is_told_from_one_that_does_not() -> None:
    visits = np.zeros(48, np.int64)
    visit(0, 20, visits)
    visit(16, 30, visits)

    assert visits.tolist() != [int(i < 30) for i in range(48)]


# ---- records ----


@kernel
def move_record(i: int, nothing: Any, shared: Any) -> None:
    record = small_lane(shared[0], shared[1], i)
    blank = blank_small()
    blank.row += record.row
    blank.cash += 0.5 * record.cash
    record.row = blank.row + 1
    record.cash = blank.cash
    record.seed = record.seed >> np.uint64(1)


@kernel
def move_held(i: int, nothing: Any, shared: Any) -> None:
    record = small_lane(shared[0], shared[1], i)
    held = take_small(record)
    if held.row % 2 == 0:
        held.cash += 1.0
    held.row = -1
    put_small(held, record)


@compiled
def move_records(address: int, length: int, first: int, last: int) -> None:
    for_lanes(move_record, 0, first, last, (address, length))


@compiled
def move_helds(address: int, length: int, first: int, last: int) -> None:
    for_lanes(move_held, 0, first, last, (address, length))


def records(count: int) -> Columns:
    """Records with something in every field."""
    columns = Columns(SMALL, count)
    columns["row"], columns["cash"] = np.arange(count) - 3, 0.1 * np.arange(count)
    columns["seed"] = np.uint64(2**64 - 1) - np.arange(count).astype(np.uint64)
    return columns


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 31, 130])
def test_a_lane_reads_and_writes_the_fields_of_its_own_record_and_a_blank_one_begins_at_zero(count: int) -> None:
    columns = records(count)
    expected = columns.copy()
    move_records(*place_of(columns), 0, count)
    expected["row"] += 1
    expected["cash"] = 0.5 * expected["cash"]
    expected["seed"] >>= np.uint64(1)

    assert np.asarray(columns).tobytes() == expected.tobytes()
    assert not columns.cells[:, count:].any()


@pytest.mark.parametrize(("first", "last"), [(0, 21), (3, 17), (8, 16), (20, 21)])
def test_of_a_record_in_registers_only_the_kept_fields_are_put_back(first: int, last: int) -> None:
    columns = records(21)
    expected = columns.copy()
    move_helds(*place_of(columns), first, last)
    moved = (expected["row"] % 2 == 0) & (np.arange(21) >= first) & (np.arange(21) < last)
    expected["cash"][moved] += 1.0

    assert np.asarray(columns).tobytes() == expected.tobytes()


# ---- numbers ----


@compiled
def use_cells(table: Any, place: int) -> float:
    cells = cells_of(table, place)
    rest = cells[1:]
    rest[1] = rest[0] + 10.0 * cells[0]
    cells[0] += 0.5
    return float(rest[1:][0])


def test_cells_are_a_column_and_a_part_of_them_begins_later() -> None:
    table = np.arange(12.0).reshape(3, 4)
    expected = table.copy()
    expected[2, 1] = expected[1, 1] + 10.0 * expected[0, 1]
    expected[0, 1] += 0.5

    assert use_cells(table, 1) == expected[2, 1]
    assert table.tobytes() == expected.tobytes()


@compiled
def read_numbers(array: Any, at: int) -> Any:
    numbers = hold_numbers(array)
    return numbers[0], numbers[at], numbers[7], numbers[9], numbers[2:].sum(), numbers[1:4].shape[0]


@compiled
def read_only_first(array: Any) -> Any:
    numbers = hold_numbers(array)
    return numbers[0], numbers[1:].shape[0]


def test_held_numbers_read_as_the_array_by_any_index_and_in_parts() -> None:
    array = np.random.default_rng(0).normal(size=12)
    for at in range(12):
        seen = read_numbers(array, at)
        assert seen[:4] == (array[0], array[at], array[7], array[9])
        assert seen[4] == pytest.approx(array[2:].sum(), rel=1e-12)
        assert seen[5] == 3


@pytest.mark.parametrize("count", range(1, 11))
def test_an_array_shorter_than_the_registers_is_read_within_its_bounds(count: int) -> None:
    assert read_only_first(np.arange(1.0, count + 1.0)) == (1.0, count - 1)


# ---- lines into columns ----


@compiled
def turn(lines: Any, numbers: Any, shift: int, out: Any, begin: int) -> None:
    turn_lines(lines.ctypes.data, numbers.ctypes.data, shift, out.ctypes.data + 8 * begin, out.shape[1])


@pytest.mark.parametrize("shift", [-1, 0, 3])
@pytest.mark.parametrize("length", [8, 24, CHUNK])
def test_eight_lines_become_eight_columns_and_nothing_else_is_written(shift: int, length: int) -> None:
    random = np.random.default_rng(shift + length)
    lines = random.normal(size=(50, LANES))
    for begin in {0, length - LANES}:
        numbers = random.integers(1, 46, LANES)
        out = np.full((LANES + 1, length), 77.0)
        expected = out.copy()
        expected[:LANES, begin : begin + LANES] = lines[numbers + shift].T
        turn(lines, numbers, shift, out, begin)

        assert out.tobytes() == expected.tobytes()


def test_a_candle_is_one_line_and_the_row_is_an_accounts_first_field() -> None:
    assert CANDLE_DTYPE.itemsize == 8 * LANES == 64
    assert (ACCOUNT_DTYPE.names or ())[0] == "row"
    assert CHUNK % LANES == 0


# ---- a function of its own, and room on the stack ----


@kernel
def fill_cells(address: int, count: int, cells: Any) -> int:
    total = 0
    for i in range(count):
        cells[i] = i
        total += i
    return total + address % 64


@compiled
def fill_apart(cells: Any) -> int:
    return int(call_apart(fill_cells, (scratch(96), 5, cells)))


def test_a_call_apart_is_a_call_and_room_on_the_stack_begins_a_cache_line() -> None:
    cells = np.zeros(6)

    assert fill_apart(cells) == 10
    assert cells.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 0.0]


# ---- compiled for eight ----

EIGHT = f"<{LANES} x double>"
# How often each phase divides, counted in its kernels: act (by the close); trade (value by volume, what the cash pays for,
# average entry); mark (change, mean, fall); pay (fall, by the balance); observe (progress twice, balance, equity).
DIVISIONS = {"act": 1, "trade": 3, "mark": 3, "pay": 2, "observe": 4}


@kernel
def slow_act(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    quantity = account.equity * parameters[0] / candles[0].close
    while quantity > 1e3:
        quantity *= 0.5
    return market_order(orders, 0, 0, 1, quantity, 0)


@kernel
def slow_slippage(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    share = value / quote_volume
    while share > 0.1:
        share *= 0.5
    return float(share)


@kernel
def slow_pay(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    paid = (equity - previous_equity) / account.starting_balance - account.peak_equity / equity
    while paid > 1e3:
        paid *= 0.5
    return float(paid)


def lockstep_of(act: Any, slippage: Any, pay: Any, plain: bool = True) -> Any:
    """The lockstep step of these kernels, compiled here and now."""
    step = compiled(make_lockstep(act, slippage, pay, plain))
    step.compile("int64(int64[::1], float32[::1], float64[:, ::1], int64, int64, int64)")
    return step


def loops_by_eight(step: Any) -> list[str]:
    """The code of those loops of the compiled step that move many accounts at once."""
    (code,) = step.inspect_llvm().values()
    return re.findall(r"^vector\.body\w*:(.*?)^(?=\S+:|})", code, re.M | re.S)


def divisions_by_eight(step: Any) -> list[int]:
    """How many divisions of eight numbers at once each loop of the compiled step has, of those that have any."""
    counts = [len(re.findall(rf"= fdiv {re.escape(EIGHT)}", body)) for body in loops_by_eight(step)]
    return sorted(count for count in counts if count)


FEATURES = llvmlite.binding.get_host_cpu_features()
# with AVX2 alone, what an action asks for is found out account after account
WIDEST = bool(FEATURES.get("avx512f"))
# the loop that pays is there twice: once for accounts that remember alike
PHASES = [phase for phase in (*DIVISIONS, "pay") if WIDEST or phase != "act"]
on_wide_processors = pytest.mark.skipif(
    not (WIDEST or FEATURES.get("avx2")),
    reason="NOT TESTED that the step moves eight accounts at once: this processor cannot write some of eight lanes (AVX2)",
)
on_the_widest = pytest.mark.skipif(
    not WIDEST,
    reason="NOT TESTED that a strict exchange is played for eight accounts at once: this processor has no AVX-512",
)


@pytest.fixture(scope="module")
def commonest() -> Any:
    """With a reward that divides, so that its loop is told from others."""
    kernels = (HoldBuySell.kernel, VolumeShareSlippage.kernel, DrawdownPenaltyReward.kernel)
    return lockstep_of(*kernels)


@on_wide_processors
def test_every_phase_of_the_commonest_step_moves_eight_accounts_at_once(commonest: Any) -> None:
    assert divisions_by_eight(commonest) == sorted(DIVISIONS[phase] for phase in PHASES)


@on_the_widest
def test_lots_ticks_and_least_fees_keep_no_phase_from_it() -> None:
    step = lockstep_of(HoldBuySell.kernel, VolumeShareSlippage.kernel, DrawdownPenaltyReward.kernel, False)
    others = [phase for phase in PHASES if phase != "trade"]

    # by the lot, by the tick, by what one costs: whether it trades, and how much
    assert sum(divisions_by_eight(step)) > sum(DIVISIONS.values()) + 3
    assert len(divisions_by_eight(step)) == len(others) + 1


@on_the_widest
def test_accounts_that_were_paid_equally_often_have_the_returns_of_a_window_side_by_side() -> None:
    step = lockstep_of(HoldBuySell.kernel, VolumeShareSlippage.kernel, SharpeReward.kernel)
    paying = [body for body in loops_by_eight(step) if "@llvm.sqrt.v8f64" in body]

    # the one for accounts of which each has its own place in the window has to gather
    assert sorted("@llvm.masked.gather" in body for body in paying) == [False, True]
    assert sorted("@llvm.masked.scatter" in body for body in paying) == [False, True]


@on_wide_processors
def test_phases_that_cannot_be_compiled_for_eight_are_found_here_and_leave_the_user_in_peace(capfd: Any) -> None:
    step = lockstep_of(slow_act, slow_slippage, slow_pay)

    assert divisions_by_eight(step) == sorted([DIVISIONS["mark"], DIVISIONS["observe"]])
    # the compiler's own words go past Python's stderr
    assert capfd.readouterr().err == ""


@on_wide_processors
def test_the_processor_divides_as_many_numbers_at_once_as_it_can(commonest: Any) -> None:
    (code,) = commonest.inspect_asm().values()
    # there are processors of 512 bits for which 256 are faster
    divisions = re.findall(r"\bvdivpd\b.*%[yz]mm", code)

    assert len(divisions) >= sum(DIVISIONS[phase] for phase in PHASES)


def test_no_record_is_left_in_memory_that_all_accounts_would_share(commonest: Any) -> None:
    (code,) = commonest.inspect_llvm().values()
    in_memory = re.compile(r"alloca \[\d+ x i64\]")

    assert not in_memory.search(code)
    assert in_memory.search("%room = alloca [46 x i64], align 8")
