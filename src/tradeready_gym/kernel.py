"""What a kernel is: a plain function of scalars, records and arrays that Numba compiles and Python can also run.

Everything on the hot path is made of kernels. A kernel uses `math.*` (never NumPy sums), draws nothing, allocates nothing,
and may call other kernels; components carry theirs as static methods.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Mark `function` as compilable; it stays an ordinary Python function for everybody else."""
    register_jitable(forceinline=True)(function)
    return function


def cold_kernel(function: Function) -> Function:
    """The same for code that few steps reach: it is called, so that it does not crowd the hot path."""
    register_jitable(function)
    return function
