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
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba import njit
from numba.core import config

ROOMS = ("ledger", "exchanges", "actions", "rewards", "engine")
FILES = ("kernel.py", "market/replayer.py", "orders.py")
KEPT_SECONDS = 30 * 86_400
_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, frozenset, type(None), np.generic, np.ndarray)
_KNOWN_MODULES = ("builtins", "math", "numpy", "numba")

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
    callees, constants = _reached(functions)
    for constant in constants:
        digest.update(constant.encode() + b"\0")
    for function in callees:
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


def is_ours(function: Callable[..., Any]) -> bool:
    """Whether `function` and all that it calls, however far down, are this package's."""
    # what is no plain function is not looked into, and so not known to be
    found = _reached((function,))[0]
    return bool(found) and all(part.__module__.partition(".")[0] == "tradeready_gym" for part in found)


def _reached(functions: Iterable[Callable[..., Any]]) -> tuple[list[FunctionType], list[str]]:
    # the functions that these call, and the numbers that they read, which the compiler takes for constants
    found: list[FunctionType] = []
    constants: set[str] = set()
    waiting: list[Any] = list(functions)
    while waiting:
        function = waiting.pop(0)
        if not isinstance(function, FunctionType) or function in found:
            continue
        found.append(function)
        for name, value in _names_of(function):
            if isinstance(value, _CONSTANTS):
                shown = value.tobytes().hex() if isinstance(value, np.ndarray) else repr(value)
                constants.add(f"{function.__module__}.{function.__qualname__} {name} = {shown}")
            else:
                waiting.append(value)
    return found, sorted(constants)


def _names_of(function: FunctionType) -> Iterator[tuple[str, Any]]:
    cells = {
        name: cell.cell_contents
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    }
    scope = {**function.__globals__, **cells}
    waiting = [(name, scope[name]) for name in (*function.__code__.co_names, *cells) if name in scope]
    seen: list[ModuleType] = []
    while waiting:
        name, value = waiting.pop(0)
        if not isinstance(value, ModuleType):
            yield name, value
        elif value not in seen and value.__name__.partition(".")[0] not in _KNOWN_MODULES:
            # `helpers.scale(x)`: whatever of the module the function may name
            seen.append(value)
            attributes = [part for part in function.__code__.co_names if hasattr(value, part)]
            waiting += [(f"{name}.{part}", getattr(value, part)) for part in attributes]


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
