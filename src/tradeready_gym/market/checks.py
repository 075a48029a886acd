"""What candles must be, row by row; every finding names the row, the value and the way out."""

import numpy as np

from tradeready_gym.errors import DataError
from tradeready_gym.market.timeframe import Timeframe, format_time

PRICE_NAMES = ("open", "high", "low", "close")
_PLAUSIBLE_YEARS = 200  # a longer grid is a wrong time unit, not a market


def check_times(times: np.ndarray, timeframe: Timeframe, source: str) -> None:
    """Raise `DataError` unless `times` (int64 microseconds) is not empty, strictly increasing and on the grid."""
    if times.size == 0:
        raise DataError(f"candles from {source} are empty; at least one row is needed")
    steps = np.diff(times)
    if steps.size and steps.min() <= 0:
        row = int(np.argmax(steps <= 0)) + 1
        now, before = format_time(times[row]), format_time(times[row - 1])
        if now == before:
            raise DataError(
                f"candles from {source} must be strictly increasing in time; row {row} is {now}, as is row {row - 1}. "
                "Use deduplicate() if the source repeats candles after a reconnect."
            )
        raise DataError(
            f"candles from {source} must be strictly increasing in time; row {row} is {now}, after {before} in row "
            f"{row - 1}. Sort them by time, or use deduplicate(), which sorts too."
        )
    off = times % timeframe.microseconds
    if off.any():
        row = int(np.argmax(off != 0))
        down = int(times[row] - off[row])
        raise DataError(
            f"{timeframe} candles must open at whole multiples of {timeframe} since 1970 in UTC; row {row} of {source} "
            f"is {format_time(times[row])}, between {format_time(down)} and "
            f"{format_time(down + timeframe.microseconds)}. Give the timeframe of the data, and times of candle OPENS."
        )
    if (int(times[-1]) - int(times[0])) > _PLAUSIBLE_YEARS * 365.25 * 86_400e6:
        raise DataError(
            f"candles from {source} run from {format_time(times[0])} to {format_time(times[-1])}: more than "
            f"{_PLAUSIBLE_YEARS} years. Check the unit of the times (seconds, milliseconds or microseconds)."
        )


def check_candles(values: dict[str, np.ndarray], times: np.ndarray, symbol: str, source: str) -> None:
    """Raise `DataError` unless one symbol's rows are possible candles.

    `values` maps open, high, low, close and volume to float64[T]. Prices must be finite and above zero, volume finite
    and not negative, and low <= open, close <= high.
    """

    def refuse(bad: np.ndarray, name: str, rule: str) -> None:
        row = int(np.argmax(bad))
        rest = int(bad.sum()) - 1
        more = f" ({rest} more such rows)" if rest else ""
        raise DataError(
            f"{symbol} candles from {source}: {rule}; row {row} ({format_time(times[row])}) has {name} "
            f"{float(values[name][row])!r}{more}. Correct or remove the row: a missing candle becomes a gap."
        )

    for name in PRICE_NAMES:
        column = values[name]
        for bad, rule in (
            (np.isnan(column), f"{name} must be a number"),
            (np.isinf(column), f"{name} must be finite"),
            (column <= 0, f"{name} must be above zero"),
        ):
            if bad.any():
                refuse(bad, name, rule)
    volume = values["volume"]
    if (bad := ~(np.isfinite(volume) & (volume >= 0))).any():
        refuse(bad, "volume", "volume must be finite and not negative")
    for name, sign, word in (("low", 1, "at most"), ("high", -1, "at least")):
        for other in ("high", "open", "close"):
            if other != name and (bad := sign * values[name] > sign * values[other]).any():
                limit = float(values[other][int(np.argmax(bad))])
                refuse(bad, name, f"{name} must be {word} {other} ({limit!r})")


def check_column(column: np.ndarray, times: np.ndarray, name: str, source: str) -> None:
    """Raise `DataError` if a column of the user's own (float64[T]) is infinite, or missing after its first value."""
    bad = np.isinf(column)
    known = ~np.isnan(column)
    if known.any():
        first = int(np.argmax(known))
        bad[first:] |= ~known[first:]
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"column {name!r} from {source} must be finite from its first value on; row {row} "
            f"({format_time(times[row])}) has {float(column[row])!r}. Fill it with what was known at that candle's close."
        )
