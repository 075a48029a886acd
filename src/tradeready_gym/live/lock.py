"""One process at a time: a lock on a folder that ends with whoever holds it, however it ends.

A number of a process says less: another one may have it by now, and one that ended and was not waited for still has it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tradeready_gym.errors import ConfigurationError

_NAME = "lock"
_PATIENCE = 1.0  # who only looks holds it for a moment, too


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder until the block ends.

    Raises:
        ConfigurationError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _NAME, "a+b") as file:
        begin = time.monotonic()
        while not _taken(file, shared=False):
            if time.monotonic() - begin > _PATIENCE:
                raise ConfigurationError(f"{folder.name} is running already: another process works in {folder}")
            time.sleep(0.02)
        yield


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of this folder."""
    try:
        with open(folder / _NAME, "rb") as file:
            return not _taken(file, shared=True)
    except FileNotFoundError:
        return False


def _taken(file: BinaryIO, *, shared: bool) -> bool:
    import fcntl  # not on Windows

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
