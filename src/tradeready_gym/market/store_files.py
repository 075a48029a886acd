"""The files of the candle store: named, published whole, and read as one table."""

import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.errors import DataError, StoreError
from tradeready_gym.market.splits import Span
from tradeready_gym.market.timeframe import format_time, parse_time

_NAME = re.compile(r"(\d{8}T\d{6}Z)_(\d{8}T\d{6}Z)_(\d{8})([cw])_[0-9a-f]{8}(?:_([0-9a-f]{16}))?\.parquet")
_TEMPORARY = ".writing-"
_WAY_OUT = "Delete it, then download or import its span again."
_RENAMES = 20  # races with compaction that one publication survives; each takes microseconds

# Files whose bytes were found to be those that were written: hashing one may take longer than reading a day of it.
_sound: set[tuple[str, int, int, int]] = set()

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class StoreFile:
    """One file: where, the span that it answers for, its generation, and its kind (`w`ritten or `c`ompacted).

    `digest` is how the SHA-256 of its bytes begins, or None for a file of a version that kept no checksums.
    """

    path: Path
    span: Span
    generation: int
    kind: str
    digest: str | None = None

    @property
    def rank(self) -> tuple[int, str, str]:
        """What decides between two files that hold the same candle: the greater one counts."""
        return self.generation, self.kind, self.path.name


def list_files(folder: Path) -> list[StoreFile]:
    """Return the files of one series, lowest rank first; none if the folder does not exist."""
    files = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            start, end, generation, kind, digest = match.groups()
            files.append(StoreFile(path, Span(parse_time(start), parse_time(end)), int(generation), kind, digest))
    return sorted(files, key=lambda file: file.rank)


def foreign_files(folder: Path) -> list[Path]:
    """Return what lies in a series' folder and is no file of the store, remains of killed writers included."""
    return sorted(path for path in folder.iterdir() if not _NAME.fullmatch(path.name))


def publish(folder: Path, columns: Columns, span: Span, generation: int | None = None) -> None:
    """Write columns (`bucket` in microseconds, and float64) beside their place and rename them into it.

    With `generation` the file is a compacted one; without, it outranks every file that is there when it appears.
    Raises `DataError` for names that differ in case only and `StoreError` if the disk refuses.
    """
    if len({name.lower() for name in columns}) < len(columns):
        raise DataError(f"stored columns must differ in more than case; found {', '.join(columns)}. Rename one.")
    token = uuid.uuid4().hex[:8]
    temporary = folder / f"{_TEMPORARY}{token}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_parquet(columns, temporary)
        token = f"{token}_{_digest(temporary)}"
        if generation is not None:
            os.replace(temporary, folder / _name(span, generation, "c", token))
            return
        _publish_on_top(folder, temporary, span, token)
    except OSError as error:
        if temporary.is_file():
            temporary.unlink()
        raise StoreError(
            f"candles cannot be stored in {folder}: {error}. Set TRADEREADY_HOME to another place."
        ) from error


def _publish_on_top(folder: Path, current: Path, span: Span, token: str) -> None:
    for _ in range(_RENAMES):
        others = [file for file in list_files(folder) if file.path != current]
        generation = 1 + max((file.generation for file in others), default=0)
        target = folder / _name(span, generation, "w", token)
        try:
            os.replace(current, target)
        except FileNotFoundError:
            if current.name.startswith(_TEMPORARY):
                raise
            return  # compaction took it in
        current = target
        # A compaction that did not see this file may have appeared with a higher generation: go above it.
        if not any(file.kind == "c" and file.generation >= generation for file in list_files(folder)):
            return


def _name(span: Span, generation: int, kind: str, token: str) -> str:
    start, end = (format_time(edge).replace("-", "").replace(":", "") for edge in (span.start, span.end))
    return f"{start}_{end}_{generation:08d}{kind}_{token}.parquet"


def _write_parquet(columns: Columns, path: Path) -> None:
    import duckdb

    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
            connection.register("candles", columns)
            place = str(path).replace("'", "''")
            connection.execute(
                "COPY (SELECT make_timestamptz(bucket) AS bucket, * EXCLUDE (bucket) FROM candles ORDER BY bucket) "
                f"TO '{place}' (FORMAT parquet, COMPRESSION zstd)"
            )
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from error
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def verify(file: StoreFile) -> None:
    """Raise `StoreError` unless the file's bytes are those that were written, as far as it says which those were.

    Raises `FileNotFoundError` if it vanished.
    """
    if file.digest is None:
        return
    try:
        found = _digest(file.path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{file.path} cannot be read: {error}. Let this user read it, or: {_WAY_OUT}") from error
    if found != file.digest:
        raise StoreError(
            f"{file.path} is damaged: the SHA-256 of its bytes begins with {found}, when it was written with {file.digest}. "
            f"{_WAY_OUT}"
        )


def _verify_once(file: StoreFile) -> None:
    found = file.path.stat()
    seen = (str(file.path), found.st_ino, found.st_size, found.st_mtime_ns)
    if seen not in _sound:
        verify(file)
        _sound.add(seen)


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def read_files(files: Iterable[StoreFile], span: Span) -> Columns:
    """Return the rows of `files` (lowest rank first) in `span`: `bucket` in microseconds, sorted, each once, and float64.

    A column that a file lacks is NaN in its rows. The checksum of each is verified when this process first reads it. Raises
    `FileNotFoundError` if a file vanished, `StoreError` for a damaged one.
    """
    import duckdb

    files = list(files)
    for file in files:
        _verify_once(file)
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        parts = [_read_parquet(connection, file.path, span) for file in files]
    names = dict.fromkeys(name for part in parts for name in part)
    joined = {
        name: np.concatenate([part.get(name, np.full(len(part["bucket"]), np.nan)) for part in parts]) for name in names
    }
    if not parts:
        return {"bucket": np.empty(0, dtype=np.int64)}
    order = np.argsort(joined["bucket"], kind="stable")
    buckets = joined["bucket"][order]
    order = order[np.append(buckets[1:] != buckets[:-1], True)] if len(order) else order
    return {name: values[order] for name, values in joined.items()}


def _read_parquet(connection: Any, path: Path, span: Span) -> Columns:
    import duckdb

    try:
        found = connection.execute(
            "SELECT epoch_us(bucket) AS bucket, * EXCLUDE (bucket) FROM read_parquet(?) "
            "WHERE bucket >= make_timestamptz(?) AND bucket < make_timestamptz(?)",
            [str(path), span.start, span.end],
        ).fetchnumpy()
    except duckdb.Error as error:
        if not path.exists():
            raise FileNotFoundError(str(path)) from error
        raise StoreError(
            f"{path} is damaged or no file of the store: {' '.join(str(error).split())[:150]}. {_WAY_OUT}"
        ) from error
    columns = {
        name: np.ma.filled(values.astype(np.float64), np.nan) for name, values in found.items() if name != "bucket"
    }
    return {"bucket": np.asarray(found["bucket"]).astype(np.int64), **columns}
