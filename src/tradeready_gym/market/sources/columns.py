"""Which column is which: the names that people have, understood and said."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradeready_gym.errors import DataError
from tradeready_gym.market.candles import VALUE_NAMES, Candles, check_symbols
from tradeready_gym.market.checks import check_times
from tradeready_gym.market.sources.table import Table
from tradeready_gym.market.sources.times import is_naive, read_times
from tradeready_gym.market.timeframe import Timeframe, format_time

# All compared in lower case with underscores. Open times, best first:
_TIME_NAMES = ("bucket", "timestamp", "open_time", "datetime", "date", "time", "opentime", "date_time", "ts", "unix")
_CLOSE_TIME_NAMES = ("close_time", "closetime", "time_close", "close_timestamp")
_SYMBOL_NAMES = ("symbol", "ticker", "tic", "pair", "coin")
_VALUE_ALIASES = {name: (name, name[0]) for name in VALUE_NAMES} | {"volume": ("volume", "v", "vol")}
_FLOW_ALIASES = {
    "quote_asset_volume": "quote_volume",
    "number_of_trades": "trades",
    "trade_count": "trades",
    "taker_buy_base_asset_volume": "taker_buy_volume",
    "taker_buy_quote_asset_volume": "taker_buy_quote_volume",
}
_IGNORED = ("ignore", "index", "level_0", "")
_ANOTHER_TIMEFRAME = 24  # rows in a row that far apart are no gaps


@dataclass(frozen=True)
class Reading:
    """Candles, and in one sentence what their columns were taken for."""

    candles: Candles
    understood: str


def read_table(
    table: Table, symbol: str, timeframe: str | Timeframe | None = None, assume_utc: bool = False
) -> Reading:
    """Turn columns into the candles of one symbol.

    The time is the candle's OPEN. With `timeframe=None` it is deduced from the most common step. If a column says the
    symbol, only the rows of `symbol` are taken. Every other numeric column becomes one of the user's own.
    Raises `DataError` for a column that is missing or ambiguous, and for anything that cannot be a candle.
    """
    name = check_symbols(symbol)[0]
    keys = {column: _key(column) for column in table.columns}
    table, symbol_column = _take_symbol(table, keys, name)
    time_column = _find_time(table, keys)
    values = {value: _find(table, keys, value) for value in VALUE_NAMES}
    times, unit = read_times(
        table.columns[time_column], time_column in table.aware, assume_utc, time_column, table.source
    )
    frame = _deduce(times, table.source) if timeframe is None else Timeframe.parse(timeframe)
    if timeframe is not None:
        _check_timeframe(times, frame, table.source)
    _check_one_timeframe(times, frame, table.source)
    own, left_out = _own_columns(table, keys, {time_column, symbol_column, *values.values()})
    arrays: dict[str, Any] = {value: _numbers(table, column) for value, column in values.items()}
    candles = Candles.from_arrays(name, frame, times, **arrays, columns=own, source=table.source)
    renamed = [f"{value} from {column!r}" for value, column in values.items() if value != column]
    understood = (
        f"{name}: {len(times)} rows of {table.source}; open times from {time_column!r} ({unit}); "
        f"{', '.join(renamed) or 'open, high, low, close and volume by name'}; "
        f"timeframe {frame}{' (the most common step)' if timeframe is None else ''}; "
        f"{int(candles.gaps.sum())} gaps; own columns: {', '.join(own) or 'none'}"
        f"{'; left out: ' + ', '.join(left_out) if left_out else ''}"
    )
    return Reading(candles, understood)


def deduplicate_table(table: Table, assume_utc: bool = False) -> Table:
    """Sort rows by time and keep the last of those that share one (per symbol, if a column says the symbol)."""
    keys = {column: _key(column) for column in table.columns}
    time_column = _find_time(table, keys)
    values = table.columns[time_column]
    times, _ = read_times(values, time_column in table.aware, assume_utc, time_column, table.source)
    symbols = next((table.columns[column] for column, key in keys.items() if key in _SYMBOL_NAMES), None)
    labels = np.zeros(len(times)) if symbols is None else np.unique(symbols.astype(str), return_inverse=True)[1]
    order = np.lexsort((np.arange(len(times)), times, labels))
    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = (np.diff(times[order]) != 0) | (np.diff(labels[order]) != 0)
    return _rows(table, order[last])


def has_prices(names: object) -> bool:
    """Tell whether these column names are those of candles."""
    keys = {_key(str(name)) for name in names} if hasattr(names, "__iter__") else set()
    return all(keys & set(_VALUE_ALIASES[name]) for name in ("open", "high", "low", "close"))


def has_symbols(table: Table) -> bool:
    """Tell whether a column says which symbol each row belongs to."""
    return any(_key(name) in _SYMBOL_NAMES and column.dtype.kind in "OUS" for name, column in table.columns.items())


def _key(column: str) -> str:
    return "_".join(str(column).strip().lower().replace("-", " ").split())


def _rows(table: Table, rows: np.ndarray) -> Table:
    return dataclasses.replace(table, columns={name: column[rows] for name, column in table.columns.items()})


def _take_symbol(table: Table, keys: dict[str, str], symbol: str) -> tuple[Table, str]:
    for column, key in keys.items():
        if key not in _SYMBOL_NAMES or table.columns[column].dtype.kind not in "OUS":
            continue
        labels = np.char.upper(table.columns[column].astype(str))
        wanted = np.char.replace(np.char.replace(labels, "/", ""), "-", "") == symbol.replace("-", "")
        if wanted.all():
            return table, column
        if not wanted.any():
            raise DataError(
                f"{table.source} must hold {symbol}; its column {column!r} names {', '.join(np.unique(labels)[:10])}. "
                "Ask for one of these symbols or give other data."
            )
        return _rows(table, np.flatnonzero(wanted)), column
    return table, ""


def _find_time(table: Table, keys: dict[str, str]) -> str:
    found = [column for name in _TIME_NAMES for column, key in keys.items() if key == name]
    if table.index is not None and (table.columns[table.index].dtype.kind == "M" or keys[table.index] in _TIME_NAMES):
        found.insert(0, table.index)
    if not found:
        raise DataError(
            f"{table.source} needs a column with the candles' open times, named {', '.join(_TIME_NAMES)} (any case), or "
            f"a DatetimeIndex; found {_listing(table)}"
        )
    zoned = [column for column in found if not is_naive(table.columns[column], column in table.aware)]
    return (zoned or found)[0]


def _find(table: Table, keys: dict[str, str], value: str) -> str:
    for alias in _VALUE_ALIASES[value]:
        found = [column for column, key in keys.items() if key == alias]
        if len(found) > 1:
            raise DataError(f"{table.source} has more than one {value}: {found}. Rename or drop all but one.")
        if found:
            return found[0]
    hint = " If volumes are unknown, add a constant: 0 would mean that nothing trades." if value == "volume" else ""
    raise DataError(
        f"{table.source} needs a column {' or '.join(map(repr, _VALUE_ALIASES[value]))} (any case); found "
        f"{_listing(table)}.{hint}"
    )


def _listing(table: Table) -> str:
    return ", ".join(map(repr, table.columns)) or "no columns"


def _numbers(table: Table, column: str) -> np.ndarray:
    values = table.columns[column]
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        for row, value in enumerate(values):
            try:
                float(value)
            except (TypeError, ValueError):
                raise DataError(
                    f"column {column!r} of {table.source} must be numbers; row {row} is {value!r}"
                ) from None
        raise


def _own_columns(table: Table, keys: dict[str, str], used: set[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    own: dict[str, np.ndarray] = {}
    left_out = []
    for column, values in table.columns.items():
        key = keys[column]
        if column in used:
            continue
        odd = key in _IGNORED or key.startswith("unnamed:") or key in _TIME_NAMES or key in _CLOSE_TIME_NAMES
        if odd or values.dtype.kind not in "biuf":
            left_out.append(repr(column))
            continue
        own[_FLOW_ALIASES.get(key, column)] = values.astype(np.float64)
    return own, left_out


def _steps(times: np.ndarray) -> np.ndarray:
    steps = np.diff(times)
    return np.asarray(steps[steps > 0])


def _most_common(steps: np.ndarray) -> tuple[int, int]:
    lengths, counts = np.unique(steps, return_counts=True)
    return int(lengths[np.argmax(counts)]), int(counts.max())


def _deduce(times: np.ndarray, source: str) -> Timeframe:
    steps = _steps(times)
    if not steps.size:
        check_times(times, Timeframe("1m"), source)  # says so if the rows are none, or out of order
        raise DataError(f"the timeframe of {source} cannot be deduced from one row; say it: timeframe='1h'")
    return Timeframe.from_microseconds(_most_common(steps)[0])


def _check_timeframe(times: np.ndarray, timeframe: Timeframe, source: str) -> None:
    steps = _steps(times)
    if not steps.size or (times % 60_000_000).any():
        return
    common, count = _most_common(steps)
    found = f"{source} must hold {timeframe} candles; the most common step is {common // 1_000_000} s"
    if common < timeframe.microseconds:
        raise DataError(f"{found}. Leave timeframe out to have it deduced, then resample() to a longer one.")
    # one step alone may be a gap
    if common > timeframe.microseconds and count > 1:
        raise DataError(
            f"{found} ({_length(common)}). What is within a candle is not known: leave timeframe out to have it deduced, or "
            f"give {timeframe} candles."
        )


def _check_one_timeframe(times: np.ndarray, timeframe: Timeframe, source: str) -> None:
    steps = np.diff(times)
    if not steps.size or (steps <= 0).any():
        return  # what is out of order is said with the candles
    first = np.concatenate([[0], np.flatnonzero(np.diff(steps)) + 1])
    counts = np.diff(np.concatenate([first, [steps.size]]))
    apart = steps[first]
    other = (counts >= _ANOTHER_TIMEFRAME - 1) & (apart > timeframe.microseconds)
    if not other.any():
        return
    run = int(np.argmax(other))
    begin, end = int(first[run]), int(first[run] + counts[run])
    raise DataError(
        f"{source} must hold candles of one timeframe; most are {timeframe}, but rows {begin} to {end} "
        f"({format_time(times[begin])} .. {format_time(times[end])}) are {_length(int(apart[run]))} apart, which are no gaps. "
        "Load the parts on their own, and resample() the finer one if they belong together."
    )


def _length(microseconds: int) -> str:
    labels = {frame.microseconds: frame.label for frame in Timeframe.all()}
    return labels.get(microseconds, f"{microseconds / 1e6:g} s")
