"""Frames that people have in memory: pandas, Polars, or a dict of arrays. Neither library is imported."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from tradeready_gym.errors import DataError
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.sources.columns import has_prices, read_table
from tradeready_gym.market.sources.table import Table
from tradeready_gym.market.timeframe import Timeframe

_log = logging.getLogger("tradeready_gym.market")


def load_frame(
    frame: Any,
    *,
    symbol: str,
    timeframe: str | Timeframe | None = None,
    assume_utc: bool = False,
    source: str | None = None,
) -> Candles:
    """Return the candles of one symbol from a pandas or Polars frame or a dict of arrays.

    Recognised in any case: the time as `bucket, timestamp, open_time, datetime, date, time` or a DatetimeIndex (integers
    are s, ms, us or ns by their size), `open high low close volume` or their first letters. Other numeric columns become
    `candles.columns`. `timeframe` is that of the data; None deduces it. `assume_utc` takes times without a zone as UTC.
    What was understood is logged at INFO. Raises `DataError` with the row, the value and the way out.
    """
    reading = read_table(read_frame(frame, source), symbol, timeframe, assume_utc)
    _log.info("%s", reading.understood)
    return reading.candles


def is_frame(data: object) -> bool:
    """Tell whether `data` is a frame or a mapping of columns to arrays (rather than of symbols to data)."""
    if isinstance(data, Mapping):
        return has_prices(data.keys())
    return hasattr(data, "columns") and (hasattr(data, "iloc") or hasattr(data, "collect_schema"))


def read_frame(frame: Any, source: str | None = None) -> Table:
    """Take the columns out of a frame, zones resolved to UTC; `TypeError` for what is no frame."""
    if isinstance(frame, Mapping):
        columns = {str(name): _array(values, str(name)) for name, values in frame.items()}
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"columns must have one length; found {lengths}")
        return Table(columns, source or "the arrays")
    if hasattr(frame, "iloc") and hasattr(frame, "columns"):
        return _read_pandas(frame, source or "the DataFrame")
    if hasattr(frame, "collect") and not hasattr(frame, "get_columns"):
        frame = frame.collect()
    if hasattr(frame, "get_columns"):
        return _read_polars(frame, source or "the DataFrame")
    raise TypeError(
        f"a pandas or Polars DataFrame or a dict of arrays is needed; found {type(frame).__name__}. "
        "Candles can also be built with Candles.from_arrays()."
    )


def _array(values: Any, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"column {name!r} must have one dimension; found shape {array.shape}")
    return array


def _read_pandas(frame: Any, source: str) -> Table:
    columns: dict[str, np.ndarray] = {}
    aware: set[str] = set()
    index = None
    if len(set(map(str, frame.columns))) < len(frame.columns):
        raise DataError(f"columns of {source} must have different names; found {list(map(str, frame.columns))}")
    if not hasattr(frame.index, "step") or frame.index.name is not None:  # a nameless RangeIndex only counts rows
        index = str(frame.index.name or "index")
        index = index if index not in frame.columns else f"{index} (index)"
        columns[index] = _pandas_values(frame.index.to_series(), index, aware)
    for position, name in enumerate(frame.columns):
        columns[str(name)] = _pandas_values(frame.iloc[:, position], str(name), aware)
    return Table(columns, source, frozenset(aware), index)


def _pandas_values(series: Any, name: str, aware: set[str]) -> np.ndarray:
    kind = getattr(series.dtype, "kind", "O")
    if getattr(series.dtype, "tz", None) is not None:
        aware.add(name)
        return np.asarray(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    if kind in "iufb" and not isinstance(series.dtype, np.dtype):  # nullable: missing values must become NaN
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind in "iufbM":
        return np.asarray(series.to_numpy())
    return np.asarray(series.to_numpy(dtype=object))


def _read_polars(frame: Any, source: str) -> Table:
    columns: dict[str, np.ndarray] = {}
    aware: set[str] = set()
    for series in frame.get_columns():
        if getattr(series.dtype, "time_zone", None) is not None:
            aware.add(series.name)
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        if (series.dtype.is_numeric() and not series.dtype.is_decimal()) or series.dtype.is_temporal():
            values = series.to_numpy()
        else:
            values = np.array(series.to_list(), dtype=np.bool_ if str(series.dtype) == "Boolean" else object)
        columns[series.name] = values
    return Table(columns, source, frozenset(aware))
