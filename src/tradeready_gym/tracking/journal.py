r"""An append-only file of checked records, one JSON object a line, that a crash cannot corrupt.

    00000057 5c1de0f2 {"key":"…","message":"episode","at":"…","body":{…}}\n
    length   CRC-32   payload, ASCII

A record counts only if its length and checksum fit. What a crash or a full disk has torn off at the end, or a bad
sector has spoilt in the middle, is skipped up to the next line; nothing that was written is ever cut off or rewritten.
The file is open only while a batch is written, so a fork, a pickle or a thousand environments share no handle.
"""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tradeready_gym.errors import StoreError

_HEADER_BYTES = 18
_LONGEST_PAYLOAD = 99_999_999
_TAIL_BYTES = 65_536
_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class JournalPart(NamedTuple):
    """The good records of a stretch of a file, where the next one begins, and how many bad lines were skipped."""

    records: list[dict[str, Any]]
    end: int
    damaged: int


class JournalContents(NamedTuple):
    """The good records of a file in their order, and how many bad stretches were skipped."""

    records: list[dict[str, Any]]
    damaged: int


def encode(record: Mapping[str, Any]) -> bytes:
    """One record, framed. Raises `ValueError` for NaN and infinity, `TypeError` for what JSON cannot hold."""
    payload = _encode_json(record).encode("ascii")
    if len(payload) > _LONGEST_PAYLOAD:
        raise ValueError(f"a record holds at most {_LONGEST_PAYLOAD} bytes; got {len(payload)}.")
    return b"%08d %08x %b\n" % (len(payload), zlib.crc32(payload), payload)


def append(path: Path, records: bytes, *, sync: bool = False) -> None:
    """Add framed records to the file, made with its directory if need be; `sync` waits until they are on the disk.

    Raises `OSError`. What a failed call has written in part is skipped by every reader, and the next call goes on
    behind it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b", buffering=0) as file:
        rest = memoryview(b"\n" + records if _ends_torn(file) else records)
        while rest:
            rest = rest[file.write(rest) :]
        if sync:
            os.fsync(file.fileno())


def read(path: Path) -> JournalContents:
    """Every good record of the file. Raises `StoreError` for a file that never was a journal, `OSError` if unreadable."""
    records, damaged, beginning = [], 0, b""
    with open(path, "rb") as file:
        for line in file:
            if line == b"\n":
                continue  # of a writer that saw another's record half written
            record = _decode(line)
            if record is None:
                damaged += 1
                beginning = beginning or line[:_HEADER_BYTES]
            else:
                records.append(record)
    if not records and damaged and not _may_be_torn(beginning):
        raise StoreError(f"{path} is not a run journal: it starts with {beginning!r} and holds no good record.")
    return JournalContents(records, damaged)


def read_from(path: Path, offset: int, most_bytes: int) -> JournalPart:
    """The records from `offset` on, of about `most_bytes`: at least one if one is complete. For who follows a writer.

    A last line that is not complete yet is left for the next time. Raises `OSError`.
    """
    records: list[dict[str, Any]] = []
    damaged, end = 0, offset
    with open(path, "rb") as file:
        file.seek(offset)
        while end - offset < most_bytes:
            line = file.readline()
            if not line.endswith(b"\n"):
                break
            end += len(line)
            record = None if line == b"\n" else _decode(line)
            if record is not None:
                records.append(record)
            elif line != b"\n":
                damaged += 1
    return JournalPart(records, end, damaged)


def read_ends(path: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The first and the last record, without reading what lies between; None for one that is damaged."""
    with open(path, "rb") as file:
        first = _decode(file.readline())
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().splitlines()
    return first, _decode(lines[-1]) if lines else None


def _decode(line: bytes) -> dict[str, Any] | None:
    payload = line[_HEADER_BYTES:].rstrip(b"\n")
    if line[:_HEADER_BYTES] != b"%08d %08x " % (len(payload), zlib.crc32(payload)):
        return None
    record: dict[str, Any] = json.loads(payload)
    return record


def _ends_torn(file: BinaryIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _may_be_torn(beginning: bytes) -> bool:
    # a first record that a crash cut short, or that a file system filled up with zeros
    return not beginning.strip(b"\0") or beginning[:8].isdigit()
