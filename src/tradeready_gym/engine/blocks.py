"""Copy a run of float32 numbers: one `memcpy` when compiled, a slice when interpreted."""

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic, overload


def _memcpy_code(typing_context: Any, target: Any, to: Any, source: Any, start: Any, count: Any) -> Any:
    signature = types.void(target, types.intp, source, types.intp, types.intp)

    tools: Any = cgutils

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target_array = context.make_array(signature.args[0])(context, builder, arguments[0])
        source_array = context.make_array(signature.args[2])(context, builder, arguments[2])
        tools.raw_memcpy(
            builder,
            builder.gep(target_array.data, [arguments[1]]),
            builder.gep(source_array.data, [arguments[3]]),
            arguments[4],
            context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype)),
        )
        return context.get_dummy_value()

    return signature, generate


_memcpy: Any = intrinsic(_memcpy_code)


def copy_block(target: Any, to: int, source: Any, start: int, count: int) -> None:
    """`target[to : to + count] = source[start : start + count]` for flat contiguous arrays of one type."""
    target[to : to + count] = source[start : start + count]


@overload(copy_block)
def _compiled_copy(target: Any, to: Any, source: Any, start: Any, count: Any) -> Any:
    def copy(target: Any, to: Any, source: Any, start: Any, count: Any) -> None:
        _memcpy(target, to, source, start, count)

    return copy
