"""Every way down from a peak and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.evaluation.statistics import require_curve
from tradeready_gym.evaluation.stretches import stretches


@dataclass(frozen=True, eq=False)
class Drawdowns:
    """One element a drawdown, in the order of time; all int64 rows of the curve but `depth`.

    `peak` is the last row that stood on the peak, `bottom` the first of the lowest, `recovery` the first row at or above
    the peak again, or the last row of the curve where `recovered` is False. `depth` is (peak - bottom) / peak.
    """

    peak: NDArray[np.int64]
    bottom: NDArray[np.int64]
    recovery: NDArray[np.int64]
    recovered: NDArray[np.bool_]
    depth: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.depth)

    @property
    def duration(self) -> NDArray[np.int64]:
        """Steps from the peak to the recovery, or to the end."""
        return self.recovery - self.peak

    def deepest(self, count: int) -> "Drawdowns":
        """The `count` deepest, the deepest first."""
        best = np.argsort(-self.depth, kind="stable")[:count]
        return Drawdowns(
            self.peak[best], self.bottom[best], self.recovery[best], self.recovered[best], self.depth[best]
        )


def drawdowns(equity: ArrayLike) -> Drawdowns:
    """All drawdowns of one equity curve, float64[steps + 1], whose first value is the starting balance.

    Raises `DataError` for a curve that is empty, holds a value that is not finite, or falls to zero before its last value.
    """
    curve = np.asarray(equity, np.float64)
    require_curve(curve, dimensions=(1,))
    fall = np.maximum.accumulate(curve)
    np.subtract(fall, curve, out=fall)
    # rows where a drawdown begins and, alternating, where it is over; the first row stands on the first peak
    edges = np.flatnonzero(np.diff(fall > 0.0, prepend=False, append=False))
    first, after = edges[::2], edges[1::2]
    if not len(first):
        none = np.zeros(0, np.int64)
        return Drawdowns(none, none, none, np.zeros(0, np.bool_), np.zeros(0))
    deepest = np.maximum.reduceat(fall, first)
    lowest = np.flatnonzero(fall[first[0] :] == np.repeat(deepest, np.diff(first, append=len(curve)))) + first[0]
    bottom = lowest[np.searchsorted(lowest, first)]
    return Drawdowns(
        first - 1, bottom, np.minimum(after, len(curve) - 1), after < len(curve), deepest / curve[first - 1]
    )


def under_water(curve: NDArray[np.float64]) -> tuple[int, int]:
    """The longest drawdown in steps, to its recovery or the end, and how many rows lie below their peak.

    The same as `drawdowns` says, without a list of them; of a curve that `require_curve` has let pass.
    """
    peak, newest, longest, below = float(curve[0]), 0, 0, 0
    for rows in stretches(len(curve)):
        values = curve[rows]
        top = np.maximum(np.maximum.accumulate(values), peak)
        on_peak = np.flatnonzero(values == top) + rows.start
        below += len(values) - len(on_peak)
        if len(on_peak):
            away = int(np.diff(on_peak, prepend=newest).max())
            longest, newest = max(longest, away if away > 1 else 0), int(on_peak[-1])
        peak = float(top[-1])
    return max(longest, len(curve) - 1 - newest), below
