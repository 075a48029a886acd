"""Time: the candle lengths that exist, and instants as microseconds since 1970 in UTC."""

import datetime
from dataclasses import dataclass

import numpy as np

from tradeready_gym.errors import DataError, UnknownName

MICROSECONDS_PER_DAY = 86_400_000_000
_MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

TimeLike = str | int | datetime.date | np.datetime64 | np.integer


@dataclass(frozen=True)
class Timeframe:
    """The length of a candle, by one of the labels `1m 5m 15m 30m 1h 4h 1d`.

    Candles of a timeframe open at whole multiples of it since 1970-01-01T00:00:00Z. Raises `UnknownName` for any other
    label. `Timeframe.parse` also accepts a `Timeframe`.
    """

    label: str

    def __post_init__(self) -> None:
        if self.label not in _MINUTES:
            raise UnknownName("timeframe", self.label, _MINUTES, in_order=True)

    @classmethod
    def parse(cls, value: "str | Timeframe") -> "Timeframe":
        """Return the timeframe that `value` names."""
        return value if isinstance(value, Timeframe) else cls(value)

    @classmethod
    def all(cls) -> tuple["Timeframe", ...]:
        """Return every timeframe, shortest first."""
        return tuple(cls(label) for label in _MINUTES)

    @classmethod
    def from_microseconds(cls, microseconds: int) -> "Timeframe":
        """Return the timeframe of this length; `DataError` if there is none."""
        for label, minutes in _MINUTES.items():
            if minutes * 60_000_000 == microseconds:
                return cls(label)
        raise DataError(
            f"candles must be {', '.join(_MINUTES)} long; found {microseconds / 1e6:g} s between most of them. "
            "Aggregate them to one of these lengths."
        )

    @property
    def microseconds(self) -> int:
        """Length in microseconds."""
        return _MINUTES[self.label] * 60_000_000

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return _MINUTES[self.label] * 60

    @property
    def bars_per_day(self) -> int:
        """Candles in 24 hours."""
        return 1440 // _MINUTES[self.label]

    @property
    def periods_per_year(self) -> float:
        """Candles in a year of 365.25 days."""
        return 365.25 * self.bars_per_day

    def __str__(self) -> str:
        return self.label


def parse_time(value: TimeLike, *, name: str = "time") -> int:
    """Return an instant as microseconds since 1970 in UTC.

    Accepts ISO 8601 text and `datetime` with an offset, a plain `date` (its midnight in UTC), `numpy.datetime64` (UTC by
    definition here) and integers, which are already microseconds. `name` is what error messages call the argument.
    Raises `DataError` for text or a `datetime` without an offset, since nobody can know which zone it means.
    """
    if isinstance(value, str):
        try:
            moment = datetime.datetime.fromisoformat(value.strip())
        except ValueError:
            raise DataError(f"{name} must be ISO 8601 such as '2025-01-01T00:00:00Z'; found {value!r}") from None
        return _aware_to_microseconds(moment, name)
    if isinstance(value, datetime.datetime):
        return _aware_to_microseconds(value, name)
    if isinstance(value, datetime.date):
        return (value - _EPOCH.date()).days * MICROSECONDS_PER_DAY
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            raise DataError(f"{name} must be an instant; found NaT")
        return int(value.astype("datetime64[us]").astype(np.int64))
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)):
        return int(value)
    raise TypeError(f"{name} must be ISO 8601 text, a datetime or microseconds; found {type(value).__name__} {value!r}")


def _aware_to_microseconds(moment: datetime.datetime, name: str) -> int:
    if str(moment) == "NaT":  # pandas' missing instant is a datetime too
        raise DataError(f"{name} must be an instant; found {moment!r}")
    if moment.tzinfo is None:
        fix = moment.isoformat() + "Z"
        raise DataError(f"{name} must say its time zone; found {moment.isoformat()!r}. Write {fix!r} if it is UTC.")
    return (moment - _EPOCH) // _MICROSECOND


def format_time(microseconds: int) -> str:
    """Return ISO 8601 in UTC, such as `2025-01-01T00:00:00Z`; fractions only where there are any."""
    moment = _EPOCH + datetime.timedelta(microseconds=int(microseconds))
    return moment.replace(tzinfo=None).isoformat() + "Z"
