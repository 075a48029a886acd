"""Trading hours: which slots of the grid belong to a session, and candles without the others."""

import dataclasses
import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.market.sessions import Groups, group_rows, join_days
from tradeready_gym.market.timeframe import MICROSECONDS_PER_DAY, Timeframe, parse_time

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_WEEKDAYS: Final = range(7)
SESSION_TIMEFRAMES: Final = ("1d", "1w")


@dataclass(frozen=True)
class TradingCalendar:
    """Regular hours by weekday in a time zone, less holidays, and half days.

    A session lasts from `opens` to `closes` (`HH:MM`, local; a close that is not after the open is on the next day) on every
    `weekdays` (0 is Monday, 6 Sunday) that is none of the `holidays` (ISO dates, local, of the day on which the session opens).
    `early_closes` has the close of single days, `{"2023-07-03": "13:00"}`, or pairs of the two. Daylight saving time is that of
    `zone`, a name of the IANA data base.

    Raises:
        ConfigurationError: no such zone, hour, weekday or date, or a half day without a session or beyond the usual close.
    """

    zone: str = "America/New_York"
    opens: str = "09:30"
    closes: str = "16:00"
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    holidays: tuple[str, ...] = ()
    early_closes: Mapping[str, str] | Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        pairs = self.early_closes.items() if isinstance(self.early_closes, Mapping) else self.early_closes
        object.__setattr__(self, "early_closes", tuple((str(day), str(clock)) for day, clock in pairs))
        object.__setattr__(self, "weekdays", tuple(self.weekdays))
        object.__setattr__(self, "holidays", tuple(self.holidays))
        for name in ("opens", "closes"):
            if not _CLOCK.fullmatch(getattr(self, name)):
                raise ConfigurationError(f"{name} is a local time such as '09:30'; got {getattr(self, name)!r}")
        if not self.weekdays or any(day not in _WEEKDAYS for day in self.weekdays):
            raise ConfigurationError(f"weekdays are numbers from 0 (Monday) to 6 (Sunday); got {self.weekdays!r}")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigurationError(f"zone is an IANA name such as 'America/New_York'; got {self.zone!r}") from error
        for day in self.holidays:
            try:
                datetime.date.fromisoformat(day)
            except ValueError as error:
                raise ConfigurationError(f"holidays are ISO dates such as '2024-12-25'; got {day!r}") from error
        self._check_early_closes()

    def sessions(self, start: int, end: int) -> npt.NDArray[np.int64]:
        """Open and close of every session that touches `[start, end)`, all in microseconds UTC: int64[N, 2], ascending."""
        zone = ZoneInfo(self.zone)
        first = np.datetime64(start - 2 * MICROSECONDS_PER_DAY, "us").astype("datetime64[D]").astype(object)
        days = (end - start) // MICROSECONDS_PER_DAY + 5
        held = [day for day in (first + datetime.timedelta(k) for k in range(days)) if self._is_held(day)]
        early = dict(self.early_closes)
        hours = []
        for day in held:
            closes = early.get(day.isoformat(), self.closes)
            hours.append((self._at(day, self.opens, 0, zone), self._at(day, closes, self._later(closes), zone)))
        table = np.array(hours, np.int64).reshape(-1, 2)
        return np.asarray(table[(table[:, 1] > start) & (table[:, 0] < end)])

    def contains(self, times: npt.NDArray[np.int64], timeframe: str | Timeframe) -> npt.NDArray[np.bool_]:
        """Whether each slot, by its ascending open times in microseconds, shares any time with a session: bool[T]."""
        if not len(times):
            return np.zeros(0, np.bool_)
        step = Timeframe.parse(timeframe).microseconds
        table = self.sessions(int(times[0]), int(times[-1]) + step)
        if not len(table):
            return np.zeros(len(times), np.bool_)
        following = np.searchsorted(table[:, 1], times, side="right")  # the first session that closes later
        opens = np.append(table[:, 0], np.iinfo(np.int64).max)
        return np.asarray(opens[following] < times + step)

    def keep(self, candles: "Candles") -> "Candles":
        """The candles on the grid of the slots in sessions alone; nights, weekends and holidays are no rows any more.

        A candle outside of every session is left out; a session's slot without a candle stays a gap. Raises `DataError` if
        no slot is in a session.
        """
        return _kept(candles, self.contains(candles.times, candles.timeframe), f"a session of {self!r}")

    def group(self, candles: "Candles", timeframe: str) -> Groups:
        """Which rows make the coarser candles that the sessions say: "1d" is a session, "1w" those that end in one week, Monday to
        Sunday, local.

        A session is complete at its close, on a half day at that one: the calendar is known beforehand. Rows outside of the
        sessions belong to none. Raises `ConfigurationError` for another timeframe.
        """
        if timeframe not in SESSION_TIMEFRAMES:
            raise ConfigurationError(f"sessions make candles of {' or '.join(SESSION_TIMEFRAMES)}; got {timeframe!r}")
        week = 7 * MICROSECONDS_PER_DAY
        table = self.sessions(candles.start - 2 * week, candles.end + 2 * week)
        following = np.searchsorted(table[:, 1], candles.times, side="right")
        rows = np.flatnonzero(table[following, 0] < candles.times + candles.timeframe.microseconds)
        keys = following[rows].astype(np.int64)
        if timeframe == "1d":
            return group_rows(candles, rows, keys, table[keys, 0], table[keys, 1])
        weeks = self._weeks(table)
        # the sessions of a week follow one another
        begin = table[np.searchsorted(weeks, weeks), 0]
        end = table[np.searchsorted(weeks, weeks, side="right") - 1, 1]
        return group_rows(candles, rows, weeks[keys], begin[keys], end[keys])

    def daily(self, candles: "Candles") -> "Candles":
        """One candle for each session that the candles have from its open to its close.

        It is labelled by the UTC day in which the session ends, so that nobody sees it before its close. Columns that count are
        summed, any other keeps its last value. Raises `DataError` if no session is complete, or two end in one UTC day.
        """
        from tradeready_gym.market.candles import FLOW_COLUMNS

        return join_days(candles, self.group(candles, "1d"), FLOW_COLUMNS)

    def _weeks(self, table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        zone = ZoneInfo(self.zone)
        moments = [datetime.datetime.fromtimestamp((close - 1) / 1e6, zone) for close in table[:, 1].tolist()]
        return np.array([(moment.date().toordinal() - 1) // 7 for moment in moments], np.int64)

    def _check_early_closes(self) -> None:
        for day, clock in dict(self.early_closes).items():
            try:
                held = self._is_held(datetime.date.fromisoformat(day))
            except ValueError as error:
                raise ConfigurationError(f"early_closes are by ISO date such as '2023-07-03'; got {day!r}") from error
            if not _CLOCK.fullmatch(clock):
                raise ConfigurationError(f"an early close is a local time such as '13:00'; got {clock!r} on {day}")
            if not held:
                raise ConfigurationError(
                    f"an early close needs a session; there is none on {day}, a holiday or no weekday of these"
                )
            if (self._later(clock), clock) >= (self._later(self.closes), self.closes):
                raise ConfigurationError(f"an early close is before {self.closes}, the usual one; got {clock} on {day}")

    def _later(self, closes: str) -> int:
        # days between the open and the close
        return int(closes <= self.opens)

    def _is_held(self, day: datetime.date) -> bool:
        return day.weekday() in self.weekdays and day.isoformat() not in self.holidays

    def _at(self, day: datetime.date, clock: str, later: int, zone: ZoneInfo) -> int:
        moment = datetime.datetime.combine(day + datetime.timedelta(later), datetime.time.fromisoformat(clock), zone)
        return parse_time(moment)


def keep_traded(candles: "Candles") -> "Candles":
    """The candles on the grid of the slots in which any of the symbols has one: the sessions are those of the data.

    Halts cannot be told from nights this way, and leave the grid as these do. Raises `DataError` if there is no candle.
    """
    return _kept(candles, np.any(~candles.gaps, axis=0), "a candle of any symbol")


def resample_sessions(candles: "Candles", timeframe: Timeframe, flows: frozenset[str]) -> "Candles":
    """Coarser candles of a grid with sessions (`flows` are columns to sum): on the whole grid, then without the slots in which no session slot lies."""
    whole = _on_whole_grid(candles, flows).resample(timeframe)
    inside = np.isin(whole.times, candles.times // timeframe.microseconds * timeframe.microseconds)
    return _cut(whole, np.flatnonzero(inside))


def _kept(candles: "Candles", inside: npt.NDArray[np.bool_], what: str) -> "Candles":
    if not inside.any():
        raise DataError(f"no slot of {candles!r} has {what}")
    if inside.all():
        return candles
    return _cut(_refilled(candles, inside), np.flatnonzero(inside))


def _refilled(candles: "Candles", inside: npt.NDArray[np.bool_]) -> "Candles":
    # a gap repeats the last close of the sessions, not one that was left out
    rows = np.flatnonzero(inside)
    values = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close")}
    for j in range(len(candles.symbols)):
        gap = candles.gaps[j]
        before = candles.close[j, rows[0]]
        for row in rows:
            if gap[row]:
                for array in values.values():
                    array[j, row] = before
            before = values["close"][j, row]
    return _rebuilt(candles, candles.times, **values)


def _cut(candles: "Candles", rows: npt.NDArray[np.intp]) -> "Candles":
    names = ("open", "high", "low", "close", "volume", "gaps")
    columns = {name: column[:, rows] for name, column in candles.columns.items()}
    taken = {name: getattr(candles, name)[:, rows] for name in names}
    return _rebuilt(candles, candles.times[rows], **taken, columns=columns)


def _on_whole_grid(candles: "Candles", flows: frozenset[str]) -> "Candles":
    step = candles.timeframe.microseconds
    times = np.arange(candles.start, candles.end, step, dtype=np.int64)
    newest = np.searchsorted(candles.times, times, side="right") - 1
    there = candles.times[newest] == times
    taken = {name: getattr(candles, name)[:, newest] for name in ("open", "high", "low", "close", "volume", "gaps")}
    for name in ("open", "high", "low"):
        taken[name][:, ~there] = taken["close"][:, ~there]
    taken["volume"][:, ~there], taken["gaps"][:, ~there] = 0.0, True
    columns = {name: column[:, newest] for name, column in candles.columns.items()}
    for name in flows & columns.keys():
        columns[name][:, ~there] = 0.0
    return _rebuilt(candles, times, **taken, columns=columns)


def _rebuilt(candles: "Candles", times: npt.NDArray[np.int64], **changed: object) -> "Candles":
    return dataclasses.replace(candles, times=times, **changed)  # type: ignore[arg-type]
