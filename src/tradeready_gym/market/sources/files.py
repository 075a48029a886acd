"""Files that people have: CSV, Parquet, and the archive's zips."""

import csv
import gzip
import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.errors import DataError
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.sources.columns import Reading, read_table
from tradeready_gym.market.sources.table import Table
from tradeready_gym.market.timeframe import Timeframe

CSV_SUFFIXES = (".csv", ".csv.gz", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
_CHUNK_ROWS = 50_000
# Binance's archive has twelve columns and no header row.
ARCHIVE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)


def load_file(
    path: str | os.PathLike[str],
    *,
    symbol: str,
    timeframe: str | Timeframe | None = None,
    assume_utc: bool = False,
) -> Candles:
    """Return the candles of one symbol from a CSV (also gzipped) or Parquet file; arguments as in `load_frame`.

    A CSV without a header row is taken as Binance's archive if it has that archive's twelve columns. Lines that begin
    with `#` before the header are skipped. Raises `DataError`.
    """
    return read_file(path, symbol, timeframe, assume_utc).candles


def read_file(
    path: str | os.PathLike[str], symbol: str, timeframe: str | Timeframe | None = None, assume_utc: bool = False
) -> Reading:
    """Like `load_file`, and say what was understood."""
    return read_table(read_columns(path), symbol, timeframe, assume_utc)


def read_columns(path: str | os.PathLike[str]) -> Table:
    """Read all columns of a file; `DataError` for one that is missing, of another kind, or damaged."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"a file is needed; {str(file)!r} does not exist or is none")
    lower = file.name.lower()
    if not lower.endswith(CSV_SUFFIXES + PARQUET_SUFFIXES):
        known = ", ".join(CSV_SUFFIXES + PARQUET_SUFFIXES)
        raise DataError(f"a file of candles must be one of {known}; found {str(file)!r}")
    if file.stat().st_size == 0:
        raise DataError(f"{file} is empty (0 bytes)")
    if lower.endswith(PARQUET_SUFFIXES):
        return _read_parquet(file)
    opener = gzip.open if lower.endswith(".gz") else open
    try:
        with opener(file, "rt", encoding="utf-8-sig", newline="") as lines:
            return read_csv(lines, str(file))
    except (UnicodeDecodeError, EOFError, OSError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error


def read_csv(lines: Iterable[str], source: str) -> Table:
    """Read lines of CSV (delimiter , ; tab or |); columns become int64, float64 (empty: NaN) or objects.

    Written on Python's parser: DuckDB's, at 2.0, drops rows without a word where line ends are mixed.
    """
    rest = itertools.dropwhile(lambda line: not line.strip() or line.startswith("#"), lines)
    first = next(rest, "")
    if not first:
        raise DataError(f"{source} holds no rows")
    delimiter = max(",;\t|", key=first.count)
    fields = next(csv.reader([first], delimiter=delimiter))
    header = not _is_number(fields[0])
    if not header and len(fields) != len(ARCHIVE_COLUMNS):
        raise DataError(
            f"{source} needs a header row that names its columns; it begins with {first.strip()[:80]!r}. "
            f"Without one only the {len(ARCHIVE_COLUMNS)} columns of Binance's archive are understood."
        )
    names = [name.strip() or f"unnamed: {place}" for place, name in enumerate(fields)] if header else ARCHIVE_COLUMNS
    if len(set(names)) < len(names):
        raise DataError(f"columns of {source} must have different names; found {', '.join(names)}")
    records = csv.reader(rest if header else itertools.chain([first], rest), delimiter=delimiter)
    chunks: list[list[np.ndarray]] = []
    done = 0
    while rows := list(itertools.islice(records, _CHUNK_ROWS)):
        rows = [row for row in rows if row]
        for offset, row in enumerate(rows):
            if len(row) != len(names):
                raise DataError(
                    f"row {done + offset} of {source} must have {len(names)} fields; found {len(row)}: "
                    f"{delimiter.join(row)[:80]!r}"
                )
        done += len(rows)
        chunks.append([_typed(column) for column in zip(*rows, strict=True)])
    if not done:
        raise DataError(f"{source} is empty: it has a header, but no row")
    return Table(
        {name: np.concatenate(parts) for name, parts in zip(names, zip(*chunks, strict=True), strict=True)}, source
    )


def _typed(column: tuple[str, ...]) -> np.ndarray:
    try:
        return np.array(column, dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([text or "nan" for text in column], dtype=np.float64)
    except ValueError:
        return np.array(column, dtype=object)


def _read_parquet(file: Path) -> Table:
    import duckdb

    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            return _read_parquet_columns(connection, file)
    except duckdb.Error as error:
        raise DataError(f"{file} cannot be read as Parquet: {' '.join(str(error).split())[:200]}") from error


def _read_parquet_columns(connection: Any, file: Path) -> Table:
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
    selected = []
    aware = set()
    for name, kind, *_ in described:
        column = _quote(name)
        if kind == "TIMESTAMP WITH TIME ZONE":
            aware.add(name)
            selected.append(f"make_timestamp(epoch_us({column})) AS {column}")
        elif kind.startswith("DECIMAL"):
            selected.append(f"CAST({column} AS DOUBLE) AS {column}")
        else:
            selected.append(column)
    arrays = connection.execute(f"SELECT {', '.join(selected)} FROM read_parquet(?)", [str(file)]).fetchnumpy()
    return Table({name: _plain(values) for name, values in arrays.items()}, str(file), frozenset(aware))


def _plain(values: Any) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray):  # missing values
        if values.dtype.kind in "iufb":
            return np.where(np.ma.getmaskarray(values), np.nan, values.data.astype(np.float64))
        return np.asarray(values.filled(np.datetime64("NaT") if values.dtype.kind == "M" else None))
    return np.asarray(values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
