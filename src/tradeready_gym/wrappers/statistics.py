"""Mean and variance of what has been seen so far, in batches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError


class RunningStatistics:
    """Count, mean and population variance of arrays of one shape, kept in float64.

    Batches are merged by the pairwise form of Welford's recurrence (T. Chan, G. Golub, R. LeVeque: Updating formulae and a
    pairwise algorithm for computing sample variances, 1979), so that nothing is stored and nothing cancels.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = tuple(shape)
        self.count = 0
        self.mean: npt.NDArray[np.float64] = np.zeros(shape)
        self._squares: npt.NDArray[np.float64] = np.zeros(shape)

    def __repr__(self) -> str:
        return f"RunningStatistics(shape={self.shape}, count={self.count})"

    @property
    def variance(self) -> npt.NDArray[np.float64]:
        """The population variance, 0 until something was seen."""
        return self._squares / max(self.count, 1)

    def update(self, batch: npt.ArrayLike) -> None:
        """Take in a batch of shape (N, *shape); an empty one changes nothing."""
        values = np.asarray(batch, np.float64)
        if values.shape[1:] != self.shape:
            raise ConfigurationError(f"a batch must have shape (N, {str(self.shape)[1:]}; got {values.shape}")
        number = len(values)
        if number == 0:
            return
        total = self.count + number
        mean = values.mean(axis=0)
        difference = mean - self.mean
        self.mean = self.mean + difference * (number / total)
        self._squares = (
            self._squares + np.square(values - mean).sum(axis=0) + np.square(difference) * (self.count * number / total)
        )
        self.count = total

    def as_plain(self) -> dict[str, Any]:
        """The statistics as plain data, exact."""
        return {
            "shape": list(self.shape),
            "count": self.count,
            "mean": self.mean.reshape(-1).tolist(),
            "squares": self._squares.reshape(-1).tolist(),
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "RunningStatistics":
        """The statistics that `as_plain` wrote."""
        statistics = cls(tuple(data["shape"]))
        statistics.count = int(data["count"])
        statistics.mean = np.array(data["mean"], np.float64).reshape(statistics.shape)
        statistics._squares = np.array(data["squares"], np.float64).reshape(statistics.shape)
        return statistics
