"""What lets one account's kernels move eight accounts at once.

A kernel reads and writes the records of one account. Where these are kept as `Columns`, the same field of eight accounts lies
in one cache line; so a loop of a kernel over accounts can be compiled to one whose every instruction works on eight of them
(SIMD), if the compiler may assume that accounts do not touch one another's records. `for_lanes` says that, in LLVM's words
(https://llvm.org/docs/LangRef.html#llvm-loop-parallel-accesses-metadata), and how many at a time. A kernel that cannot be
compiled so, because it has a loop of its own, is run account after account and gives the same numbers, for arithmetic is
IEEE 754 in both, and nothing is reordered.
"""

import operator
from typing import Any

import numba.core.cgutils
import numba.core.types
import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core.datamodel import models
from numba.core.imputils import lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, overload, register_model

from tradeready_gym.engine.cache import is_ours

cgutils: Any = numba.core.cgutils
types: Any = numba.core.types
read_attribute: Any = lower_getattr_generic
write_attribute: Any = lower_setattr_generic

LANES = 8
WORD, BYTE, DOUBLE = ir.IntType(64), ir.IntType(8), ir.DoubleType()
_CELLS = {"i": types.int64, "u": types.uint64, "f": types.float64}


class Lane(numba.core.types.Type):
    """One record of `Columns`, in compiled code: an object with the fields of `dtype`.

    It is also the only element of an array of itself, which is what a kernel takes positions, orders and candles for.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.names: tuple[str, ...] = dtype.names or ()
        super().__init__(name=f"Lane({', '.join(self.names)})")


@register_model(Lane)
class _LaneModel(models.StructModel):
    def __init__(self, manager: Any, lane: Any) -> None:
        super().__init__(manager, lane, [("base", types.voidptr), ("length", types.intp), ("place", types.intp)])  # type: ignore[no-untyped-call]


@infer_getattr
class _LaneFields(AttributeTemplate):
    key = Lane

    def generic_resolve(self, lane: Any, name: str) -> Any:  # type: ignore[override]
        if name == "shape":
            return types.UniTuple(types.intp, 1)
        return _CELLS[lane.dtype[name].kind] if name in lane.names else None


def _cell(context: Any, builder: Any, kind: Lane, value: Any, name: str) -> Any:
    lane = cgutils.create_struct_proxy(kind)(context, builder, value=value)
    cell = DOUBLE if kind.dtype[name].kind == "f" else WORD
    at = builder.add(builder.mul(WORD(kind.names.index(name)), lane.length), lane.place)
    return builder.gep(builder.bitcast(lane.base, cell.as_pointer()), [at])


@read_attribute(Lane)  # type: ignore[untyped-decorator]
def _read_field(context: Any, builder: Any, kind: Lane, value: Any, name: str) -> Any:
    if name == "shape":
        return context.make_tuple(builder, types.UniTuple(types.intp, 1), [WORD(1)])
    return builder.load(_cell(context, builder, kind, value, name))


@write_attribute(Lane)  # type: ignore[untyped-decorator]
def _write_field(context: Any, builder: Any, signature: Any, arguments: Any, name: str) -> Any:
    builder.store(arguments[1], _cell(context, builder, signature.args[0], arguments[0], name))
    return context.get_dummy_value()


@overload(operator.getitem, prefer_literal=True)
def _only_element(lane: Any, index: Any) -> Any:
    def only(lane: Any, index: Any) -> Any:
        return lane

    if not isinstance(lane, Lane):
        return None
    if not isinstance(index, types.StringLiteral):
        return only
    name = index.literal_value

    def field(lane: Any, index: Any) -> Any:
        return getattr(lane, name)

    return field


@overload(operator.setitem, prefer_literal=True)
def _set_item(lane: Any, index: Any, value: Any) -> Any:
    if not (isinstance(lane, Lane) and isinstance(index, types.StringLiteral)):
        return None
    name = index.literal_value

    def field(lane: Any, index: Any, value: Any) -> None:
        setattr(lane, name, value)

    return field


@overload(len)
def _length_of_one(lane: Any) -> Any:
    def one(lane: Any) -> int:
        return 1

    return one if isinstance(lane, Lane) else None


def _make_lane(context: Any, builder: Any, kind: Lane, base: Any, length: Any, place: Any) -> Any:
    lane = cgutils.create_struct_proxy(kind)(context, builder)
    lane.base, lane.length, lane.place = builder.bitcast(base, BYTE.as_pointer()), length, place
    return lane._getvalue()


def _registers(context: Any, builder: Any, kind: Lane) -> Any:
    # A record on the stack, of the type that the compiler knows how to keep in registers. It must: all accounts would share this
    # one place, of which `for_lanes` says that they do not. What keeps it in memory (a call, a loop) keeps a loop of eight away
    room = cgutils.alloca_once(builder, ir.ArrayType(WORD, len(kind.names)))
    return _make_lane(context, builder, kind, room, WORD(1), WORD(0))


def lane_of(dtype: np.dtype[Any]) -> Any:
    """The compiled function `(address, length, place) -> Lane` for columns of `length` cells that begin at `address`."""
    kind = Lane(dtype)

    def code(typing_context: Any, address: Any, length: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            base = builder.inttoptr(arguments[0], BYTE.as_pointer())
            return _make_lane(context, builder, kind, base, arguments[1], arguments[2])

        return kind(types.int64, types.int64, types.int64), generate

    return intrinsic(code)


def blank_of(dtype: np.dtype[Any]) -> Any:
    """The compiled function `() -> Lane` of a record that is all zero, and in registers: no memory is touched.

    It lives as long as the function that calls this one; it must not be returned.
    """
    kind = Lane(dtype)

    def code(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = _registers(context, builder, kind)
            for name in kind.names:
                cell = _cell(context, builder, kind, value, name)
                builder.store(cell.type.pointee(0), cell)
            return value

        return kind(), generate

    return intrinsic(code)


def holder_of(dtype: np.dtype[Any], kept: tuple[str, ...]) -> tuple[Any, Any]:
    """The compiled functions `take(lane) -> lane in registers` and `put(held, lane)`, which writes the fields `kept` back.

    Between them a kernel touches no memory, so that whatever it asks becomes a choice instead of a branch.
    """
    kind = Lane(dtype)

    def copy(context: Any, builder: Any, source: Any, target: Any, names: tuple[str, ...]) -> None:
        for name in names:
            cell = builder.load(_cell(context, builder, kind, source, name))
            builder.store(cell, _cell(context, builder, kind, target, name))

    def take_code(typing_context: Any, lane: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            held = _registers(context, builder, kind)
            copy(context, builder, arguments[0], held, kind.names)
            return held

        return kind(kind), generate

    def put_code(typing_context: Any, held: Any, lane: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            copy(context, builder, arguments[0], arguments[1], kept)
            return context.get_dummy_value()

        return types.void(kind, kind), generate

    return intrinsic(take_code), intrinsic(put_code)


class _Node(ir.MDValue):  # type: ignore[misc]
    # metadata as text, which may name itself
    def __init__(self, module: Any, text: str) -> None:
        super().__init__(module, (), name=str(len(module.metadata)))
        self.text = text.replace("itself", self.get_reference())

    def descr(self, buffer: list[str]) -> None:
        buffer += [self.text, "\n"]


def _call(context: Any, builder: Any, function: Any, signature: Any, arguments: Any) -> tuple[Any, list[Any]]:
    # the result of a call of compiled code, and the instructions that are calls of it
    known = {id(one) for block in builder.function.blocks for one in block.instructions}
    result = context.get_function(function, signature)(builder, arguments)
    made = [one for block in builder.function.blocks for one in block.instructions if id(one) not in known]
    return result, [one for one in made if isinstance(one, ir.CallInstr)]


def _moves_masked() -> bool:
    # whether the processor can write some lanes of eight and leave the others; else the compiler judges what pays
    features = binding.get_host_cpu_features()
    return bool(features.get("avx2") or features.get("avx512f"))


def _lanes_code(typing_context: Any, body: Any, part: Any, first: Any, last: Any, shared: Any) -> Any:
    wanted = body.get_call_type(typing_context, (types.intp, part, shared), {})

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        module, begin, end = builder.module, arguments[2], arguments[3]
        group = _Node(module, "distinct !{}")
        hints = [f'!{{!"llvm.loop.parallel_accesses", {group.get_reference()}}}']
        # the compiler says on stderr where it cannot follow the second hint: nobody asked others to write for eight accounts
        if _moves_masked() and is_ours(getattr(part, "typing_key", body.typing_key)):
            hints.append(f'!{{!"llvm.loop.vectorize.width", i32 {LANES}}}')
        said = ", ".join(_Node(module, hint).get_reference() for hint in hints)
        loop = _Node(module, f"distinct !{{itself, {said}}}")
        before = builder.block
        lanes, after = builder.append_basic_block("lanes"), builder.append_basic_block("lanes.after")
        builder.cbranch(builder.icmp_signed("<", begin, end), lanes, after)
        builder.position_at_end(lanes)
        place = builder.phi(WORD)
        place.add_incoming(begin, before)
        for one in _call(context, builder, body, wanted, (place, arguments[1], arguments[4]))[1]:
            # where the call is inlined, what it reads and writes is said to be the account's own
            one.set_metadata("llvm.access.group", group)
        following = builder.add(place, WORD(1), flags=("nsw",))
        place.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, end), lanes, after).set_metadata("llvm.loop", loop)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return types.void(body, part, types.intp, types.intp, shared), generate


for_lanes: Any = intrinsic(_lanes_code)
"""`body(i, part, shared)` for i in [first, last), in any order and eight at a time; `part` is a kernel that `body` calls."""


def _apart_code(typing_context: Any, function: Any, arguments: Any) -> Any:
    wanted = function.get_call_type(typing_context, tuple(arguments), {})

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        taken = [builder.extract_value(values[1], k) for k in range(len(arguments))]
        result, calls = _call(context, builder, function, wanted, taken)
        for one in calls:
            one.attributes.add("noinline")
        return result

    return wanted.return_type(function, arguments), generate


call_apart: Any = intrinsic(_apart_code)
"""`function(*arguments)`, not inlined: a tight loop amid a long function would have its numbers on the stack."""
