"""How a metric went over the episodes of a run: every value, or as many as somebody can see."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, func, select

from tradeready_gym.platform.database.tables import training_episodes as episodes
from tradeready_gym.platform.training.totals import METRICS

ALL_POINTS = 10_000
EXACT_EPISODES = 50_000
SAMPLED_POINTS = 1_000
_PLACES = 6

__all__ = ["ALL_POINTS", "METRICS", "Curve", "read_curve", "trailing_mean", "visible"]


@dataclass(frozen=True)
class Curve:
    """A metric by episode; `smoothed` is the mean of the last episodes up to each, those that are not shown included."""

    episode_numbers: list[int]
    raw: list[float]
    smoothed: list[float]


def read_curve(
    connection: Connection, run_id: str, episode_count: int, metric: str, *, window: int, points: int = ALL_POINTS
) -> Curve:
    """The curve of a run that has `episode_count` episodes, in at most `points` points, all of them real episodes.

    Of more episodes than points, the lowest and the highest of each stretch are kept. Of more than 50,000 episodes, 1,000
    at most are looked up, evenly spaced, so that the time stays bounded. Episodes without the metric are left out. The
    caller owns the run.
    """
    if episode_count > EXACT_EPISODES:
        return _sampled(connection, run_id, metric, window, min(points, SAMPLED_POINTS))
    number, value = episodes.c.episode_number, episodes.c[metric]
    query = select(number, value).where(episodes.c.run_id == run_id, value.is_not(None)).order_by(number)
    rows = connection.execute(query).all()
    if not rows:
        return Curve([], [], [])
    numbers, raw = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.float64)
    smoothed, kept = trailing_mean(raw, window), visible(raw, points)
    return Curve(numbers[kept].tolist(), raw[kept].tolist(), smoothed[kept].round(_PLACES).tolist())


def trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of each value and the `window - 1` before it, of fewer at the beginning; float64[T]."""
    result = np.empty(len(values))
    head = min(window, len(values))
    result[:head] = np.cumsum(values[:head]) / np.arange(1, head + 1)
    if len(values) > window:
        # summed window by window: a running sum would carry one huge value's rounding on for ever
        result[window - 1 :] = np.lib.stride_tricks.sliding_window_view(values, window).mean(axis=1)
    return result


def visible(values: np.ndarray, points: int) -> np.ndarray:
    """The places of at most `points` values that show the same shape: the first, the last, and each stretch's extremes."""
    if len(values) <= points:
        return np.arange(len(values))
    kept = [0, len(values) - 1]
    stretches = max((points - 2) // 2, 1)
    for stretch in np.array_split(np.arange(1, len(values) - 1), stretches):
        kept += [int(stretch[values[stretch].argmin()]), int(stretch[values[stretch].argmax()])]
    return np.unique(kept)


def _sampled(connection: Connection, run_id: str, metric: str, window: int, points: int) -> Curve:
    number, value = episodes.c.episode_number, episodes.c[metric]
    edges = select(func.min(number), func.max(number)).where(episodes.c.run_id == run_id)
    first, last = connection.execute(edges).one()
    found: dict[int, tuple[float, float]] = {}
    for place in np.linspace(first, last, points).round().astype(int).tolist():
        query = select(number, value).where(episodes.c.run_id == run_id, number <= place, number > place - 10 * window)
        rows = connection.execute(query.where(value.is_not(None)).order_by(number.desc()).limit(window)).all()
        if rows:
            values = [row[1] for row in rows]
            found[rows[0][0]] = float(values[0]), round(float(np.mean(values)), _PLACES)
    numbers = sorted(found)
    return Curve(numbers, [found[n][0] for n in numbers], [found[n][1] for n in numbers])
