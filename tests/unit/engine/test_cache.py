"""The compiled cache notices every edit, and is used when nothing was edited."""

import os
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import tradeready_gym
from small_worlds import play, random_candles
from tradeready_gym.engine.cache import announce, home, kernel_files, source_key
from tradeready_gym.engine.world import FIELDS
from tradeready_gym.envs import TradingEnvironment

PACKAGE = Path(tradeready_gym.__file__).parent

EDIT_EVERY_FILE = """
import pathlib
from tradeready_gym.engine.cache import kernel_files, source_key
first = source_key()
assert source_key() == first
for path in kernel_files():
    before = path.read_bytes()
    path.write_bytes(before + b"# edited\\n")
    assert source_key() != first, path
    path.write_bytes(before)
assert source_key() == first
print(len(kernel_files()))
"""


def run(code: str, *paths: Path, **environment: str) -> str:
    """What `code` prints in a process of its own, with `paths` in front of everything installed."""
    search = os.pathsep.join(str(path) for path in paths)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_edit_in_any_kernel_file_changes_the_key(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "tradeready_gym", ignore=shutil.ignore_patterns("__pycache__", "sample"))

    assert int(run(EDIT_EVERY_FILE, tmp_path)) == len(kernel_files()) > 30


def test_every_file_that_defines_a_kernel_or_a_record_is_among_them() -> None:
    ours = {path.relative_to(PACKAGE).as_posix() for path in kernel_files()}
    marks = ("@kernel\n", "@cold_kernel\n", "@intrinsic", "@overload")
    written = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(mark in path.read_text() for mark in marks) or "_DTYPE = np.dtype(" in path.read_text()
    }

    assert written <= ours
    assert len(FIELDS) > 10


LOADS = """
import sys
from tradeready_gym.engine.cache import source_key
import own_reward
print(source_key([own_reward.pay]))
"""
OWN = """
from tradeready_gym.kernel import kernel
from own_helper import scaled
from own_numbers import SHARE
import own_numbers
import own_module
FACTOR = 1.0
@kernel
def pay(previous_equity, equity, account, memory, parameters):
    return scaled(equity - previous_equity) * FACTOR * SHARE + own_module.turned(own_numbers.OFFSET)
"""
NUMBERS = """
SHARE = 0.5
OFFSET = 1.0
"""
MODULE = """
from own_helper import scaled
def turned(x):
    return -scaled(x)
"""
HELPER = """
from tradeready_gym.kernel import kernel
@kernel
def scaled(x):
    return 2.0 * x
"""


FILES = {"own_reward.py": OWN, "own_helper.py": HELPER, "own_numbers.py": NUMBERS, "own_module.py": MODULE}


def key_of_own_kernels(folder: Path, edited: str = "", before: str = "", after: str = "") -> str:
    """What a process of its own says of a user's kernels in this folder, one file of which has been edited."""
    for name, text in FILES.items():
        if name == edited:
            assert before in text
            text = text.replace(before, after)
        (folder / name).write_text(text)
    return run(LOADS, folder, PACKAGE.parent)


@pytest.fixture(scope="module")
def unedited_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The key of the kernels as they are, wherever they lie and whoever asks."""
    keys = {key_of_own_kernels(tmp_path_factory.mktemp("unedited")) for _ in range(2)}
    assert len(keys) == 1
    return keys.pop()


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("own_reward.py", "FACTOR = 1.0", "FACTOR = 3.0"),
        ("own_reward.py", "equity - previous_equity", "previous_equity - equity"),
        ("own_helper.py", "2.0 * x", "5.0 * x"),
        ("own_numbers.py", "SHARE = 0.5", "SHARE = 0.7"),
        ("own_numbers.py", "OFFSET = 1.0", "OFFSET = 2.0"),
        ("own_module.py", "-scaled(x)", "scaled(x)"),
    ],
)
def test_an_edit_in_a_users_own_kernels_changes_the_key(
    tmp_path: Path, unedited_key: str, file: str, before: str, after: str
) -> None:
    assert key_of_own_kernels(tmp_path, file, before, after) != unedited_key


STEP_ONCE = """
import sys
sys.path.insert(0, {tests!r})
from small_worlds import RAW, play, random_candles
from tradeready_gym.envs import TradingEnvironment
play(TradingEnvironment(data=random_candles(60), feature_pipeline=RAW, lookback_window=2), [1, 0, 2])
"""


def test_a_second_process_uses_what_the_first_compiled() -> None:
    play(TradingEnvironment(data=random_candles(60), lookback_window=2), [1, 0, 2])
    compiled = home() / "compiled"

    def files() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in compiled.rglob("*.nb[ci]")}

    before = files()
    assert before
    tests = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", STEP_ONCE.format(tests=tests)], capture_output=True, text=True, timeout=300, check=True
    )

    assert "compiling" not in done.stderr
    assert files() == before


def test_a_cold_compile_says_so_once() -> None:
    said = StringIO()
    announce("no-such-key", said)
    announce("no-such-key", said)

    assert said.getvalue().count("compiling this combination of components (once; kept on disk)") == 1


def test_parameters_do_not_enter_the_key() -> None:
    from tradeready_gym.rewards import SharpeReward

    assert source_key([SharpeReward(10).kernel]) == source_key([SharpeReward(50).kernel])


def test_a_new_fee_or_window_compiles_nothing() -> None:
    from tradeready_gym.engine.fuse import fuse
    from tradeready_gym.rewards import SharpeReward

    common: dict[str, Any] = {"data": random_candles(60), "lookback_window": 2, "slippage": "uniform"}
    play(TradingEnvironment(**common, reward_scheme=SharpeReward(10)), [1, 0])
    kept = fuse.cache_info().misses
    before = sorted((home() / "compiled").rglob("*.nbc"))
    play(TradingEnvironment(**common, reward_scheme=SharpeReward(33), fee_rate=0.07, starting_balance=7.0), [1, 0])

    assert fuse.cache_info().misses == kept
    assert sorted((home() / "compiled").rglob("*.nbc")) == before
