"""The only reader of the wall clock in this room: times are integers, microseconds since 1970 in UTC."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The time now."""
    return time.time_ns() // 1000


def iso(microseconds: int | None) -> str | None:
    """A time as the wire has it: ISO 8601 with Z; fractions of a second only where there are any."""
    if microseconds is None:
        return None
    text = (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
    return text.removesuffix("+00:00") + "Z"


def from_datetime(moment: datetime) -> int:
    """Microseconds of a datetime; a naive one is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
