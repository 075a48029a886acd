"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable


def eventually(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it comes true within so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
