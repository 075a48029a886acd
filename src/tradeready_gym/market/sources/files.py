"""Files that people have: CSV, Parquet, and the archive's zips."""

import csv
import gzip
import os
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
    import duckdb

    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"a file is needed; {str(file)!r} does not exist or is none")
    lower = file.name.lower()
    if not lower.endswith(CSV_SUFFIXES + PARQUET_SUFFIXES):
        known = ", ".join(CSV_SUFFIXES + PARQUET_SUFFIXES)
        raise DataError(f"a file of candles must be one of {known}; found {str(file)!r}")
    if file.stat().st_size == 0:
        raise DataError(f"{file} is empty (0 bytes)")
    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            if lower.endswith(PARQUET_SUFFIXES):
                return _read_parquet(connection, file)
            return _read_csv(connection, file)
    except (duckdb.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{file} cannot be read: {' '.join(str(error).split())[:200]}") from error


def _read_csv(connection: Any, file: Path) -> Table:
    skip, first = _first_line(file)
    delimiter = max(",;\t|", key=first.count)
    fields = next(csv.reader([first], delimiter=delimiter))
    header = not _is_number(fields[0])
    if not header and len(fields) != len(ARCHIVE_COLUMNS):
        raise DataError(
            f"{file} needs a header row that names its columns; it begins with {first[:80]!r}. "
            f"Without one only the {len(ARCHIVE_COLUMNS)} columns of Binance's archive are understood."
        )
    names = [field.strip() or f"unnamed: {place}" for place, field in enumerate(fields)] if header else ARCHIVE_COLUMNS
    if len({name.lower() for name in names}) < len(names):
        raise DataError(f"columns of {file} must have different names; found {', '.join(names)}")
    columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in names)
    connection.execute(  # said, not sniffed: the sniffer takes odd rows for another dialect
        f"CREATE TEMP TABLE raw AS SELECT * FROM read_csv(?, auto_detect = false, columns = {{{columns}}}, "
        f"header = {str(header).lower()}, skip = {skip}, delim = {_text(delimiter)}, quote = '\"', escape = '\"', nullstr = '')",
        [str(file)],
    )
    tests = ", ".join(
        f"coalesce(bool_and({name} IS NULL OR TRY_CAST({name} AS DOUBLE) IS NOT NULL), true), "
        f"coalesce(bool_and(coalesce(regexp_full_match({name}, '-?[0-9]{{1,18}}'), false)), false)"
        for name in map(_quote, names)
    )
    flags = connection.execute(f"SELECT {tests} FROM raw").fetchone()
    selected = []
    for name, numeric, whole in zip(map(_quote, names), flags[::2], flags[1::2], strict=True):
        kind = "BIGINT" if whole else "DOUBLE" if numeric else "VARCHAR"  # nanoseconds do not fit a double
        selected.append(f"TRY_CAST({name} AS {kind}) AS {name}")
    arrays = connection.execute(f"SELECT {', '.join(selected)} FROM raw").fetchnumpy()
    return Table({name: _plain(values) for name, values in arrays.items()}, str(file))


def _first_line(file: Path) -> tuple[int, str]:
    opener = gzip.open if file.name.lower().endswith(".gz") else open
    with opener(file, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines):
            if line.strip() and not line.startswith("#"):
                return number, line.strip()
    raise DataError(f"{file} holds no rows")


def _read_parquet(connection: Any, file: Path) -> Table:
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


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
