"""The engine's step for accounts that trade without actions: interpreted until the compiled one is there.

The two give the same bits, so nobody waits for the compiler but who wants more candles than Python can step meanwhile.
"""

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.engine.fuse import fuse, no_action, no_pay
from tradeready_gym.engine.records import REPORT
from tradeready_gym.engine.step import FILL, QUOTE
from tradeready_gym.engine.world import addresses, interpreted_world

# what Python steps in about a tenth of a second; the compiler takes some ten
_INTERPRETED_CANDLES = 500


class World:
    """The arrays of one account, as both kinds of step take them (see `engine.world`)."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self.arrays = dict(arrays)  # which are what the addresses are of
        self.compiled, self.interpreted = addresses(arrays), interpreted_world(arrays)


class Stepper:
    """The phases QUOTE and FILL for one slippage model, on a spot or a margin account; shared by all sessions."""

    def __init__(self, slippage: Callable[..., float], margin: bool) -> None:
        self._slippage, self._margin = slippage, margin
        self._lock = threading.Lock()
        self._compiling: threading.Thread | None = None
        self._compiled: Any = None
        self._interpreted = fuse(no_action, slippage, no_pay, True, margin).advance
        self._nothing, self._report = np.zeros(0, np.float32), np.zeros((len(REPORT), 1))

    def advance(self, world: World, candles: int) -> None:
        """Step an account by so many candles; its `settings` say how many, too."""
        if self._compiled is None:
            self._begin(world)
        if self._compiled is None and candles <= _INTERPRETED_CANDLES:
            # 64-bit counters wrap around on purpose
            with np.errstate(over="ignore"):
                self._interpreted(world.interpreted, self._nothing, self._report, 0, 1, QUOTE | FILL)
            return
        self.wait(world)
        self._compiled(world.compiled, self._nothing, self._report, 0, 1, QUOTE | FILL)

    def wait(self, world: World) -> None:
        """Return when the step is compiled."""
        self._begin(world).join()
        if self._compiled is None:
            # what went wrong in the background goes wrong here, where somebody is told
            self._compile(world)

    def _begin(self, world: World) -> threading.Thread:
        with self._lock:
            if self._compiling is None:
                self._compiling = threading.Thread(target=self._compile, args=(world,), name="compiler", daemon=True)
                self._compiling.start()
            return self._compiling

    def _compile(self, world: World) -> None:
        advance = fuse(no_action, self._slippage, no_pay, False, self._margin).advance
        # no account at all: it is compiled, and nothing is touched
        advance(world.compiled, self._nothing, self._report, 0, 0, QUOTE | FILL)
        self._compiled = advance


@functools.cache
def stepper_of(slippage: Callable[..., float], margin: bool) -> Stepper:
    """The one stepper of a slippage model's kernel."""
    return Stepper(slippage, margin)
