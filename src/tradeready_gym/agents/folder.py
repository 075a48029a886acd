"""A folder whose files change together: after a crash either all are the old ones, or all are the new ones.

Drafts of all files are written and synchronised first, the draft of the card last: with it the save has happened. Moving the
drafts into their places is completed by whoever reads next, if the writer could not. Other files in the folder are left alone.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tradeready_gym.errors import StoreError

Writer = Callable[[Path], object]
FILES = "files"


def write_folder(folder: Path, card_name: str, card: Mapping[str, Any], files: Mapping[str, Writer]) -> None:
    """Write `files` and the card, which lists their SHA-256 under "files". Raises `OSError` as the disk does."""
    folder.mkdir(parents=True, exist_ok=True)
    _draft(folder, card_name).unlink(missing_ok=True)
    hashes = {}
    for name, write in files.items():
        draft = _draft(folder, name)
        write(draft)
        _synchronise(draft)
        hashes[name] = file_hash(draft)
    draft = _draft(folder, f"{card_name}.part")
    draft.write_text(json.dumps({**card, FILES: hashes}, indent=2) + "\n", encoding="utf-8")
    _synchronise(draft)
    os.replace(draft, _draft(folder, card_name))
    _move_drafts(folder, card_name)


def read_folder(folder: Path, card_name: str) -> dict[str, Any]:
    """The card of a folder whose files are what it says.

    Raises:
        StoreError: there is none, or a file is missing or another.
    """
    try:
        if _draft(folder, card_name).exists():
            _move_drafts(folder, card_name)
        card = json.loads((folder / card_name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no saved strategy: there is no {card_name}") from error
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the strategy in {folder} cannot be read: {card_name}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(card, dict):
        raise StoreError(f"the strategy in {folder} cannot be read: {card_name} must hold an object")
    return card


def check_files(folder: Path, card_name: str, card: Mapping[str, Any]) -> None:
    """Raise `StoreError` unless every file that the card lists is there, to the last bit."""
    listed = card.get(FILES)
    if not isinstance(listed, dict) or not listed:
        raise StoreError(f"the strategy in {folder} cannot be read: {card_name} lists no files. Save it again")
    for name, expected in listed.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise StoreError(
                f"the strategy in {folder} cannot be read: it is incomplete, {card_name} lists {name}, which is not there. "
                f"Copy the whole folder, or save it again"
            )
        found = file_hash(path)
        if found != expected:
            raise StoreError(
                f"the strategy in {folder} cannot be read: {name} is damaged or of another save: its SHA-256 must be "
                f"{str(expected)[:12]}..., found {found[:12]}.... Copy the whole folder, or save it again"
            )


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _move_drafts(folder: Path, card_name: str) -> None:
    pending = _draft(folder, card_name)
    card = json.loads(pending.read_text(encoding="utf-8"))
    for name in card[FILES]:
        draft = _draft(folder, name)
        if draft.exists():  # else it was moved before the writer stopped
            os.replace(draft, folder / name)
    os.replace(pending, folder / card_name)
    _synchronise(folder)


def _draft(folder: Path, name: str) -> Path:
    return folder / f".{name}"


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
