"""A disk that takes no more: said in words, and in the room that there is."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tradeready_gym.errors import StoreError
from tradeready_gym.live.deployments import Deployment

_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_FORBIDDEN = {errno.EACCES, errno.EPERM}  # a network's too, where no file is named
_LEAST = (
    "state",
    "pid",
    "updated_at",
    "problem",
    "virtual_time",
    "step",
    "equity",
    "roi_pct",
    "positions",
    "open_orders",
)


@contextmanager
def refusals_in_words(deployment: Deployment) -> Iterator[None]:
    """Raise what a disk refuses within the block as the `StoreError` of `refusal_of`; everything else as it is."""
    try:
        yield
    except OSError as error:
        refusal = refusal_of(deployment, error)
        if refusal is None:
            raise
        raise refusal from error


def refusal_of(deployment: Deployment, error: BaseException) -> StoreError | None:
    """Which file the disk does not take, what became of the account, and what to do; None if it is no refusal of a disk.

    An error that names no file is of the journal, which every other writer of a deployment's folder is not.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return None
    ours = str(error.filename or "").startswith(f"{deployment.folder}{os.sep}")
    if error.errno not in (_REFUSALS | _FORBIDDEN if ours else _REFUSALS):
        return None
    file = error.filename or deployment.folder / "session.journal"
    said = f"the disk does not take {file} ({os.strerror(error.errno)})"
    if not _has_traded(deployment):
        return StoreError(
            f"{said}, and {deployment.name} has not traded. Make room there, or let it be written, and begin again"
        )
    return StoreError(
        f"{said}, and {deployment.name} trades no more. Its account is safe: everything that it did is in its journal, and nothing "
        f"was sold. Make room there, or let it be written; `tradeready live resume {deployment.name}` then goes on"
    )


def _has_traded(deployment: Deployment) -> bool:
    try:
        return "equity" in deployment.status
    except StoreError:
        return True


def write_over(path: Path, values: Mapping[str, Any]) -> bool:
    """Write an object over a file's old content, in the room that the file has on its disk; whether there was enough.

    Only for a disk that has no room for a second file: who reads it at that moment may see half of it.
    """
    try:
        room = path.stat().st_blocks * 512
        texts = [
            json.dumps(kept).encode() for kept in (values, {name: values[name] for name in _LEAST if name in values})
        ]
        fitting = [text for text in texts if len(text) <= room]
        if not fitting:
            return False
        with open(path, "r+b", buffering=0) as file:
            file.write(fitting[0])
            file.truncate()
    except OSError:
        return False
    return True
