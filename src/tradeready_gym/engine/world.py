"""Everything a step reads and writes, as one argument.

Compiled code takes the addresses and shapes of the engine's arrays in one int64 array: handing over twenty arrays costs ten
times as much as a step. The engine owns the arrays and never replaces them, so an address is good for as long as it lives;
in compiled code the views have no reference count, whose two atomic operations per slice would cost more than the
arithmetic. Interpreted code takes a `SimpleNamespace` of the same names.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray  # type: ignore[attr-defined]
from numba.core import types
from numba.extending import intrinsic, overload

from tradeready_gym.engine.records import SEGMENT_DTYPE, SETTINGS_DTYPE
from tradeready_gym.exchanges.records import COSTS_DTYPE, INSTRUMENT_DTYPE
from tradeready_gym.kernel import kernel
from tradeready_gym.ledger.columns import Columns
from tradeready_gym.ledger.records import ACCOUNT_DTYPE, POSITION_DTYPE
from tradeready_gym.market.replayer import CANDLE_DTYPE
from tradeready_gym.orders import FILL_DTYPE, ORDER_DTYPE, REJECT_DTYPE

FLOAT = np.dtype(np.float64)

# name: element type, dimensions. T rows, S symbols, N environments.
FIELDS: dict[str, tuple[np.dtype[Any], int]] = {
    "rows": (CANDLE_DTYPE, 2),  # (T, S)
    "closes": (FLOAT, 1),  # (T,) of one symbol, in lockstep; else (0,)
    "table": (np.dtype(np.float32), 1),  # (S x T x F,)
    "account_features": (np.dtype(np.int64), 1),
    "settings": (SETTINGS_DTYPE, 1),
    "segments": (SEGMENT_DTYPE, 1),
    "costs": (COSTS_DTYPE, 1),
    "funding": (FLOAT, 2),  # (T, S), or (0, S) without a history of rates
    "instruments": (INSTRUMENT_DTYPE, 1),  # (S,)
    "accounts": (ACCOUNT_DTYPE, 1),  # (N,)
    "positions": (POSITION_DTYPE, 2),  # (N, S)
    "book": (ORDER_DTYPE, 2),
    "orders": (ORDER_DTYPE, 2),
    "fills": (FILL_DTYPE, 2),
    "rejects": (REJECT_DTYPE, 2),
    "memory": (FLOAT, 2),  # (size, N or more)
    "action_parameters": (FLOAT, 1),
    "slippage_parameters": (FLOAT, 1),
    "reward_parameters": (FLOAT, 1),
    "actions": (FLOAT, 2),  # (A, N or more)
    "history": (FLOAT, 3),
}
_SLOT = 4


def _pointer_code(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


pointer: Any = intrinsic(_pointer_code)


def field(name: str) -> Callable[[Any], Any]:
    """The reader of one array of a world, compiled and interpreted."""
    dtype, dimensions = FIELDS[name]
    at = _SLOT * list(FIELDS).index(name)

    def read(world: Any) -> Any:
        return getattr(world, name)

    def look_1(world: Any) -> Any:
        return carray(pointer(world[at]), (world[at + 1],), dtype)

    def look_2(world: Any) -> Any:
        return carray(pointer(world[at]), (world[at + 1], world[at + 2]), dtype)

    def look_3(world: Any) -> Any:
        return carray(pointer(world[at]), (world[at + 1], world[at + 2], world[at + 3]), dtype)

    @overload(read)
    def compiled(world: Any) -> Any:
        return (look_1, look_2, look_3)[dimensions - 1]

    return read


def columns_of(name: str) -> Callable[[Any], Any]:
    """The reader of records that are `Columns`, in compiled code: (address, cells from one column to the next)."""
    at = _SLOT * list(FIELDS).index(name)

    def read(world: Any) -> Any:
        return world[at], world[at + 1]

    return kernel(read)


def addresses(arrays: Mapping[str, npt.NDArray[Any] | Columns]) -> npt.NDArray[np.int64]:
    """The world of compiled code: where each array is, and its shape. The caller keeps the arrays alive."""
    slots = np.zeros((len(FIELDS), _SLOT), np.int64)
    for place, (name, (dtype, dimensions)) in enumerate(FIELDS.items()):
        array = arrays[name]
        if isinstance(array, Columns):
            slots[place, :2] = array.cells.ctypes.data, array.cells.shape[1]
            continue
        if array.ndim != dimensions or array.dtype.itemsize != dtype.itemsize or not array.flags.c_contiguous:
            raise TypeError(f"{name} must be a contiguous {dimensions}-dimensional array of {dtype}; got {array.dtype}")
        slots[place, 0] = array.ctypes.data
        slots[place, 1 : 1 + dimensions] = array.shape
    return slots.reshape(-1)


def interpreted_world(arrays: Mapping[str, npt.NDArray[Any]]) -> SimpleNamespace:
    """The same world for uncompiled kernels; records are reached by attribute."""
    return SimpleNamespace(**{k: a.view(np.recarray) if a.dtype.names else a for k, a in arrays.items()})


def plain(array: Any) -> Any:
    """The array without its record view, which the compiler tells apart slowly; `Columns` are what they are."""
    if isinstance(array, Columns):
        return array
    return np.asarray(array).view(np.dtype(array.dtype.descr), np.ndarray)
