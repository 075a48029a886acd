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
    total = len(replayer)
    span = f"{format_time(candles.start)} .. {format_time(candles.end)}"
    last = total if end is None else aligned_row("end_time", end, replayer)
    first = min(history_bars, total) if start is None else aligned_row("start_time", start, replayer)
    if last > total:
        raise DataUnavailable(
            f"end_time {format_time(parse_time(end))} is past the data ({span}, {candles.source}); "
            f"the latest end_time that works is {format_time(candles.end)}"
        )
    if start is not None and end is not None and last <= first:
        raise ConfigurationError(
            f"end_time must be later than start_time; got {format_time(parse_time(end))} and "
            f"{format_time(parse_time(start))}"
        )
    if first < history_bars:
        if history_bars >= total:
            raise DataUnavailable(
                f"{history_bars} candles of history are needed before the first step, the data has {total} of {replayer.timeframe.label} "
                f"({span}, {candles.source}); give more data, or a shorter lookback_window"
            )
        earliest = format_time(int(candles.times[history_bars]))
        raise DataUnavailable(
            f"start_time {format_time(parse_time(start))} leaves {max(first, 0)} candles of history, {history_bars} are needed "
            f"(lookback window, warm-up of the features, last 24 h); the earliest start_time that works is {earliest}"
        )
    if last <= first:
        raise DataUnavailable(
            f"nothing is left to step through: {history_bars} candles of history leave no candle before "
            f"{format_time(candles.time_of(max(min(last, total), 0)))} ({span}, {candles.source})"
        )
    if length is not None and length > last - first:
        raise ConfigurationError(
            f"episode_length must fit into the span; got {length} candles, the span has {last - first} after "
            f"{history_bars} candles of history"
        )
    return first, last
