"""`tradeready version`."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import tradeready_gym
from tradeready_gym.cli.console import out

_SHOWN = ("gymnasium", "numpy", "numba", "duckdb", "stable-baselines3", "torch")


def version() -> None:
    """Show the versions of this package and of what it stands on."""
    console = out()
    console.print(f"tradeready-gym {tradeready_gym.__version__}, Python {platform.python_version()}")
    for name in _SHOWN:
        try:
            console.print(f"{name} {version_of(name)}")
        except PackageNotFoundError:
            console.print(f"{name} is not installed")
