"""The clocks of this room: the wall's, and one that runs faster or only when it is told to."""

import threading
import time


class WallClock:
    """The time of this machine."""

    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000

    def steady(self) -> int:
        """Microseconds since some moment, by a clock that nobody can set."""
        return time.monotonic_ns() // 1000

    def sleep_until(self, moment: int, timeout: float | None = None) -> bool:
        """Wait for a moment, or for `timeout` seconds; returns whether the moment has come."""
        seconds = max(0.0, (moment - self.now()) / 1e6)
        time.sleep(seconds if timeout is None else min(seconds, timeout))
        return self.now() >= moment


class VirtualClock:
    """A clock that starts at `start` and runs `speed` times as fast as the wall's; with None it jumps to what is waited for."""

    def __init__(self, start: int, speed: float | None = None) -> None:
        self._lock = threading.Lock()
        self._time, self._speed = start, speed
        self._origin = time.monotonic()

    @property
    def speed(self) -> float | None:
        """How many times as fast as the wall's it runs; None if it jumps."""
        return self._speed

    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        with self._lock:
            if self._speed is None:
                return self._time
            return self._time + int((time.monotonic() - self._origin) * self._speed * 1e6)

    def steady(self) -> int:
        """As `now`: nobody sets it."""
        return self.now()

    def run(self, speed: float) -> None:
        """Go on from here, so many times as fast as the wall's."""
        now = self.now()
        with self._lock:
            self._time, self._speed, self._origin = now, speed, time.monotonic()

    def advance_to(self, moment: int) -> None:
        """Set the clock forward; never back."""
        ahead = moment - self.now()
        with self._lock:
            self._time += max(0, ahead)

    def sleep_until(self, moment: int, timeout: float | None = None) -> bool:
        """Wait for a moment, or for `timeout` seconds of the wall's; returns whether the moment has come."""
        if self._speed is None:
            self.advance_to(moment)
            return True
        seconds = max(0.0, (moment - self.now()) / 1e6 / self._speed)
        time.sleep(seconds if timeout is None else min(seconds, timeout))
        return self.now() >= moment


class ShiftedClock:
    """A clock that is `offset` microseconds ahead of another: one that is wrong, for rehearsals."""

    def __init__(self, clock: WallClock | VirtualClock, offset: int) -> None:
        self._clock, self._offset = clock, offset

    def now(self) -> int:
        """Microseconds since 1970, UTC, as this clock has them."""
        return self._clock.now() + self._offset

    def steady(self) -> int:
        """That of the other clock, whatever this one is set to."""
        return self._clock.steady()

    def shift(self, by: int) -> None:
        """Set it: forward by so many microseconds, or back."""
        self._offset += by


Clock = WallClock | VirtualClock | ShiftedClock
