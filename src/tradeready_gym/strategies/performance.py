"""How a strategy did: one episode as columns and metrics, and an evaluation of several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.evaluation import METRIC_NAMES
from tradeready_gym.market import Span

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Performance:
    """One episode, from its beginning (row 0) to its end; every array has steps + 1 rows.

    `time` is datetime64[us] in UTC; `net_worth`, `balance` (available cash) and `position_value` are in the quote currency.
    `reward` is what the step that led to a row was paid, and `action` (steps + 1, or steps + 1 by A) what was decided for it;
    row 0, to which no step led, is NaN. Both are None where they are not known: actions that are not numbers are not kept.
    `performance["net_worth"]` is a column, `performance[-5:]` the columns of these rows as a data frame takes them, and
    `performance[-1]` one row; `to_pandas()` is the frame itself.

    `metrics` are those of `tradeready_gym.evaluation`, None where one does not exist. `fills` are records of
    `orders.FILL_DTYPE` in the order of their execution, or None where they are not known.
    """

    time: npt.NDArray[np.datetime64]
    net_worth: Numbers
    balance: Numbers
    position_value: Numbers
    metrics: Mapping[str, float | int | None]
    reward: Numbers | None = None
    action: Numbers | None = None
    fills: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.net_worth)

    def __getitem__(self, key: str | slice | int) -> Any:
        if isinstance(key, str):
            if key not in self.columns:
                raise UnknownName("column of a performance", key, tuple(self.columns))
            return self.columns[key]
        return {name: column[key] for name, column in self.columns.items()}

    def __repr__(self) -> str:
        roi = self.metrics["roi_pct"]
        return f"Performance({len(self) - 1} steps, {self.time[0]} .. {self.time[-1]}, roi_pct={roi:.2f})"

    @property
    def columns(self) -> dict[str, Any]:
        """The arrays by name, as a data frame takes them; an action of several numbers is `action_0`, `action_1` ..."""
        columns: dict[str, Any] = {
            "step": np.arange(len(self)),
            "time": self.time,
            "net_worth": self.net_worth,
            "balance": self.balance,
            "position_value": self.position_value,
        }
        if self.action is not None and self.action.ndim == 1:
            columns["action"] = self.action
        elif self.action is not None:
            columns.update({f"action_{k}": column for k, column in enumerate(self.action.T)})
        if self.reward is not None:
            columns["reward"] = self.reward
        return columns

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns as plain lists, times as ISO 8601 in UTC."""
        plain = {name: column.tolist() for name, column in self.columns.items()}
        return plain | {"time": [f"{text}Z" for text in np.datetime_as_string(self.time, unit="s")]}

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row per step.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ConfigurationError(
                "to_pandas() needs pandas, which is not installed: pip install pandas, or use performance.columns"
            ) from error
        return pandas.DataFrame(self.columns)

    @property
    def mean_weight(self) -> float:
        """The average share of the equity that was invested, over the steps at which it was worth anything."""
        alive = self.net_worth[1:] > 0.0
        return float(np.mean(self.position_value[1:][alive] / self.net_worth[1:][alive])) if alive.any() else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Episodes that one strategy played without learning.

    `spans` are the spans they were drawn from. `in_sample` is True if the strategy, or a scaler among the features, has
    learned from any part of them: such figures say nothing about the future. `optimistic` is True if orders were filled at the
    close that they were decided on (`fill_at="close"`). `action_scheme` is what was played with, as it prints. `seeds` has the
    environment's for each episode: which window, or data set, it was where those are drawn.
    """

    strategy: str
    spans: tuple[Span, ...]
    in_sample: bool
    episodes: tuple[Performance, ...]
    optimistic: bool = False
    action_scheme: str = ""
    seeds: tuple[int, ...] = ()

    def __repr__(self) -> str:
        where = ", ".join(map(str, self.spans))
        sample = ("in-sample" if self.in_sample else "held out") + (", OPTIMISTIC fills" if self.optimistic else "")
        return f"Evaluation({self.strategy}, {where}, {sample}, {len(self.episodes)} episodes)"

    @property
    def curve(self) -> Numbers:
        """The net worth of an account that plays the episodes one after the other, float64[all their steps + 1].

        That of a single episode is its own array. After ruin nothing is left to play with.
        """
        if len(self.episodes) == 1:
            return self.episodes[0].net_worth
        pieces = [self.episodes[0].net_worth]
        for episode in self.episodes[1:]:
            pieces.append(pieces[-1][-1] / episode.net_worth[0] * episode.net_worth[1:])
        return np.concatenate(pieces)

    def median(self, name: str) -> float:
        """The median of a metric over the episodes that have one; NaN where none has."""
        values = self.metric(name)
        known = values[np.isfinite(values)]
        return float(np.median(known)) if len(known) else float("nan")

    def metric(self, name: str) -> Numbers:
        """One metric of every episode, NaN where it does not exist.

        Raises:
            UnknownName: there is no such metric.
        """
        if name not in METRIC_NAMES:
            raise UnknownName("metric", name, METRIC_NAMES)
        values = [episode.metrics[name] for episode in self.episodes]
        return np.array([np.nan if value is None else value for value in values], np.float64)
