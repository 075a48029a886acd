"""The virtual clock in words: ISO 8601 with Z, formatted a chunk ahead and kept, so that a step only looks one up."""

import numpy as np
import numpy.typing as npt

CHUNK = 1024


class ClockTexts:
    """`texts[row]` is the clock at a row: the open of its candle, or the close of the one before."""

    def __init__(self, times: npt.NDArray[np.int64], step: int) -> None:
        self._times, self._step = times, step
        self.texts: list[str | None] = [None] * (len(times) + 1)

    def at(self, row: int) -> str:
        """The text of a row; fills in its whole chunk the first time."""
        text = self.texts[row]
        if text is None:
            first = row - row % CHUNK
            last = min(first + CHUNK, len(self.texts))
            # the clock after the last candle of a data set is no candle's open, so count from the candle before
            before = np.maximum(np.arange(first, last) - 1, 0)
            times = self._times[before] + self._step
            if first == 0:
                times[0] = self._times[0]
            self.texts[first:last] = iso_texts(times)
            text = self.texts[row]
        return str(text)


def iso_texts(times: npt.NDArray[np.int64]) -> list[str]:
    """Microseconds since the epoch as texts such as 2025-01-01T00:00:00Z."""
    return [f"{text}Z" for text in np.datetime_as_string(times.astype("datetime64[us]"), unit="s").tolist()]
