"""Which rows an episode may use: the span that was asked for, less the history that observations and slippage need."""

from typing import Any

from tradeready_gym.errors import ConfigurationError, DataUnavailable
from tradeready_gym.market import DataReplayer, format_time, parse_time


def aligned_row(name: str, value: Any, replayer: DataReplayer) -> int:
    """The row whose candle begins at `value`; an error names the nearest legal times if there is none."""
    time = parse_time(value, name=name)
    step = replayer.timeframe.microseconds
    late = (time - replayer.candles.start) % step
    if late:
        below, above = format_time(time - late), format_time(time - late + step)
        raise ConfigurationError(
            f"{name} must stand on the grid of {replayer.timeframe.label} candles; got {format_time(time)}. "
            f"The nearest legal ones are {below} and {above}"
        )
    return replayer.row_at(time)


def episode_span(
    replayer: DataReplayer, start: Any, end: Any, history_bars: int, length: int | None
) -> tuple[int, int]:
    """First row and end row of the span in which episodes are played.

    Raises:
        ConfigurationError: the span is empty, unaligned, or shorter than an episode.
        DataUnavailable: the data does not reach that far; the message names the nearest times that would work.
    """
    candles = replayer.candles
    total, step = len(replayer), 1 if length is None else length
    span = f"{format_time(candles.start)} .. {format_time(candles.end)}, {candles.source}"
    if history_bars >= total:
        raise DataUnavailable(
            f"{history_bars} candles of history are needed before the first step, the data has {total} of "
            f"{replayer.timeframe.label} ({span}); give more data, or a shorter lookback_window"
        )
    last = total if end is None else aligned_row("end_time", end, replayer)
    first = history_bars if start is None else aligned_row("start_time", start, replayer)
    if start is not None and end is not None and parse_time(end) <= parse_time(start):
        raise ConfigurationError(f"end_time must be later than start_time; got {_shown(end)} and {_shown(start)}")
    if first >= total:
        latest = format_time(candles.time_of(max(total - step, history_bars)))
        raise DataUnavailable(
            f"start_time {_shown(start)} leaves nothing to step through in the data ({span}); "
            f"the latest start_time that works is {latest}"
        )
    if last > total:
        raise DataUnavailable(
            f"end_time {_shown(end)} is past the data ({span}); "
            f"the latest end_time that works is {format_time(candles.end)}"
        )
    if first < history_bars and start is not None:
        raise DataUnavailable(
            f"start_time {_shown(start)} leaves {max(first, 0)} candles of history in the data ({span}), {history_bars} are "
            "needed (lookback window, warm-up of the features, last 24 h); the earliest start_time that works is "
            f"{format_time(candles.time_of(history_bars))}"
        )
    if last <= first:
        opening, earliest = (format_time(candles.time_of(row)) for row in (first, min(first + step, total)))
        raise DataUnavailable(
            f"end_time {_shown(end)} leaves nothing to step through in the data ({span}): the first step is at {opening}, after "
            f"{history_bars} candles of history; the earliest end_time that works is {earliest}"
        )
    if length is not None and length > last - first:
        raise ConfigurationError(
            f"episode_length must fit into the span; got {length} candles, the span has {last - first} after "
            f"{history_bars} candles of history"
        )
    return first, last


def _shown(time: Any) -> str:
    return format_time(parse_time(time))
