"""What a training run sums up to, kept in constant memory while its episodes arrive."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

AGGREGATED = ("roi_pct", "sharpe_ratio", "max_drawdown_pct", "reward_sum")


class _Column:
    def __init__(self) -> None:
        self.count, self.total, self.best, self.worst = 0, 0.0, -math.inf, math.inf

    def add(self, values: Sequence[float | None]) -> None:
        numbers = np.asarray(values, dtype=np.float64)  # None becomes NaN
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            self.count += numbers.size
            self.total += float(numbers.sum())
            self.best = max(self.best, float(numbers.max()))
            self.worst = min(self.worst, float(numbers.min()))

    def add_one(self, value: float | None) -> None:
        if value is not None:
            self.count += 1
            self.total += value
            self.best = max(self.best, value)
            self.worst = min(self.worst, value)


class RunAggregates:
    """The `aggregate_stats` of the training API. A metric that an episode does not have is left out of its mean."""

    def __init__(self) -> None:
        self.episodes = 0
        self._columns = {name: _Column() for name in AGGREGATED}

    def add(self, episodes: int, columns: Mapping[str, Sequence[float | None]]) -> None:
        """Count that many more episodes; `columns` holds a value for each (None: it has none), by metric."""
        self.episodes += episodes
        for name, column in self._columns.items():
            column.add(columns.get(name, ()))

    def add_one(self, episode: Mapping[str, float | None]) -> None:
        """Count one more episode by its metrics, finite or None."""
        self.episodes += 1
        for name, column in self._columns.items():
            column.add_one(episode.get(name))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, None where no episode has the metric."""
        roi, reward = self._columns["roi_pct"], self._columns["reward_sum"]
        return {
            "total_episodes": self.episodes,
            "avg_roi_pct": _mean(roi),
            "best_roi_pct": roi.best if roi.count else None,
            "worst_roi_pct": roi.worst if roi.count else None,
            "avg_sharpe": _mean(self._columns["sharpe_ratio"]),
            "avg_max_drawdown_pct": _mean(self._columns["max_drawdown_pct"]),
            "avg_reward_sum": _mean(reward),
            "best_reward_sum": reward.best if reward.count else None,
        }


def _mean(column: _Column) -> float | None:
    return column.total / column.count if column.count else None
