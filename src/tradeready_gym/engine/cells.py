"""How the kernels of many accounts read what is not a record: the numbers of one account that lie in columns, and parameters.

To a kernel they are arrays of float64; to the compiler they are something that it can read for eight accounts at once.
"""

import operator
from typing import Any

import numba.core.types
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import carray  # type: ignore[attr-defined]
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

from tradeready_gym.engine.lanes import BYTE, DOUBLE, LANES, WORD, cgutils, types

_HELD = 8
_VECTOR = ir.VectorType(DOUBLE, LANES)


class Cells(numba.core.types.Type):
    """Column `place` of a table of float64; a part of it that begins later is one too."""

    def __init__(self) -> None:
        super().__init__(name="Cells")


class Numbers(numba.core.types.Type):
    """An array of float64 whose first numbers are in registers."""

    def __init__(self) -> None:
        super().__init__(name="Numbers")


@register_model(Cells)
class _CellsModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, [("base", types.voidptr), ("length", types.intp), ("place", types.intp)])  # type: ignore[no-untyped-call]


@register_model(Numbers)
class _NumbersModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        first = types.UniTuple(types.float64, _HELD)
        super().__init__(manager, kind, [("first", first), ("array", types.voidptr), ("count", types.intp)])  # type: ignore[no-untyped-call]


def _of(context: Any, builder: Any, kind: Any, value: Any = None) -> Any:
    return cgutils.create_struct_proxy(kind)(context, builder, value=value)


# ---- cells ----


def _cells_code(typing_context: Any, table: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view, cells = context.make_array(table)(context, builder, arguments[0]), _of(context, builder, Cells())
        cells.base, cells.place = builder.bitcast(view.data, BYTE.as_pointer()), arguments[1]
        cells.length = builder.extract_value(view.shape, 1)
        return cells._getvalue()

    return Cells()(table, types.int64), generate


def _cell(context: Any, builder: Any, value: Any, index: Any) -> Any:
    cells = _of(context, builder, Cells(), value)
    at = builder.add(builder.mul(index, cells.length), cells.place)
    return builder.gep(builder.bitcast(cells.base, DOUBLE.as_pointer()), [at])


def _read_code(typing_context: Any, cells: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_cell(context, builder, *arguments))

    return types.float64(cells, types.int64), generate


def _write_code(typing_context: Any, cells: Any, index: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _cell(context, builder, *arguments[:2]))
        return context.get_dummy_value()

    return types.void(cells, types.int64, types.float64), generate


def _part_code(typing_context: Any, cells: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        part = _of(context, builder, Cells(), arguments[0])
        part.place = builder.add(part.place, builder.mul(arguments[1], part.length))
        return part._getvalue()

    return Cells()(cells, types.int64), generate


cells_of: Any = intrinsic(_cells_code)
"""`cells_of(table, i)`: column i of a contiguous array of two dimensions, for a kernel to take for an array of its own."""
_read, _write, _part = (intrinsic(code) for code in (_read_code, _write_code, _part_code))


@overload(operator.setitem)
def _set_cell(cells: Any, index: Any, number: Any) -> Any:
    def one(cells: Any, index: Any, number: Any) -> None:
        _write(cells, index, number)

    return one if isinstance(cells, Cells) else None


# ---- numbers ----


def _hold_code(typing_context: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view, held = context.make_array(array)(context, builder, arguments[0]), _of(context, builder, Numbers())
        count = builder.extract_value(view.shape, 0)
        # for one past the end, the first is read
        places = [builder.select(builder.icmp_signed("<", WORD(k), count), WORD(k), WORD(0)) for k in range(_HELD)]
        first = [builder.load(builder.gep(view.data, [place])) for place in places]
        held.first = context.make_tuple(builder, types.UniTuple(types.float64, _HELD), first)
        held.array, held.count = builder.bitcast(view.data, BYTE.as_pointer()), count
        return held._getvalue()

    return Numbers()(array), generate


def _number_code(typing_context: Any, numbers: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = _of(context, builder, Numbers(), arguments[0])
        if isinstance(index, types.IntegerLiteral) and 0 <= index.literal_value < _HELD:
            return builder.extract_value(held.first, index.literal_value)
        return builder.load(builder.gep(builder.bitcast(held.array, DOUBLE.as_pointer()), [arguments[1]]))

    return types.float64(numbers, index), generate


def _whole_code(typing_context: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = _of(context, builder, Numbers(), arguments[0])
        return context.make_tuple(builder, signature.return_type, [held.array, held.count])

    return types.Tuple((types.voidptr, types.intp))(numbers), generate


hold_numbers: Any = intrinsic(_hold_code)
"""`hold_numbers(array)`: for a kernel to read its parameters from; the array has at least one number."""
_number: Any = intrinsic(prefer_literal=True)(_number_code)
_whole: Any = intrinsic(_whole_code)


@overload(operator.getitem, prefer_literal=True)
def _item(numbers: Any, index: Any) -> Any:
    def cell(numbers: Any, index: Any) -> Any:
        return _read(numbers, index)

    def cells(numbers: Any, index: Any) -> Any:
        return _part(numbers, index.start)

    def number(numbers: Any, index: Any) -> Any:
        return _number(numbers, index)

    def some(numbers: Any, index: Any) -> Any:
        address, count = _whole(numbers)
        return carray(address, (count,), np.float64)[index]

    part = isinstance(index, types.SliceType)
    if isinstance(numbers, Cells):
        return cells if part else cell
    if isinstance(numbers, Numbers):
        return some if part else number
    return None


# ---- cells of the stack, and records turned into them ----


def _scratch_code(typing_context: Any, cells: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        room = cgutils.alloca_once(builder, DOUBLE, size=cells.literal_value)
        room.align = 8 * LANES
        return builder.ptrtoint(room, WORD)

    return types.int64(cells), generate


scratch: Any = intrinsic(prefer_literal=True)(_scratch_code)
"""The address of so many cells that last as long as the compiled function runs; what is in them is unknown."""


def _halves(size: int) -> tuple[Any, Any]:
    # of two vectors, every other run of `size` lanes: the even ones of both, the odd ones of both
    def taken(begin: int) -> Any:
        starts = [start + offset for start in range(begin, LANES, 2 * size) for offset in (0, LANES)]
        lanes = [lane for start in starts for lane in range(start, start + size)]
        return ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)

    return taken(0), taken(size)


def _turn_code(typing_context: Any, lines: Any, numbers: Any, shift: Any, out: Any, length: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lines, numbers, shift, out, length = arguments
        wanted, vector = builder.inttoptr(numbers, WORD.as_pointer()), _VECTOR.as_pointer()
        rows = []
        for k in range(LANES):
            number = builder.add(builder.load(builder.gep(wanted, [WORD(k)])), shift)
            line = builder.add(lines, builder.shl(number, WORD(6)))
            rows.append(builder.load(builder.inttoptr(line, vector), align=8))
        # a transposition in three rounds: runs of one, two and four lanes change places
        for size in (1, 2, 4):
            even, odd = _halves(size)
            for k in (k for k in range(LANES) if not k & size):
                one, other = rows[k], rows[k + size]
                rows[k] = builder.shuffle_vector(one, other, even)
                rows[k + size] = builder.shuffle_vector(one, other, odd)
        for k, row in enumerate(rows):
            place = builder.add(out, builder.shl(builder.mul(length, WORD(k)), WORD(3)))
            builder.store(row, builder.inttoptr(place, vector), align=8)
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 5), generate


turn_lines: Any = intrinsic(_turn_code)
"""`turn_lines(lines, numbers, shift, out, length)`: records of one cache line, turned into columns.

Reads the `LANES` int64 at address `numbers`; record `number + shift` of those at address `lines` becomes one lane of eight
columns, `length` cells apart, that begin at address `out`.
"""
