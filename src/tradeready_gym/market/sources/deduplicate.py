"""Mending sources that repeat candles."""

import os
from typing import Any

import numpy as np

from tradeready_gym.market.sources.columns import deduplicate_table
from tradeready_gym.market.sources.files import read_columns
from tradeready_gym.market.sources.frame import read_frame


def deduplicate(data: Any, *, assume_utc: bool = False) -> dict[str, np.ndarray]:
    """Return the columns of a frame or file sorted by time, with the last of the rows that share a time.

    The result is a dict of arrays that `load_frame` and `data=` accept. Times become `datetime64` without a zone if they
    had one and are then given as integers; nothing else is changed. Raises `DataError` if no column is a time.
    """
    table = read_columns(data) if isinstance(data, (str, os.PathLike)) else read_frame(data)
    kept = deduplicate_table(table, assume_utc)
    columns = dict(kept.columns)
    for name in kept.aware:
        columns[name] = columns[name].astype("datetime64[us]").astype(np.int64)
    return columns
