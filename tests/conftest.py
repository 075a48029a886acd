"""What every test stands on: a home of its own, no network, one compiled cache for all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("TRADEREADY_TEST_CACHE") or Path(__file__).resolve().parents[1] / "build" / "test-cache")


@pytest.fixture(autouse=True, scope="session")
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`TRADEREADY_HOME` for whoever does not set it: empty, but for compiled code that outlives the run."""
    home = tmp_path_factory.mktemp("home")
    CACHE.mkdir(parents=True, exist_ok=True)
    (home / "compiled").symlink_to(CACHE, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEREADY_HOME", str(home))
        patch.setenv("TRADEREADY_OFFLINE", "1")
        patch.setenv("MPLBACKEND", "Agg")
        yield home


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not there to be tested with; nothing that has to be tested depends on it."""
    from recorded_days import folder_of_recordings

    if folder_of_recordings() is None:
        terminalreporter.write_line(
            "live: recorded days were NOT PLAYED, the made one was: no recordings (tests/live/recorded_days.py)",
            red=True,
        )
