"""Coarser candles beside fine ones, without a look at what has not closed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features.base import Feature, FloatArray, LibraryFeature, feature_values
from tradeready_gym.market.calendars import SESSION_TIMEFRAMES, TradingCalendar
from tradeready_gym.market.sessions import Groups, group_slots, join_groups
from tradeready_gym.market.timeframe import Timeframe

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

_USUAL = Timeframe("1h")


@dataclass(frozen=True)
class HigherTimeframe(LibraryFeature):
    """`<feature>@<timeframe>`, as in `rsi_14@4h`: any feature on candles of a longer timeframe.

    A row shows the value of the last COMPLETE coarser candle: one whose close is not later than the close of the row's
    own candle. Coarser candles open at whole multiples of their length since 1970, between sessions too; one of which the data
    lack the beginning is left out.

    With a `calendar`, "1d" is a session and "1w" the sessions of a week (Monday to Sunday, local): complete at the close of the
    session, or of the week's last one, which the calendar knows beforehand.

    `warmup_bars` counts candles of 1h (of the next shorter timeframe, where the coarser one is no longer than that);
    `warmup_on` knows those of the data.

    Raises:
        ConfigurationError: used on candles that are not shorter than `timeframe`, or a calendar with another timeframe.
    """

    feature: Feature
    timeframe: str = "4h"
    calendar: TradingCalendar | None = None

    def __init__(
        self,
        feature: "str | Feature | Callable[..., Any]",
        timeframe: "str | Timeframe" = "4h",
        calendar: TradingCalendar | None = None,
    ) -> None:
        from tradeready_gym.features.registry import as_feature  # which knows this class by its names

        label = str(timeframe)
        if calendar is None:
            label = Timeframe.parse(timeframe).label
        elif label not in SESSION_TIMEFRAMES:
            raise ConfigurationError(
                f"a calendar makes {' or '.join(SESSION_TIMEFRAMES)} of its sessions; got {label!r}"
            )
        object.__setattr__(self, "feature", as_feature(feature))
        object.__setattr__(self, "timeframe", label)
        object.__setattr__(self, "calendar", calendar)

    @property
    def name(self) -> str:
        return f"{self.feature.name}{self._suffix}"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(f"{column}{self._suffix}" for column in self.feature.column_names)

    @property
    def low(self) -> float:
        return self.feature.low

    @property
    def high(self) -> float:
        return self.feature.high

    @property
    def anchor_tolerance(self) -> float:
        return self.feature.anchor_tolerance

    @property
    def causality_tolerance(self) -> float:
        return self.feature.causality_tolerance

    @property
    def warmup_bars(self) -> int:
        length = self._length
        shorter = [frame.microseconds for frame in Timeframe.all() if frame.microseconds < length]
        fine = _USUAL.microseconds if length > _USUAL.microseconds else max(shorter, default=length)
        return _rows_lost(self.feature.warmup_bars, length // fine)

    def warmup_on(self, candles: "Candles") -> int:
        ratio = self._ratio(candles)
        if self._has_sessions(candles):
            groups, coarse = self._of_sessions(candles)
            bars = self.feature.warmup_bars if coarse is None else self.feature.warmup_on(coarse)
            return _rows_of(candles, groups, bars)
        coarse = _coarser(candles, Timeframe(self.timeframe), ratio)
        return _rows_lost(self.feature.warmup_bars if coarse is None else self.feature.warmup_on(coarse), ratio)

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        ratio = self._ratio(candles)
        result = np.full((len(candles), self.feature.width), np.nan)
        if self._has_sessions(candles):
            groups, coarse = self._of_sessions(candles)
            if coarse is None:
                return result
            newest = np.searchsorted(groups.known_rows(candles), np.arange(len(candles)), side="right") - 1
            seen = newest >= 0
            result[seen] = feature_values(self.feature, coarse, symbol_index)[newest[seen]]
            return result
        coarse = _coarser(candles, Timeframe(self.timeframe), ratio)
        if coarse is None:
            return result
        values = feature_values(self.feature, coarse, symbol_index)
        known = _first_row(candles, ratio) + ratio - 1  # the row with whose close the first coarser candle closes
        shown = np.repeat(values, ratio, axis=0)[: len(candles) - known]
        result[known : known + len(shown)] = shown
        return result

    @property
    def _suffix(self) -> str:
        return f"@{self.timeframe}" if self.calendar is None else f"@{self.timeframe} sessions"

    @property
    def _length(self) -> int:
        return 7 * Timeframe("1d").microseconds if self.timeframe == "1w" else Timeframe(self.timeframe).microseconds

    def _has_sessions(self, candles: "Candles") -> bool:
        return self.calendar is not None or not candles.regular

    def _of_sessions(self, candles: "Candles") -> "tuple[Groups, Candles | None]":
        from tradeready_gym.market.candles import FLOW_COLUMNS

        if self.calendar is None:
            groups = group_slots(candles, self._length)
        else:
            groups = self.calendar.group(candles, self.timeframe)
        if not len(groups):
            return groups, None
        # a week has no timeframe of its own
        frame = Timeframe("1d" if self.timeframe == "1w" else self.timeframe)
        return groups, join_groups(candles, groups, frame, groups.begin, FLOW_COLUMNS)

    def _ratio(self, candles: "Candles") -> int:
        ratio = self._length // candles.timeframe.microseconds
        if ratio < 2:
            raise ConfigurationError(
                f"{self.name!r} needs candles shorter than {self.timeframe}; these are {candles.timeframe.label} long"
            )
        return ratio


def _rows_of(candles: "Candles", groups: Groups, bars: int) -> int:
    # the most rows from any first candle on, until a coarse candle after `bars` whole ones is complete
    known = np.append(groups.known_rows(candles), len(candles))
    if len(groups) <= bars:
        return len(candles)
    firsts = groups.rows[groups.first]
    # data that begin with the first candle of a group have all of it, if the group begins with that candle
    own = candles.times[firsts] == groups.begin // candles.timeframe.microseconds * candles.timeframe.microseconds
    lost = known[bars + 1 :] - firsts[: len(known) - bars - 1] - own[: len(known) - bars - 1]
    return int(max(known[bars], *lost))


def _rows_lost(coarse_bars: int, ratio: int) -> int:
    # where the data begin within a coarser candle, its rest is lost; at worst all but one of its candles
    return (coarse_bars + 2) * ratio - 2


def _first_row(candles: "Candles", ratio: int) -> int:
    return int(-(candles.times[0] // candles.timeframe.microseconds) % ratio)


def _coarser(candles: "Candles", timeframe: Timeframe, ratio: int) -> "Candles | None":
    from tradeready_gym.market.candles import Candles

    first = _first_row(candles, ratio)
    count = (len(candles) - first) // ratio
    if count < 1:
        return None

    def grouped(values: Any) -> Any:
        return values[..., first : first + count * ratio].reshape(*values.shape[:-1], count, ratio)

    return Candles(
        symbols=candles.symbols,
        timeframe=timeframe,
        times=grouped(candles.times)[:, 0],
        open=grouped(candles.open)[..., 0],
        high=grouped(candles.high).max(axis=-1),
        low=grouped(candles.low).min(axis=-1),
        close=grouped(candles.close)[..., -1],
        volume=grouped(candles.volume).sum(axis=-1),
        gaps=grouped(candles.gaps).all(axis=-1),
        columns={name: grouped(values)[..., -1] for name, values in candles.columns.items()},
        source=f"{timeframe.label} candles of {candles.source}",
    )
