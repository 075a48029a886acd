"""Candles: aligned columnar arrays of one or more symbols, validated once and read-only from then on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError, DataError, UnknownName
from tradeready_gym.market.calendars import resample_sessions
from tradeready_gym.market.checks import PRICE_NAMES, check_candles, check_column, check_times
from tradeready_gym.market.splits import Splits, split
from tradeready_gym.market.timeframe import MICROSECONDS_PER_DAY, Timeframe, TimeLike, format_time, parse_time

VALUE_NAMES = (*PRICE_NAMES, "volume")
# Columns that count what happened inside a candle: summed when candles are joined, 0 where there was none. Every other
# column is a state, known at the candle's close: the last value stands.
FLOW_COLUMNS = frozenset({"quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume"})


@dataclass(frozen=True, eq=False, repr=False)
class Candles:
    """Candles of S symbols on one complete grid of T slots.

    `times`: int64[T], OPEN times in microseconds UTC, exactly one timeframe apart, or more where a `TradingCalendar` has
    taken nights out of the grid (then `regular` is False). `open`, `high`, `low`, `close`,
    `volume`: float64[S, T]. `gaps`: bool[S, T], True where the source had no candle; prices there are the previous close
    and volume is 0. `columns`: the user's own, float64[S, T] by name, each value known at the candle's close; NaN only
    before a column's first value. `source` says in words where the data came from. Arrays are C-contiguous and read-only.

    Build them with `from_arrays`, which validates; the bare constructor only checks shapes.
    """

    symbols: tuple[str, ...]
    timeframe: Timeframe
    times: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    gaps: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str = "arrays"

    def __post_init__(self) -> None:
        shape = (len(self.symbols), len(self.times))
        object.__setattr__(self, "times", _freeze(self.times, np.int64, shape[1:], "times"))
        for name in VALUE_NAMES:
            object.__setattr__(self, name, _freeze(getattr(self, name), np.float64, shape, name))
        object.__setattr__(self, "gaps", _freeze(self.gaps, np.bool_, shape, "gaps"))
        columns = {name: _freeze(self.columns[name], np.float64, shape, name) for name in self.columns}
        object.__setattr__(self, "columns", MappingProxyType(columns))

    @classmethod
    def from_arrays(
        cls,
        symbols: str | Sequence[str],
        timeframe: str | Timeframe,
        times: Any,
        open: Any,
        high: Any,
        low: Any,
        close: Any,
        volume: Any,
        *,
        columns: Mapping[str, Any] | None = None,
        source: str = "arrays",
        end: int | None = None,
    ) -> "Candles":
        """Validate arrays and return candles on a complete grid.

        Values are [T] for one symbol or [S, T]. `times` are int64 microseconds (or `datetime64`, UTC), strictly
        increasing multiples of the timeframe; missing ones become gaps, also those from the last candle up to `end`
        (microseconds, on the grid) if it is given. Raises `DataError` naming the row and value of anything that cannot be
        a candle.
        """
        names = check_symbols(symbols)
        frame = Timeframe.parse(timeframe)
        stamps = _to_microseconds(times, source)
        check_times(stamps, frame, source)
        shape = (len(names), len(stamps))
        given = zip(VALUE_NAMES, (open, high, low, close, volume), strict=True)
        values = {name: _to_rows(value, shape, name, source) for name, value in given}
        own = {name: _to_rows(value, shape, name, source) for name, value in (columns or {}).items()}
        for index, symbol in enumerate(names):
            check_candles({name: rows[index] for name, rows in values.items()}, stamps, symbol, source)
            for name, rows in own.items():
                check_column(rows[index], stamps, name, source)
        stop = int(stamps[-1]) + frame.microseconds
        stop = stop if end is None else max(stop, end)
        slots = (stop - int(stamps[0])) // frame.microseconds
        if slots == len(stamps):
            gaps = np.zeros(shape, dtype=np.bool_)
            return cls(names, frame, stamps, **values, gaps=gaps, columns=own, source=source)
        return cls._fill_gaps(names, frame, stamps, stop, values, own, source)

    @classmethod
    def _fill_gaps(
        cls,
        symbols: tuple[str, ...],
        timeframe: Timeframe,
        stamps: np.ndarray,
        stop: int,
        values: dict[str, np.ndarray],
        own: dict[str, np.ndarray],
        source: str,
    ) -> "Candles":
        times = np.arange(stamps[0], stop, timeframe.microseconds, dtype=np.int64)
        rows = (stamps - stamps[0]) // timeframe.microseconds
        missing = np.ones(len(times), dtype=np.bool_)
        missing[rows] = False
        latest = np.cumsum(~missing) - 1  # the row of the input that was the newest at each slot
        filled = {name: value[:, latest] for name, value in values.items()}
        for name in ("open", "high", "low"):
            filled[name][:, missing] = filled["close"][:, missing]
        filled["volume"][:, missing] = 0.0
        columns = {name: value[:, latest] for name, value in own.items()}
        for name in FLOW_COLUMNS & columns.keys():
            columns[name][:, missing] = 0.0
        gaps = np.broadcast_to(missing, (len(symbols), len(times)))
        return cls(symbols, timeframe, times, **filled, gaps=gaps, columns=columns, source=source)

    @classmethod
    def merge(cls, candles: "Sequence[Candles]") -> "Candles":
        """Align the symbols of one timeframe on their common span: from the latest first candle to the earliest end.

        Symbols keep the order in which they are given. A column that one part lacks is NaN for that part's symbols.
        Raises `ConfigurationError` for different timeframes or a symbol that comes twice, `DataError` if no time is common.
        """
        parts = list(candles)
        if not parts:
            raise ConfigurationError("merge needs at least one Candles; found none")
        if len(parts) == 1:
            return parts[0]
        frames = {part.timeframe for part in parts}
        if len(frames) > 1:
            found = ", ".join(f"{part.timeframe} ({'/'.join(part.symbols)})" for part in parts)
            raise ConfigurationError(f"merge needs candles of one timeframe; found {found}. Use resample() first.")
        symbols = check_symbols([symbol for part in parts for symbol in part.symbols])
        start, end = max(part.start for part in parts), min(part.end for part in parts)
        if start >= end:
            found = "; ".join(f"{'/'.join(part.symbols)}: {_span(part.start, part.end)}" for part in parts)
            raise DataError(f"merge needs a span that all symbols have; found {found}")
        parts = [part.between(start, end) for part in parts]
        if any(not np.array_equal(part.times, parts[0].times) for part in parts):
            raise DataError(
                "merge needs symbols with the same sessions; merge first, then keep() the slots of a calendar"
            )
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in (*VALUE_NAMES, "gaps")}
        columns = {}
        for name in dict.fromkeys(name for part in parts for name in part.columns):
            blocks = [part.columns.get(name, np.full(part.close.shape, np.nan)) for part in parts]
            columns[name] = np.concatenate(blocks)
        source = ", ".join(dict.fromkeys(part.source for part in parts))
        return cls(symbols, parts[0].timeframe, parts[0].times, **joined, columns=columns, source=source)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def start(self) -> int:
        """Open time of the first candle, in microseconds UTC."""
        return int(self.times[0])

    @property
    def end(self) -> int:
        """Exclusive end of the last candle, in microseconds UTC."""
        return int(self.times[-1]) + self.timeframe.microseconds

    @cached_property
    def regular(self) -> bool:
        """Whether every slot begins where the one before it ends; not so between sessions."""
        return self.end - self.start == len(self) * self.timeframe.microseconds

    @property
    def periods_per_year(self) -> float:
        """Slots in a year of 365.25 days: all of the timeframe's, or with sessions as many as these candles have."""
        if self.regular or len(self) < 2:
            return self.timeframe.periods_per_year
        return (len(self) - 1) * 365.25 * MICROSECONDS_PER_DAY / (int(self.times[-1]) - self.start)

    def time_of(self, row: int) -> int:
        """Open time of a row; of `len(candles)` the end of the data."""
        return self.end if row == len(self) else int(self.times[row])

    def row_of(self, time: TimeLike, *, name: str = "time") -> int:
        """Return the row that begins at `time`; `len(candles)` for the end of the data. Between sessions it is the next one.

        Raises `DataError`, naming the nearest legal times, for one off the grid or outside the data.
        """
        instant = parse_time(time, name=name)
        step = self.timeframe.microseconds
        if not self.start <= instant <= self.end:
            raise DataError(
                f"{name} must lie in {_span(self.start, self.end)}, which {self.source} covers for "
                f"{'/'.join(self.symbols)} {self.timeframe}; found {format_time(instant)}. The nearest is "
                f"{format_time(min(max(instant, self.start), self.end))}."
            )
        row, off = divmod(instant - self.start, step)
        if off:
            low = self.start + row * step
            raise DataError(
                f"{name} must be on the {self.timeframe} grid; found {format_time(instant)}. The nearest are "
                f"{format_time(low)} and {format_time(low + step)}."
            )
        return row if self.regular else int(np.searchsorted(self.times, instant))

    def between(self, start: TimeLike | None = None, end: TimeLike | None = None) -> "Candles":
        """Return the slots in `[start, end)`; None means the first or last of the data.

        Raises `DataError` for times off the grid or outside the data, and for an empty span.
        """
        first = 0 if start is None else self.row_of(start, name="start")
        last = len(self) if end is None else self.row_of(end, name="end")
        if first >= last:
            raise DataError(
                f"end must be after start; found start {format_time(self.time_of(first))} "
                f"and end {format_time(self.time_of(last))}"
            )
        if first == 0 and last == len(self):
            return self
        cut = {name: getattr(self, name)[:, first:last] for name in (*VALUE_NAMES, "gaps")}
        columns = {name: column[:, first:last] for name, column in self.columns.items()}
        return Candles(self.symbols, self.timeframe, self.times[first:last], **cut, columns=columns, source=self.source)

    def select(self, symbols: str | Sequence[str]) -> "Candles":
        """Return the same slots of some of the symbols, in the order given; `UnknownName` for one that is not here."""
        names = check_symbols(symbols)
        if names == self.symbols:
            return self
        for name in names:
            if name not in self.symbols:
                raise UnknownName("symbol", name, self.symbols, f" The data come from {self.source}.")
        rows = [self.symbols.index(name) for name in names]
        taken = {name: getattr(self, name)[rows] for name in (*VALUE_NAMES, "gaps")}
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Candles(names, self.timeframe, self.times, **taken, columns=columns, source=self.source)

    def resample(self, timeframe: str | Timeframe) -> "Candles":
        """Return coarser candles, labelled by open time, of the slots that these candles cover completely.

        Open of the first, highest high, lowest low, close of the last, sum of volumes, over the candles that exist; a
        slot in which every candle is missing stays a gap. Columns that count (quote_volume, trades, ...) are summed, any
        other keeps its last value. Raises `DataError` for a finer timeframe or data without one complete slot.
        """
        coarse = Timeframe.parse(timeframe)
        if coarse == self.timeframe:
            return self
        ratio, rest = divmod(coarse.microseconds, self.timeframe.microseconds)
        if ratio == 0 or rest:
            raise DataError(
                f"{self.timeframe} candles cannot make {coarse} candles: only a longer timeframe that is a multiple can "
                f"be computed. Use timeframe={self.timeframe.label!r} or finer data."
            )
        if not self.regular:
            return resample_sessions(self, coarse, FLOW_COLUMNS)
        first = -(self.start // self.timeframe.microseconds) % ratio
        slots = max(len(self) - first, 0) // ratio
        if slots == 0:
            raise DataError(f"no {coarse} candle is complete in {_span(self.start, self.end)} of {self.source}")

        def blocks(values: np.ndarray) -> np.ndarray:
            return values[:, first : first + slots * ratio].reshape(len(self.symbols), slots, ratio)

        missing = blocks(self.gaps)
        gaps = np.asarray(missing.all(axis=2))
        opener = np.argmin(missing, axis=2)[..., None]  # the first candle that exists
        joined = {
            "open": np.take_along_axis(blocks(self.open), opener, axis=2)[..., 0],
            "high": np.where(missing, -np.inf, blocks(self.high)).max(axis=2),
            "low": np.where(missing, np.inf, blocks(self.low)).min(axis=2),
            "close": blocks(self.close)[..., -1].copy(),
            "volume": blocks(self.volume).sum(axis=2),
        }
        for name in ("open", "high", "low"):
            joined[name][gaps] = joined["close"][gaps]
        columns = {
            name: blocks(column).sum(axis=2) if name in FLOW_COLUMNS else blocks(column)[..., -1]
            for name, column in self.columns.items()
        }
        times = self.times[first : first + slots * ratio : ratio]
        return Candles(self.symbols, coarse, times, **joined, gaps=gaps, columns=columns, source=self.source)

    def split(
        self,
        train: float | TimeLike = 0.7,
        validation: float | TimeLike = 0.15,
        test: float | None = None,
        *,
        history_bars: int = 0,
    ) -> Splits:
        """Cut the span into training, validation and test; see `tradeready_gym.market.split`."""
        return split(self, train, validation, test, history_bars=history_bars)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of symbols, timeframe, times, values, gaps and columns, in hexadecimal; `source` does not count."""
        digest = hashlib.sha256(f"{self.symbols} {self.timeframe.label} {self.close.shape}".encode())
        for values in (self.times, *(getattr(self, name) for name in VALUE_NAMES), self.gaps):
            digest.update(values.data)
        for name in sorted(self.columns):
            digest.update(name.encode())
            digest.update(self.columns[name].data)
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Candles) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __copy__(self) -> "Candles":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Candles":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        values = [getattr(self, name) for name in VALUE_NAMES]
        return Candles, (self.symbols, self.timeframe, self.times, *values, self.gaps, dict(self.columns), self.source)

    def __repr__(self) -> str:
        return (
            f"Candles({'/'.join(self.symbols)} {self.timeframe}, {_span(self.start, self.end)}, {len(self)} slots, "
            f"{int(self.gaps.sum())} gaps, columns={list(self.columns)}, source={self.source!r})"
        )


def check_symbols(symbols: str | Sequence[str]) -> tuple[str, ...]:
    """Return symbols in upper case; `ConfigurationError` for none, an empty one, odd characters or one that comes twice."""
    names = tuple(str(symbol).strip().upper() for symbol in ([symbols] if isinstance(symbols, str) else symbols))
    for name in names:
        if not name or not all(letter.isalnum() or letter in "-_." for letter in name) or name.startswith("."):
            raise ConfigurationError(f"a symbol must be letters and digits such as 'BTCUSDT'; found {name!r}")
    if not names or len(set(names)) != len(names):
        raise ConfigurationError(f"symbols must be at least one, each once; found {list(names)}")
    return names


def _freeze(values: Any, dtype: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != shape:
        raise DataError(f"{name} must have shape {shape}; found {array.shape}")
    if array.dtype != dtype or not array.flags.c_contiguous or array.flags.writeable:
        array = np.array(array, dtype=dtype, order="C")  # a copy: nobody else may hold a writeable view
    array.flags.writeable = False
    return array


def _to_microseconds(times: Any, source: str) -> np.ndarray:
    array = np.asarray(times)
    if array.ndim != 1:
        raise DataError(f"times from {source} must have one dimension; found shape {array.shape}")
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise DataError(f"times from {source} must be instants; row {int(np.argmax(np.isnat(array)))} is NaT")
        array = array.astype("datetime64[us]")
    elif array.size and array.dtype.kind not in "iu":
        raise DataError(
            f"times from {source} must be int64 microseconds or datetime64; found dtype {array.dtype}. "
            "load_frame() reads other forms."
        )
    return array.astype(np.int64)


def _to_rows(values: Any, shape: tuple[int, ...], name: str, source: str) -> np.ndarray:
    try:
        array = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} from {source} must be numbers; {error}") from None
    if array.ndim == 1 and shape[0] == 1:
        array = array[None, :]
    if array.shape != shape:
        raise DataError(f"{name} from {source} must have shape {shape} like times and symbols; found {array.shape}")
    return array


def _span(start: int, end: int) -> str:
    return f"{format_time(start)} .. {format_time(end)}"
