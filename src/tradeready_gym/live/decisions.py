"""The decisions of a deployment, a line each, for people: what was decided when, and what came of it.

The newest are in `decisions.jsonl`. When that has grown it becomes `decisions-SLOT.jsonl`, by the slot of its last line, and the
oldest of those go.
"""

import json
import os
from pathlib import Path
from typing import Any

FILE = "decisions.jsonl"
ROTATE_BYTES = 4 * 1024 * 1024  # ten days of minutes
KEPT_FILES = 16
_TAIL_BYTES = 262_144


class DecisionLog:
    """The log in this folder, for the one process that writes it; what it was writing when it was killed is cut off.

    Args:
        folder: of the deployment.
        rotate_bytes: how large the newest file becomes.
        kept_files: how many older ones stay.
    """

    def __init__(self, folder: Path, rotate_bytes: int | None = None, kept_files: int = KEPT_FILES) -> None:
        self._folder, self._path = folder, folder / FILE
        self._rotate_bytes = ROTATE_BYTES if rotate_bytes is None else rotate_bytes
        self._kept_files = kept_files
        _cut_torn_end(self._path)
        newest = read_decisions(folder, 1)
        self.newest_slot: str | None = newest[-1]["slot"] if newest else None

    def add(self, line: dict[str, Any]) -> bool:
        """Add a decision, unless its `slot` is there already, or older than what is; whether it was added."""
        if self.newest_slot is not None and line["slot"] <= self.newest_slot:
            return False
        self._rotate_if_large()
        self._append(f"{json.dumps(line)}\n".encode())
        self.newest_slot = line["slot"]
        return True

    def _append(self, line: bytes) -> None:
        with open(self._path, "ab") as file:
            file.write(line)

    def sync(self) -> None:
        """Return when everything is on the disk."""
        if self._path.exists():
            with open(self._path, "ab") as file:
                os.fsync(file.fileno())

    def _rotate_if_large(self) -> None:
        if self.newest_slot is None or not self._path.exists() or self._path.stat().st_size < self._rotate_bytes:
            return
        self.sync()
        slot = self.newest_slot.replace(":", "").replace("-", "")
        os.replace(self._path, self._folder / f"decisions-{slot}.jsonl")
        for path in _older(self._folder)[: -self._kept_files]:
            path.unlink()


def read_decisions(folder: Path, last: int) -> list[dict[str, Any]]:
    """The newest decisions, oldest first: `last` of them, or as many as the newest 256 KiB of the log hold."""
    found: list[bytes] = []
    left = _TAIL_BYTES
    for path in [folder / FILE, *reversed(_older(folder))]:
        if len(found) >= last or left <= 0:
            break
        lines, read, _ = _tail(path, left)
        found, left = lines + found, left - read
    return [json.loads(line) for line in found[-last:] if _is_decision(line)]


def _older(folder: Path) -> list[Path]:
    return sorted(folder.glob("decisions-*.jsonl"))


def _tail(path: Path, most: int) -> tuple[list[bytes], int, int]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            text = file.read()
    except FileNotFoundError:
        return [], 0, 0
    # what has no end is being written, and the first may have no beginning
    *lines, unfinished = text.split(b"\n")
    return lines[int(size > most) :], len(text), len(unfinished)


def _cut_torn_end(path: Path) -> None:
    if not path.exists():
        return
    lines, _, torn = _tail(path, _TAIL_BYTES)
    # after a power cut a line may be as long as it was, and empty
    while lines and not _is_decision(lines[-1]):
        torn += len(lines.pop()) + 1
    if torn:
        os.truncate(path, path.stat().st_size - torn)


def _is_decision(line: bytes) -> bool:
    try:
        return "slot" in json.loads(line)
    except (ValueError, TypeError):
        return False
