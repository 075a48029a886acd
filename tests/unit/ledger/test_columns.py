"""Records that are kept field by field are used like an array of records, and no cell belongs to two of them."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from tradeready_gym.ledger.columns import Columns, column_length
from tradeready_gym.ledger.records import ACCOUNT_DTYPE

SMALL = np.dtype([("row", "i8"), ("cash", "f8"), ("seed", "u8")])
COUNTS = [*range(1, 41), 1024]
FACES = (False, True)


def filled(count: int, nested: bool = False) -> tuple[Columns, Any]:
    """Columns, and the array of records that they have to be like."""
    expected = np.zeros((count, 1) if nested else count, SMALL)
    numbers = np.arange(count).reshape(expected.shape)
    expected["row"], expected["cash"] = 10 + numbers, 0.1 * numbers - 1.0
    expected["seed"] = np.uint64(2**64 - 1) - numbers.astype(np.uint64)
    columns = Columns(SMALL, count, nested=nested)
    for name in SMALL.names or ():
        columns[name] = expected[name]
    return columns, expected


def same(columns: Columns, expected: Any) -> bool:
    """Whether every record has the bits of the expected one."""
    records = np.asarray(columns)
    return bool(records.shape == expected.shape and records.tobytes() == expected.tobytes())


# ---- where the cells lie ----


@pytest.mark.parametrize("count", COUNTS)
def test_no_cell_belongs_to_two_fields_and_every_column_begins_a_cache_line(count: int) -> None:
    columns = Columns(ACCOUNT_DTYPE, count)
    views = [columns[name] for name in ACCOUNT_DTYPE.names or ()]
    for number, view in enumerate(views):
        assert view.shape == (count,)
        assert view.ctypes.data % 64 == 0
        view[...] = number + 1

    assert [set(view.tolist()) for view in views] == [{number + 1} for number in range(len(views))]
    assert not columns.cells[:, count:].any()


@pytest.mark.parametrize("count", COUNTS)
def test_from_one_column_to_the_next_it_is_an_odd_number_of_cache_lines_with_room_for_all(count: int) -> None:
    length = column_length(count)

    assert count <= length < count + 16
    assert length % 8 == 0 and length // 8 % 2 == 1
    assert Columns(SMALL, count).cells.shape == (3, length)


def test_sixteen_columns_of_a_power_of_two_do_not_share_a_set_of_the_cache() -> None:
    # 64 sets of 64 bytes; with columns of 1024 cells all addresses of an account would be the same modulo 4096
    cells = Columns(ACCOUNT_DTYPE, 1024).cells
    sets = {cells[k : k + 1].ctypes.data // 64 % 64 for k in range(16)}
    plain = np.zeros((16, 1024))

    assert len(sets) == 16
    assert len({plain[k : k + 1].ctypes.data // 64 % 64 for k in range(16)}) == 1


def test_the_address_stays_whatever_is_written() -> None:
    columns, expected = filled(9)
    address = columns.cells.ctypes.data
    columns["cash"] = 3.0
    columns[2] = expected[1]
    columns[np.arange(9) > 4] = expected[0]
    columns[...] = expected
    columns[0].cash = 5.0

    assert columns.cells.ctypes.data == address == columns["row"].ctypes.data


# ---- like an array of records ----


@pytest.mark.parametrize("nested", FACES)
@pytest.mark.parametrize("count", COUNTS)
def test_they_read_as_the_array_that_was_written(count: int, nested: bool) -> None:
    columns, expected = filled(count, nested)

    assert same(columns, expected)
    assert (len(columns), columns.shape, columns.dtype) == (count, expected.shape, SMALL)
    for name in SMALL.names or ():
        assert columns[name].dtype == SMALL[name]
        assert columns[name].tobytes() == expected[name].tobytes()


@pytest.mark.parametrize("nested", FACES)
def test_a_field_is_a_view(nested: bool) -> None:
    columns, expected = filled(11, nested)
    columns["cash"][3] += 7.0
    columns["cash"] *= 2.0
    columns["seed"] = 5
    expected["cash"][3] += 7.0
    expected["cash"] *= 2.0
    expected["seed"] = 5

    assert same(columns, expected)


@pytest.mark.parametrize("nested", FACES)
@pytest.mark.parametrize("key", [..., 4, -1, slice(2, 7), np.arange(11) % 3 == 0, [0, 10], slice(None)], ids=str)
def test_records_are_set_whole_by_number_slice_and_mask(key: Any, nested: bool) -> None:
    columns, expected = filled(11, nested)
    value = np.array((3, 2.5, 2**63 + 1), SMALL)
    columns[key] = value
    expected[key] = value

    assert same(columns, expected)


@pytest.mark.parametrize("key", [slice(2, 7), np.arange(11) % 3 == 0, [0, 10]], ids=str)
def test_several_of_them_are_a_copy(key: Any) -> None:
    columns, expected = filled(11)
    taken = columns[key]

    assert taken.tobytes() == expected[key].tobytes()
    taken["cash"] = 77.0
    assert same(columns, expected)


def test_an_array_made_of_them_is_a_copy() -> None:
    columns, expected = filled(11)
    for records in (columns.copy(), np.asarray(columns), np.array(columns)):
        records[...] = 0

    assert same(columns, expected)


@pytest.mark.parametrize("nested", FACES)
def test_a_record_has_its_fields_as_attributes_and_as_items(nested: bool) -> None:
    columns, expected = filled(11, nested)
    record = columns[3][0] if nested else columns[3]
    assert (record.row, record["cash"], record.seed) == (13, 0.1 * 3 - 1.0, 2**64 - 4)

    record.cash = -4.0
    record.seed = np.uint64(2**64 - 1)
    line = expected.reshape(-1)
    line["cash"][3], line["seed"][3] = -4.0, 2**64 - 1
    assert same(columns, expected)


def test_records_are_counted_from_both_ends_and_the_iteration_stops() -> None:
    columns, expected = filled(3)

    everything: Any = columns
    assert [record.row for record in everything] == expected["row"].tolist() == [10, 11, 12]
    assert columns[-1].row == 12
    assert columns[np.int64(1)].row == 11
    for place in (3, -4):
        with pytest.raises(IndexError):
            columns[place]


def test_a_field_that_there_is_not_is_named_in_the_error() -> None:
    columns, expected = filled(2)

    with pytest.raises(AttributeError, match="row, cash, seed has no field 'chas'"):
        columns[0].chas  # noqa: B018
    for wrong in (lambda: columns["chas"], lambda: setattr(columns[0], "chas", 1.0), lambda: columns[0]["chas"]):
        with pytest.raises((AttributeError, KeyError, ValueError), match="chas"):
            wrong()
    assert same(columns, expected)


# ---- copies ----


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("nested", FACES)
def test_a_copy_has_the_contents_and_no_cell_in_common(copied: Any, nested: bool) -> None:
    columns, expected = filled(13, nested)
    other = copied(columns)

    assert same(other, expected)
    assert (other.dtype, other.shape) == (columns.dtype, columns.shape)
    assert not np.shares_memory(other.cells, columns.cells)
    assert other["row"].ctypes.data % 64 == 0
    other["cash"] = 0.0
    assert same(columns, expected)
    columns["row"] = 1
    assert other["row"].reshape(-1)[1] == 11


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))], ids=["deepcopy", "pickle"])
def test_a_copy_of_one_record_is_a_record_of_its_own(copied: Any) -> None:
    columns, _ = filled(4)
    columns[2].cash = 7.0
    kept = copied(columns[2])
    columns[2].cash = 8.0

    assert (kept.cash, columns[2].cash, kept.row) == (7.0, 8.0, columns[2].row)


def test_not_a_number_and_the_sign_of_zero_survive_a_copy_and_a_write_of_records() -> None:
    columns, _ = filled(4)
    columns["cash"] = (np.nan, -0.0, np.inf, 5e-324)
    bits = columns["cash"].tobytes()
    columns[...] = columns.copy()

    assert columns["cash"].tobytes() == bits == copy.deepcopy(columns)["cash"].tobytes()
