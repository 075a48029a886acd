"""From the times that people have to microseconds since 1970 in UTC."""

import datetime
from typing import Any

import numpy as np

from tradeready_gym.errors import DataError
from tradeready_gym.market.timeframe import parse_time

# Upper ends of what is read as seconds, milliseconds and microseconds (all lie beyond the year 5000 in their unit and
# before 1975 in the next one); above them are nanoseconds.
_UNITS = ((10**11, 1_000_000, "seconds"), (10**14, 1_000, "milliseconds"), (10**17, 1, "microseconds"))
_ASSUME = "If they are UTC, pass assume_utc=True to load_frame() or load_file() (--assume-utc on the command line)"


def read_times(values: np.ndarray, aware: bool, assume_utc: bool, name: str, source: str) -> tuple[np.ndarray, str]:
    """Return int64 microseconds and, in words, what the values were taken for; `DataError` for naive or missing ones."""
    if values.dtype.kind == "M":
        return _from_datetime64(values, aware, assume_utc, name, source)
    if values.dtype.kind in "iuf":
        return _from_numbers(values, name, source)
    return _from_objects(values, assume_utc, name, source)


def is_naive(values: np.ndarray, aware: bool) -> bool:
    """Tell whether the first of `values` is an instant without a zone."""
    if values.dtype.kind == "M":
        return not aware
    if values.dtype.kind in "iuf" or not len(values):
        return False
    try:
        moment = _to_moment(values[0])
    except ValueError:
        return True
    return moment.tzinfo is None


def _from_datetime64(
    values: np.ndarray, aware: bool, assume_utc: bool, name: str, source: str
) -> tuple[np.ndarray, str]:
    if (missing := np.isnat(values)).any():
        raise DataError(
            f"time column {name!r} of {source} must have no holes; row {int(np.argmax(missing))} is missing"
        )
    if not aware and not assume_utc and len(values):
        raise DataError(
            f"times must say their zone; column {name!r} of {source} has none, row 0 is {values[0]}. {_ASSUME}, or "
            f"localize them: frame[{name!r}] = frame[{name!r}].dt.tz_localize('UTC')."
        )
    micros = values.astype("datetime64[us]").astype(np.int64)
    return micros, "times with a zone" if aware else "times without a zone, taken as UTC"


def _from_numbers(values: np.ndarray, name: str, source: str) -> tuple[np.ndarray, str]:
    if values.dtype.kind == "f":
        bad = ~np.isfinite(values) | (values != np.floor(values))
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(
                f"time column {name!r} of {source} must be whole numbers; row {row} is {float(values[row])!r}"
            )
    whole = values.astype(np.int64)
    largest = int(np.abs(whole).max(initial=0))
    for limit, factor, unit in _UNITS:
        if largest < limit:
            return whole * factor, f"{unit} since 1970"
    return whole // 1000, "nanoseconds since 1970"


def _from_objects(values: np.ndarray, assume_utc: bool, name: str, source: str) -> tuple[np.ndarray, str]:
    micros = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        try:
            moment = _to_moment(value)
        except ValueError:
            raise DataError(
                f"time column {name!r} of {source} must be ISO 8601 such as '2025-01-01T00:00:00Z'; row {row} is {value!r}"
            ) from None
        if moment.tzinfo is None:
            if not assume_utc:
                raise DataError(
                    f"times must say their zone; row {row} of column {name!r} of {source} is {value!r}. {_ASSUME}, or "
                    "write them with a Z at the end."
                )
            moment = moment.replace(tzinfo=datetime.UTC)
        micros[row] = parse_time(moment)
    return micros, "times without a zone, taken as UTC" if assume_utc else "times with a zone"


def _to_moment(value: Any) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        if str(value) == "NaT":
            raise ValueError
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    return datetime.datetime.fromisoformat(str(value).strip().removesuffix(" UTC"))
