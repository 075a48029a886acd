"""Arrays that begin where a cache line begins."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

LINE = 64


def zeros_on_line(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """`np.zeros(shape, dtype)`, its first byte at a multiple of 64: records of that size are each read from one cache line."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    room = np.zeros(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(kind).reshape(shape)
