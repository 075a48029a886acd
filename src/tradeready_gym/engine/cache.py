"""Compiled code on disk, under a key that notices an edit in any kernel file.

The compiler's own cache looks at one file only. Ours gives every state of the sources a directory of its own below
`TRADEREADY_HOME/compiled`, named by a hash of all kernel files, of the files of foreign components, and of the versions that
matter; the directories of other states are removed when they have not been used for a month.
"""

import hashlib
import inspect
import os
import platform
import shutil
import sys
import threading
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numba
from numba import njit
from numba.core import config

ROOMS = ("ledger", "exchanges", "actions", "rewards", "engine")
FILES = ("kernel.py", "market/replayer.py", "orders.py")
KEPT_SECONDS = 30 * 86_400

_lock = threading.Lock()
_announced: set[str] = set()


def home() -> Path:
    """The directory of everything we keep: `$TRADEREADY_HOME`, by default `~/.tradeready`."""
    return Path(os.environ.get("TRADEREADY_HOME") or Path.home() / ".tradeready")


def kernel_files() -> list[Path]:
    """Every file of ours that a compiled step may be made of, sorted."""
    package = Path(__file__).resolve().parents[1]
    return sorted(
        [package / name for name in FILES] + [path for room in ROOMS for path in (package / room).glob("*.py")]
    )


def source_key(functions: Iterable[Callable[..., Any]] = ()) -> str:
    """A hash of the kernel files, of what `functions` are made of, and of the versions that compile them."""
    digest = hashlib.sha256()
    for words in (platform.python_version(), numba.__version__, version("llvmlite"), version("numpy")):
        digest.update(words.encode() + b"\0")
    ours = kernel_files()
    for path in ours:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for function in _with_callees(functions):
        digest.update(f"{function.__module__}.{function.__qualname__}".encode())
        file = inspect.getsourcefile(function)
        source = Path(file).resolve() if file else None
        if source in ours:
            continue
        if source is not None and source.exists():
            digest.update(source.read_bytes())
        # a nested code object prints its address, which is another in every process
        numbers = [value for value in function.__code__.co_consts if not isinstance(value, CodeType)]
        digest.update(function.__code__.co_code + repr(numbers).encode())
    return digest.hexdigest()[:24]


def _with_callees(functions: Iterable[Callable[..., Any]]) -> list[FunctionType]:
    found: list[FunctionType] = []
    waiting: list[Any] = list(functions)
    while waiting:
        function = waiting.pop(0)
        if not isinstance(function, FunctionType) or function in found:
            continue
        found.append(function)
        cells = {
            name: cell.cell_contents
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        }
        scope = {**function.__globals__, **cells}
        waiting += [scope[name] for name in (*function.__code__.co_names, *cells) if name in scope]
    return found


def compiled(function: Callable[..., Any], key: str) -> Any:
    """`function` as a compiled one that releases the GIL and is kept on disk below `key`."""
    directory = home() / "compiled" / key
    settings: Any = config
    dispatcher = njit(nogil=True, error_model="numpy")(function)
    with _lock:
        before = settings.CACHE_DIR
        settings.CACHE_DIR = str(directory)
        try:
            dispatcher.enable_caching()
        finally:
            settings.CACHE_DIR = before
    return dispatcher


def announce(key: str, stream: Any = None) -> None:
    """Say once per process that nothing is compiled yet for these sources, so that a minute of silence is understood."""
    directory = home() / "compiled" / key
    if key in _announced or any(directory.glob("*/*advance*.nbc")):
        if directory.exists():
            os.utime(directory)
        return
    _announced.add(key)
    _remove_stale(directory.parent)
    (stream or sys.stderr).write(
        "tradeready-gym: compiling this combination of components (once; kept on disk). "
        "`tradeready warm` does it ahead of time.\n"
    )


def _remove_stale(root: Path) -> None:
    if not root.exists():
        return
    newest = max((entry.stat().st_mtime for entry in root.iterdir()), default=0.0)
    for entry in root.iterdir():
        if newest - entry.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)
