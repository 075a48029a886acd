"""Funding rates as people have them: a column, a frame, a file, pairs of a time and a rate."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import DataError
from tradeready_gym.market.sources.files import read_columns
from tradeready_gym.market.sources.frame import read_frame
from tradeready_gym.market.sources.table import Table
from tradeready_gym.market.sources.times import read_times

# lower case, without underscores; the venues' own names first
_TIME_NAMES = ("fundingtime", "calctime", "bucket", "timestamp", "opentime", "datetime", "date", "time")
_RATE_NAMES = ("fundingrate", "lastfundingrate", "funding", "rate")
_SYMBOL_NAMES = ("symbol", "ticker", "pair", "coin")

Readings = dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]
"""Times in microseconds and rates, by symbol; "" is a symbol that was not named."""


def read_funding(data: Any, assume_utc: bool) -> Readings:
    """Times and rates, in the order given and without NaN; `DataError` or `TypeError` for what is none."""
    if isinstance(data, (str, os.PathLike)):
        return _from_table(read_columns(data), assume_utc)
    if isinstance(data, Mapping) and not any(_key(name) in _TIME_NAMES for name in data):
        return {str(symbol).upper(): _only(read_funding(one, assume_utc), symbol) for symbol, one in data.items()}
    if hasattr(data, "to_frame") and hasattr(data, "index"):  # a pandas Series; its name is not a symbol's
        return _from_table(read_frame(data.to_frame("funding_rate"), "the funding series"), assume_utc)
    if isinstance(data, Mapping) or hasattr(data, "columns"):
        return _from_table(read_frame(data, "the funding rates"), assume_utc)
    if isinstance(data, Sequence) and all(isinstance(pair, Sequence) and len(pair) == 2 for pair in data):
        times = _column([time for time, _ in data])
        table = Table({"time": times, "rate": np.asarray([rate for _, rate in data])}, "the funding rates")
        return _from_table(table, assume_utc)
    raise TypeError(
        "funding rates are a Series with a DatetimeIndex, a frame with a time and a column 'funding_rate', the path of "
        f"such a file, a list of (time, rate), or a mapping from symbol to any of these; got {type(data).__name__}"
    )


def _column(times: list[Any]) -> np.ndarray:
    whole = all(isinstance(time, (int, np.integer)) for time in times)
    return np.array(times, np.int64 if whole else object)


def _only(readings: Readings, symbol: object) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    if len(readings) != 1:
        raise DataError(f"the funding rates of {symbol} must be one series; found those of {', '.join(readings)}")
    return next(iter(readings.values()))


def _from_table(table: Table, assume_utc: bool) -> Readings:
    clock = _time_column(table)
    times, _ = read_times(table.columns[clock], clock in table.aware, assume_utc, clock, table.source)
    others = {name: column for name, column in table.columns.items() if name != clock}
    rate = _find(others, _RATE_NAMES)
    if rate is None:  # one column for each symbol
        found = {name.upper(): _numbers(column, name, table) for name, column in others.items()}
        if not found:
            raise DataError(f"{table.source} has no column of rates; call it 'funding_rate', or by its symbol")
        return {name: _without_holes(times, rates) for name, rates in found.items()}
    rates = _numbers(others[rate], rate, table)
    symbol = _find(others, _SYMBOL_NAMES)
    if symbol is None:
        return {"": _without_holes(times, rates)}
    labels = np.char.upper(others[symbol].astype(str))
    return {str(one): _without_holes(times[labels == one], rates[labels == one]) for one in np.unique(labels)}


def _time_column(table: Table) -> str:
    if table.index is not None and table.columns[table.index].dtype.kind == "M":
        return table.index
    found = _find(table.columns, _TIME_NAMES)
    if found is None:
        raise DataError(
            f"{table.source} needs the funding times: a DatetimeIndex, or a column such as 'funding_time', 'timestamp' or "
            f"'time'; found {', '.join(map(repr, table.columns)) or 'no columns'}"
        )
    return found


def _find(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> str | None:
    keys = {_key(column): column for column in reversed(list(columns))}
    return next((keys[name] for name in names if name in keys), None)


def _key(name: object) -> str:
    return str(name).strip().lower().replace("_", "").replace(" ", "")


def _numbers(column: np.ndarray, name: str, table: Table) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(column, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name!r} of {table.source} must be numbers; {error}") from None


def _without_holes(
    times: npt.NDArray[np.int64], rates: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    there = ~np.isnan(rates)
    return times[there], rates[there]
