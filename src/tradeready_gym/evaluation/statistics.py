"""What must be counted during an episode so that every metric can be computed at its end, in constant memory.

The engine keeps these numbers step by step; `statistics_from_curve` gets them from a whole equity curve instead.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.stretches import returns_by_stretch, stretches

Values: TypeAlias = float | NDArray[np.float64] | NDArray[np.int64]


class EpisodeStatistics(NamedTuple):
    """The sufficient statistics of one episode (scalars) or of many (arrays of one shape, one element an episode).

    A step's return is `r = (equity - previous equity) / previous equity`. Money is in the quote currency.
    """

    steps: Values
    """Completed steps, which is also the number of returns."""
    return_mean: Values
    """Mean of r."""
    return_m2: Values
    """Sum of `(r - mean)²` (Welford's M2)."""
    downside_sum: Values
    """Sum of `min(r, 0)²`."""
    starting_balance: Values
    equity: Values
    """Equity now; the final equity when the episode has ended."""
    equity_sum: Values
    """Sum of the equity at the end of each step; the starting balance is not in it."""
    max_drawdown: Values
    """Largest `(peak - equity) / peak`, a fraction; the starting balance is the first peak."""
    drawdown_steps: Values
    """Steps from the peak of that drawdown (the last step that stood on it) to its recovery (the first step at or
    above it), or to now. Of equally deep drawdowns the first counts."""
    traded_value: Values = 0.0
    """Sum of price × quantity over all fills."""
    exposed_steps: Values = 0
    """Steps that ended with a position."""
    trades: Values = 0
    """Fills."""
    round_trips: Values = 0
    """Completed ways from flat to flat, each symbol for itself."""
    winning_trips: Values = 0
    """Round trips that made money after fees."""
    gross_profit: Values = 0.0
    """Sum of what the winning round trips made, after fees."""
    gross_loss: Values = 0.0
    """Sum of what the other round trips lost, after fees; a positive number."""
    fees_paid: Values = 0.0
    reward_sum: Values = 0.0

    @classmethod
    def from_records(cls, records: Any) -> "EpisodeStatistics":
        """From a record, or an array of records, with a field of each of these names."""
        return cls(*(records[name] for name in cls._fields))


def statistics_from_curve(
    equity: ArrayLike,
    *,
    traded_value: Values = 0.0,
    exposed_steps: Values = 0,
    trades: Values = 0,
    round_trips: Values = 0,
    winning_trips: Values = 0,
    gross_profit: Values = 0.0,
    gross_loss: Values = 0.0,
    fees_paid: Values = 0.0,
    reward_sum: Values = 0.0,
) -> EpisodeStatistics:
    """Statistics of an equity curve, or of many of one length.

    `equity` has shape `(steps + 1,)` or `(episodes, steps + 1)`; its first value is the starting balance. What a curve
    does not tell (fills, fees, rewards) is given by name and passed through. Raises `DataError` for a curve that is
    empty, holds a value that is not finite, or falls to zero before its last value.
    """
    curve = np.asarray(equity, dtype=np.float64)
    require_curve(curve)
    deepest, duration = _deepest_drawdown(curve)
    steps = curve.shape[-1] - 1
    mean = sum(returns.sum(axis=-1) for returns in returns_by_stretch(curve)) / max(steps, 1)
    m2 = downside = np.zeros(curve.shape[:-1])
    for returns in returns_by_stretch(curve):
        losses = np.minimum(returns, 0.0)
        downside = downside + np.square(losses, out=losses).sum(axis=-1)
        returns -= np.asarray(mean)[..., np.newaxis]
        m2 = m2 + np.square(returns, out=returns).sum(axis=-1)
    return EpisodeStatistics(
        steps=np.full(curve.shape[:-1], steps, dtype=np.int64),
        return_mean=mean + np.zeros(curve.shape[:-1]),
        return_m2=m2,
        downside_sum=downside,
        starting_balance=curve[..., 0],
        equity=curve[..., -1],
        equity_sum=curve[..., 1:].sum(axis=-1),
        max_drawdown=deepest,
        drawdown_steps=duration,
        traded_value=traded_value,
        exposed_steps=exposed_steps,
        trades=trades,
        round_trips=round_trips,
        winning_trips=winning_trips,
        gross_profit=gross_profit,
        gross_loss=gross_loss,
        fees_paid=fees_paid,
        reward_sum=reward_sum,
    )


def require_curve(curve: NDArray[np.float64], dimensions: tuple[int, ...] = (1, 2)) -> None:
    """Raise `DataError` unless this is an equity curve, or several of one length where `dimensions` has a 2."""
    if curve.ndim not in dimensions or curve.shape[-1] == 0:
        shapes = " or ".join(("(steps + 1,)", "(episodes, steps + 1)")[n - 1] for n in dimensions)
        raise DataError(
            f"an equity curve has shape {shapes} and starts with the starting balance; got shape {curve.shape}."
        )
    for rows in stretches(curve.shape[-1], curve.size // curve.shape[-1]):
        part = curve[..., rows]
        wrong = ~np.isfinite(part)
        wrong |= part <= 0.0
        if rows.stop == curve.shape[-1] > 1:
            wrong[..., -1] &= part[..., -1] != 0.0
        if wrong.any():
            *before, row = (int(i) for i in np.argwhere(wrong)[0])
            where = (*before, rows.start + row)
            raise DataError(
                f"equity must be finite and above zero (the last value may be zero); the value at {where} is "
                f"{curve[where]}. Cut the curve at the first value that is not above zero: the episode ended there."
            )


def _deepest_drawdown(curve: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Depth as a fraction and duration in steps, along the last axis."""
    shape, rows = curve.shape[:-1], curve.shape[-1]
    peak, deepest, level = curve[..., 0].copy(), np.zeros(shape), np.full(shape, np.inf)
    newest, start, end = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, rows - 1)
    for part in stretches(rows, curve.size // rows):
        values = curve[..., part]
        index = np.arange(part.start, part.stop)
        top = np.maximum(np.maximum.accumulate(values, axis=-1), peak[..., np.newaxis])
        fall = (top - values) / top
        bottom = fall.argmax(axis=-1)[..., np.newaxis]
        depth = _take(fall, bottom)
        deeper = depth > deepest
        deepest = np.where(deeper, depth, deepest)
        level = np.where(deeper, _take(top, bottom), level)
        on_peak = np.where(values == top, index, -1)
        before = np.where(index <= bottom + part.start, on_peak, -1).max(axis=-1)
        start = np.where(deeper, np.maximum(before, newest), start)
        open_still = deeper | (end == rows - 1)
        searched = (values >= level[..., np.newaxis]) & (
            index > np.where(deeper, bottom[..., 0] + part.start, -1)[..., np.newaxis]
        )
        found = np.where(searched.any(axis=-1), searched.argmax(axis=-1) + part.start, rows - 1)
        end = np.where(open_still, found, end)
        newest, peak = np.maximum(on_peak.max(axis=-1), newest), top[..., -1]
    return deepest, np.where(deepest > 0, end - start, 0).astype(np.int64)


def _take(values: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.take_along_axis(values, places, axis=-1)[..., 0])
