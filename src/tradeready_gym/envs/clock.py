"""The virtual clock in words: ISO 8601 with Z, formatted a chunk ahead so that a step only looks one up."""

import numpy as np
import numpy.typing as npt

CHUNK = 1024


class ClockTexts:
    """`texts[k]` is the clock after step k of an episode that starts at `start` (microseconds)."""

    def __init__(self, start: int, step: int, total: int) -> None:
        self.start, self.step, self.total = start, step, total
        self._first = -CHUNK
        self._texts: list[str] = []

    def __getitem__(self, k: int) -> str:
        place = k - self._first
        if not 0 <= place < len(self._texts):
            self._first = k - k % CHUNK
            place = k - self._first
            count = min(CHUNK, self.total + 1 - self._first)
            self._texts = iso_texts(self.start + self.step * (self._first + np.arange(count, dtype=np.int64)))
        return self._texts[place]


def iso_texts(times: npt.NDArray[np.int64]) -> list[str]:
    """Microseconds since the epoch as texts such as 2025-01-01T00:00:00Z."""
    return [f"{text}Z" for text in np.datetime_as_string(times.astype("datetime64[us]"), unit="s").tolist()]
