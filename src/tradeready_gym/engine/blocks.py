"""What compiled code says about memory and Python cannot: copy a run of numbers by vector moves, ask for a record early."""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic, overload

# one cache line of float32; narrower machines take several moves for it
_LANES = 16


def _move_code(typing_context: Any, target: Any, to: Any, source: Any, start: Any) -> Any:
    signature = types.void(target, types.intp, source, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target_array = context.make_array(signature.args[0])(context, builder, arguments[0])
        source_array = context.make_array(signature.args[2])(context, builder, arguments[2])
        element = context.get_data_type(signature.args[0].dtype)
        size = context.get_abi_sizeof(element)
        lanes = ir.VectorType(element, _LANES).as_pointer()
        read = builder.bitcast(builder.gep(source_array.data, [arguments[3]]), lanes)
        write = builder.bitcast(builder.gep(target_array.data, [arguments[1]]), lanes)
        builder.store(builder.load(read, align=size), write, align=size)
        return context.get_dummy_value()

    return signature, generate


_move: Any = intrinsic(_move_code)


def _past_line_code(typing_context: Any, array: Any, index: Any) -> Any:
    signature = types.intp(array, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        word = context.get_value_type(types.intp)
        place = builder.ptrtoint(builder.gep(view.data, [arguments[1]]), word)
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        return builder.and_(builder.udiv(place, word(size)), word(_LANES - 1))

    return signature, generate


_past_line: Any = intrinsic(_past_line_code)


def copy_block(target: Any, to: int, source: Any, start: int, count: int) -> None:
    """`target[to : to + count] = source[start : start + count]` for flat contiguous arrays of one type."""
    target[to : to + count] = source[start : start + count]


@overload(copy_block, inline="always")
def _compiled_copy(target: Any, to: Any, source: Any, start: Any, count: Any) -> Any:
    # a call of `memcpy` for each window would push the whole step out of its registers
    def copy(target: Any, to: Any, source: Any, start: Any, count: Any) -> None:
        done = 0
        if count > _LANES:
            _move(target, to, source, start)
            # from here on whole cache lines are written; a move that ends in the next line is two
            done = _LANES - _past_line(target, to)
        while done + _LANES <= count:
            _move(target, to + done, source, start + done)
            done += _LANES
        if done < count and count >= _LANES:
            # the last move overlaps the one before it
            _move(target, to + count - _LANES, source, start + count - _LANES)
            done = count
        while done < count:
            target[to + done] = source[start + done]
            done += 1

    return copy


def _prefetch_code(typing_context: Any, array: Any, index: Any) -> Any:
    signature = types.void(array, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        flag, address = ir.IntType(32), ir.IntType(8).as_pointer()
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [address], ir.FunctionType(ir.VoidType(), [address, flag, flag, flag])
        )
        place = builder.bitcast(builder.gep(view.data, [arguments[1]]), address)
        # to read, to keep, as data
        builder.call(function, [place, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return signature, generate


_prefetch: Any = intrinsic(_prefetch_code)


def prefetch(array: Any, index: int) -> None:
    """Bring `array[index]` of a flat array into the nearest cache while other work goes on; any index is harmless."""


@overload(prefetch, inline="always")
def _compiled_prefetch(array: Any, index: Any) -> Any:
    def ask(array: Any, index: Any) -> None:
        _prefetch(array, index)

    return ask


def copy_ahead(target: Any, to: int, source: Any, start: int, count: int, following: int) -> None:
    """`copy_block` in a loop of nothing else; what will be copied from `following` soon is brought near on the way."""
    target[to : to + count] = source[start : start + count]


@overload(copy_ahead, inline="always")
def _compiled_copy_ahead(target: Any, to: Any, source: Any, start: Any, count: Any, following: Any) -> Any:
    def copy(target: Any, to: Any, source: Any, start: Any, count: Any, following: Any) -> None:
        done = 0
        while done + _LANES <= count:
            _move(target, to + done, source, start + done)
            _prefetch(source, following + done)
            done += _LANES
        if done < count and count >= _LANES:
            # the last move overlaps the one before it
            _move(target, to + count - _LANES, source, start + count - _LANES)
            _prefetch(source, following + count)
            done = count
        while done < count:
            target[to + done] = source[start + done]
            done += 1

    return copy
