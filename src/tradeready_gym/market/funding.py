"""What perpetuals pay for being held, hour by hour: the history of funding rates."""

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError, DataError, DataUnavailable, UnknownName
from tradeready_gym.market.sources.funding import read_funding
from tradeready_gym.market.timeframe import MICROSECONDS_PER_DAY, format_time

HOUR = 3_600_000_000
# venues write down a funding time some milliseconds late
_LATE = 60_000_000
MISSING = ("error", "zero")
LARGEST_RATE = 0.1


class FundingRates:
    """Funding rates by symbol and time: a value, which compares, hashes and prints by its content.

    Args:
        data: a Series with a DatetimeIndex (a column of your candles, too), a frame with a time and a column `funding_rate`
            (and `symbol`), or with one column for each symbol, the path of such a CSV or Parquet file, a list of
            (time, rate), or a mapping from symbol to any of these. NaN is no rate. A rate is a share of the position's
            value: 0.0001 is 0.01 %, longs pay it, shorts receive it.
        missing: what a funding time without a rate is: "error", or "zero".
        assume_utc: take times without a zone as UTC.

    Times are those at which the venue charges, up to a minute late. One series without a symbol is that of the only symbol
    that an exchange trades.

    Raises:
        DataError: times without a zone or twice, or rates that are not finite or beyond ±0.1.
        UnknownName: another word for `missing`.
    """

    def __init__(self, data: Any, *, missing: str = "error", assume_utc: bool = False) -> None:
        if missing not in MISSING:
            raise UnknownName("way with missing funding rates", missing, MISSING)
        self.missing = missing
        found = {name: _checked(name, *pair) for name, pair in read_funding(data, assume_utc).items()}
        if not found:
            raise DataError("funding rates need at least one series; found none")
        self.series: Mapping[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = MappingProxyType(found)
        digest = hashlib.sha256(missing.encode())
        for name in sorted(found):
            digest.update(name.encode() + b"".join(array.tobytes() for array in found[name]))
        self.fingerprint = digest.hexdigest()

    def __repr__(self) -> str:
        count = sum(len(times) for times, _ in self.series.values())
        first = min(int(times[0]) for times, _ in self.series.values())
        last = max(int(times[-1]) for times, _ in self.series.values())
        names = "/".join(name for name in self.series if name)
        return (
            f"FundingRates(<{count:,} rates{f' of {names}' if names else ''}, {format_time(first)} .. {format_time(last)}, "
            f"{self.fingerprint[:12]}>, missing={self.missing!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FundingRates) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __deepcopy__(self, memo: object) -> "FundingRates":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (dict(self.series), self.missing, self.fingerprint)

    def check_hours(self, hours: int | None) -> None:
        """Raise `ConfigurationError` for a rate at a time that is no multiple of `hours` since midnight UTC; None allows any."""
        for name, (times, _) in self.series.items() if hours is not None else ():
            late = times % (HOUR * (hours or 1))
            odd = late >= _LATE
            if odd.any():
                raise ConfigurationError(
                    f"the funding rates{f' of {name}' if name else ''} must be at the funding times, every {hours} h from midnight UTC; "
                    f"{int(odd.sum())} of {len(times)} are not, the first at {format_time(int(times[np.argmax(odd)]))}. Give "
                    f"funding_hours= of the venue, None if the times of the series are the funding times, or the rates of the "
                    f"funding times alone"
                )

    def check_symbols(self, symbols: Sequence[str]) -> None:
        """Raise `ConfigurationError` unless each of the symbols has a series."""
        without = [symbol for symbol in symbols if symbol not in self.series]
        if without and not (len(symbols) == 1 and "" in self.series):
            named = ", ".join(name or "one symbol without a name" for name in self.series)
            raise ConfigurationError(
                f"every symbol needs funding rates; {', '.join(without)} has none, there are those of {named}. Give a mapping "
                f"from symbol to series"
            )

    def table(self, symbols: Sequence[str], times: npt.NDArray[np.int64], hours: int | None) -> npt.NDArray[np.float64]:
        """What is charged at the open of each candle: for candles that open at `times`, float64[T, S].

        The sum of the rates at the funding times in (open of the candle before, open of the candle]; NaN where one is
        missing, and 0 in the first row of each run of ascending times. Without `hours` the times of the series are the
        funding times, and more than a day without any is missing.
        """
        self.check_symbols(symbols)
        columns = np.zeros((len(times), len(symbols)))
        starts = np.flatnonzero(np.diff(times, prepend=np.iinfo(np.int64).max) <= 0)
        for first, last in zip(starts, [*starts[1:], len(times)], strict=True):
            for place, symbol in enumerate(symbols):
                columns[first:last, place] = self._column(symbol, times[first:last], hours)
        return columns

    def _column(self, symbol: str, opens: npt.NDArray[np.int64], hours: int | None) -> npt.NDArray[np.float64]:
        stamps, rates = self.series[symbol] if symbol in self.series else self.series[""]
        stamps = stamps - stamps % (_LATE if hours is None else HOUR * hours)
        rows = np.searchsorted(opens, stamps)  # the first candle that opens no earlier
        inside = (rows > 0) & (rows < len(opens))
        column: npt.NDArray[np.float64] = np.bincount(rows[inside], rates[inside], len(opens)).astype(np.float64)
        if self.missing == "error":
            column[_missing(opens, stamps, rows[inside], hours)] = np.nan
        return column

    def refuse_holes(
        self, table: npt.NDArray[np.float64], times: npt.NDArray[np.int64], symbols: Sequence[str]
    ) -> None:
        """Raise `DataUnavailable` for the first candle of `table` that lacks a rate."""
        holes = np.isnan(table)
        if not holes.any():
            return
        row, place = (int(where[0]) for where in np.nonzero(holes))
        first = format_time(int(times[row]))
        raise DataUnavailable(
            f"funding rates are missing for {int(holes.sum())} candles of this span, first for {symbols[place]} at {first}. "
            f"There are {self!r}. Give the missing rates, play another span (start_time=, end_time=), or say that they are nothing: "
            f"FundingRates(..., missing='zero')"
        )


def _checked(
    name: str, times: npt.NDArray[np.int64], rates: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    called = f"the funding rates{f' of {name}' if name else ''}"
    if not len(times):
        raise DataError(f"{called} must be at least one; found none")
    order = np.argsort(times, kind="stable")
    times, rates = np.ascontiguousarray(times[order]), np.ascontiguousarray(rates[order])
    twice = np.flatnonzero(np.diff(times) < _LATE)
    if len(twice):
        raise DataError(f"{called} must be one for each time; {format_time(int(times[twice[0] + 1]))} comes twice")
    odd = ~(np.abs(rates) <= LARGEST_RATE)
    if odd.any():
        row = int(np.argmax(odd))
        raise DataError(
            f"{called} must be finite shares from -{LARGEST_RATE:g} to {LARGEST_RATE:g} (0.0001 is 0.01 %); found "
            f"{float(rates[row])!r} at {format_time(int(times[row]))}"
        )
    times.flags.writeable = rates.flags.writeable = False
    return times, rates


def _missing(
    opens: npt.NDArray[np.int64], stamps: npt.NDArray[np.int64], rows: npt.NDArray[np.intp], hours: int | None
) -> npt.NDArray[np.bool_]:
    if hours is None:
        newest = np.searchsorted(stamps, opens, side="right") - 1
        age = opens - np.where(newest < 0, np.iinfo(np.int64).min // 2, stamps[newest])
        lacking: npt.NDArray[np.bool_] = age > MICROSECONDS_PER_DAY
    else:
        passed = opens // (HOUR * hours)
        lacking = np.bincount(rows, minlength=len(opens)) < np.diff(passed, prepend=passed[:1])
    lacking[:1] = False
    return lacking


def _rebuilt(series: dict[str, Any], missing: str, fingerprint: str) -> FundingRates:
    one = FundingRates.__new__(FundingRates)
    one.series, one.missing, one.fingerprint = MappingProxyType(series), missing, fingerprint
    return one
