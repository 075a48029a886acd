"""Coarser candles of a grid with sessions: which rows belong to which, and when each is complete."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import DataError
from tradeready_gym.market.timeframe import MICROSECONDS_PER_DAY, Timeframe, format_time

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """G coarser candles, oldest first: those of which the candles have the beginning and the end.

    `rows` are the rows that count, ascending; those of group g are `rows[first[g] : last[g]]`. `begin` and `end` are the
    times between which it lies, int64[G] microseconds: it is complete for whoever has seen a candle that ends no earlier.
    """

    rows: npt.NDArray[np.intp]
    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]
    begin: Times
    end: Times

    def __len__(self) -> int:
        return len(self.first)

    def known_rows(self, candles: "Candles") -> npt.NDArray[np.intp]:
        """The row with whose close each is complete, int[G]."""
        closes = candles.times + candles.timeframe.microseconds
        return np.searchsorted(closes, self.end)


def group_rows(candles: "Candles", rows: npt.NDArray[np.intp], keys: Times, begin: Times, end: Times) -> Groups:
    """Groups of the `rows` that have one ascending key each; `begin` and `end` are of the row's group."""
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    stops = np.append(starts[1:], len(rows))
    step = candles.timeframe.microseconds
    # the slot that holds the beginning is the group's first
    whole = (begin[starts] // step * step >= candles.start) & (end[starts] <= candles.end)
    starts, stops = starts[whole], stops[whole]
    return Groups(rows, starts, stops, begin[starts], end[starts])


def group_slots(candles: "Candles", length: int) -> Groups:
    """Groups by whole multiples of `length` microseconds since 1970, whatever the sessions are."""
    rows = np.arange(len(candles))
    begin = candles.times // length * length
    return group_rows(candles, rows, begin, begin, begin + length)


def join_groups(
    candles: "Candles", groups: Groups, timeframe: Timeframe, times: Times, flows: frozenset[str]
) -> "Candles":
    """The coarser candles, which open at `times`: highest, lowest and last of their rows; `flows` are columns to sum."""
    shape = (len(candles.symbols), len(groups))
    # the places where groups begin, and where the rows between two whole groups do
    bounds = np.unique(np.concatenate([groups.first, groups.last]))
    bounds = bounds[bounds < len(groups.rows)]
    mine = np.searchsorted(bounds, groups.first)

    def reduced(values: npt.NDArray[np.float64], by: np.ufunc) -> npt.NDArray[np.float64]:
        return np.asarray(by.reduceat(values[:, groups.rows], bounds, axis=1)[:, mine]).reshape(shape)

    def at(values: npt.NDArray[np.float64], places: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        return np.ascontiguousarray(values[:, groups.rows[places]])

    columns = {
        name: reduced(column, np.add) if name in flows else at(column, groups.last - 1)
        for name, column in candles.columns.items()
    }
    return dataclasses.replace(
        candles,
        timeframe=timeframe,
        times=times,
        open=at(candles.open, groups.first),
        high=reduced(candles.high, np.maximum),
        low=reduced(candles.low, np.minimum),
        close=at(candles.close, groups.last - 1),
        volume=reduced(candles.volume, np.add),
        gaps=np.logical_and.reduceat(candles.gaps[:, groups.rows], bounds, axis=1)[:, mine],
        columns=columns,
        source=f"{timeframe.label} candles of {candles.source}",
    )


def join_days(candles: "Candles", groups: Groups, flows: frozenset[str]) -> "Candles":
    """One candle a session on the grid of days, that of the UTC day in which the session ends.

    Raises `DataError` if no session is complete, or two of them end in one UTC day.
    """
    if not len(groups):
        raise DataError(f"no session is complete in {candles!r}")
    times = (groups.end - 1) // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY
    twice = np.flatnonzero(np.diff(times) <= 0)
    if len(twice):
        raise DataError(
            f"daily candles need one session in a UTC day; two end on {format_time(int(times[twice[0]]))[:10]}. Use a shorter timeframe"
        )
    return join_groups(candles, groups, Timeframe("1d"), times, flows)
