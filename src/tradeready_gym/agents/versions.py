"""Which versions an agent was saved with, and whether those here are others."""

import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version


class MismatchWarning(UserWarning):
    """An agent is played with other versions, or with candles of another source, than it was trained with."""


def versions_of(*packages: str) -> dict[str, str]:
    """The installed versions of these distributions; those that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a source tree that is not installed
            continue
    return found


def version_differences(saved: Mapping[str, str]) -> list[str]:
    """What of `saved` has another major or minor version here, in words; what is not installed here is left out."""
    found = {"python": python_version(), **versions_of(*(name for name in saved if name != "python"))}
    return [
        f"{name} {saved[name]} (here {found[name]})"
        for name in saved
        if name in found and _release(saved[name]) != _release(found[name])
    ]


def warn_of_versions(folder: Path, saved: Mapping[str, str]) -> None:
    """Warn of `version_differences`, if there are any."""
    differences = version_differences(saved)
    if differences:
        warnings.warn(
            f"the strategy in {folder} was saved with {', '.join(differences)}; its actions may differ in the last digits, and "
            f"what it pickled may not load. Install those versions, or train it again; allow='versions' says nothing of it",
            MismatchWarning,
            stacklevel=4,
        )


def _release(text: str) -> tuple[str, ...]:
    # 2.9.1+cpu is 2.9
    return tuple(text.split("+")[0].split(".")[:2])
