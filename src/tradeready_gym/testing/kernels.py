"""Compile one kernel by itself, as the engine does, and keep the result on disk."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from tradeready_gym.engine.cache import compiled, source_key
from tradeready_gym.errors import CheckFailed
from tradeready_gym.kernel import kernel


def run_compiled(component: Any, make: Callable[[Callable[..., Any]], Callable[..., Any]], *arguments: Any) -> None:
    """Compile the loop that `make` builds around the component's kernel, and run it on `arguments`."""
    try:
        compiled(make(kernel(component.kernel)), source_key((component.kernel,)))(*arguments)
    except (NumbaError, UnsupportedBytecodeError) as error:
        reason = " ".join(str(error).split())
        raise CheckFailed(
            f"the kernel of {component!r} must compile: plain arithmetic, math.*, loops, and other kernels; Numba says "
            f"{reason[:600]}"
        ) from error


def require_equal(component: Any, interpreted: Any, machine: Any, describe: Callable[[int], str]) -> None:
    """Raise `CheckFailed` unless both arrays have the same bits; `describe` names a case by its index."""
    same = np.array([a.tobytes() == b.tobytes() for a, b in zip(interpreted, machine, strict=True)])
    if not same.all():
        k = int(np.flatnonzero(~same)[0])
        raise CheckFailed(
            f"the kernel of {component!r} must give the same bits compiled and interpreted; for {describe(k)} it gives "
            f"{machine[k]!r} compiled and {interpreted[k]!r} interpreted. Use math.* and explicit loops, and cast integers "
            f"with int() and numbers with float()"
        )
