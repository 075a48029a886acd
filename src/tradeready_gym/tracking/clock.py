"""The only wall clock of this room: when a training run happened, which no result depends on."""

import time
from datetime import UTC, datetime


def now() -> str:
    """The time in UTC, ISO 8601 with microseconds and Z."""
    return moment().isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds of a clock that never goes back."""
    return time.monotonic()
