"""One at a time: a lock on a folder, or on a file that one alone may write, that ends with whoever holds it, however it ends.

A number of a process says less: another one may have it by now, and one that ended and was not waited for still has it. The
number beside the lock of a file only tells people whom to look for.
"""

import contextlib
import json
import os
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tradeready_gym.errors import ConfigurationError

_NAME = "lock"
_LONGEST_NOTE = 4096
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


class FileLock:
    """The lock of whoever writes the file `path`: a file beside it, `path` and `.lock`, which goes when the lock does.

    It ends with `release()`, with the object, and with the process, however that ends. A process that is forked off does not
    have it, even if it outlives this one.

    Raises:
        ConfigurationError: another one holds it, in this process or elsewhere; the message says who.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO | None = _taken_file(path, self._path)
        _HELD.add(self)

    @property
    def is_held(self) -> bool:
        """Whether this is still the one who may write."""
        return self._file is not None

    def release(self) -> None:
        """Let another one write; releasing twice is harmless."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                # while it is still held: whoever takes it now looks whether its file is the one that is there
                self._path.unlink()
            file.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            with contextlib.suppress(Exception):  # the interpreter may be going down
                self.release()

    def _leave_to_parent(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()  # of the two that share it, the other one keeps it


_HELD: "weakref.WeakSet[FileLock]" = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_HELD):
        lock._leave_to_parent()
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _taken_file(path: Path, beside: Path) -> BinaryIO:
    while True:
        file = open(beside, "a+b", buffering=0)  # noqa: SIM115 - it is held as long as the lock
        try:
            if not _taken(file, shared=False):
                raise ConfigurationError(
                    f"{path} is being written by {_holder(file)}: one at a time. close() that environment or account, or take another "
                    "journal"
                )
            if _is_there(file, beside):
                file.truncate(0)
                file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _is_there(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _holder(file: BinaryIO) -> str:
    try:
        file.seek(0)
        note: dict[str, Any] = json.loads(file.read(_LONGEST_NOTE))
        pid, host = int(note["pid"]), str(note["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    if host != socket.gethostname():
        return f"process {pid} of {host}"
    return f"this process ({pid})" if pid == os.getpid() else f"process {pid}"


def _taken(file: BinaryIO, *, shared: bool) -> bool:
    import fcntl  # not on Windows

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
