"""Training, validation and test spans, cut by time.

A span is a pair of times, not a piece of data: an environment gets the whole candles, so that the first window of the
test span has its history, and the span as `start_time` and `end_time`.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.market.timeframe import TimeLike, format_time, parse_time

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles


@dataclass(frozen=True)
class Span:
    """The grid slots in `[start, end)`, in microseconds since 1970 in UTC."""

    start: int
    end: int

    @property
    def start_time(self) -> str:
        """ISO 8601 form of `start`, as environments take it."""
        return format_time(self.start)

    @property
    def end_time(self) -> str:
        """ISO 8601 form of `end`, as environments take it."""
        return format_time(self.end)

    def __str__(self) -> str:
        return f"{self.start_time} .. {self.end_time}"


@dataclass(frozen=True)
class Splits:
    """Three adjoining spans, oldest first."""

    train: Span
    validation: Span
    test: Span


def split(
    candles: "Candles",
    train: float | TimeLike = 0.7,
    validation: float | TimeLike = 0.15,
    test: float | None = None,
    *,
    history_bars: int = 0,
) -> Splits:
    """Cut `candles` into a training, a validation and a test span, in this order of time.

    `train` and `validation` are fractions of the slots after the first `history_bars` (which belong to no span: the
    first window needs them), or both are times at which the span ENDS. `test` is what remains; give it to have the sum
    checked. Raises `ConfigurationError` when fractions do not add up and `DataError` when a span would be empty or a
    time is off the grid. `validation=0.0` gives an empty validation span.
    """
    if not 0 <= history_bars < len(candles):
        raise ConfigurationError(f"history_bars must be in [0, {len(candles)}); found {history_bars}")
    first = candles.time_of(history_bars)
    if isinstance(train, float) and isinstance(validation, float):
        cuts = _cut_by_fraction(len(candles) - history_bars, train, validation, test)
        ends = [candles.time_of(history_bars + cut) for cut in cuts]
    elif isinstance(train, float) or isinstance(validation, float):
        raise ConfigurationError("train and validation must both be fractions or both be times at which the span ends")
    else:
        ends = [parse_time(train, name="train"), parse_time(validation, name="validation")]
        for name, end in zip(("train", "validation"), ends, strict=True):
            candles.row_of(end, name=name)
    spans = Splits(Span(first, ends[0]), Span(ends[0], ends[1]), Span(ends[1], candles.end))
    empty_allowed = validation == 0.0
    for name, span in (("train", spans.train), ("validation", spans.validation), ("test", spans.test)):
        if span.start > span.end or (span.start == span.end and not (name == "validation" and empty_allowed)):
            raise DataError(
                f"the {name} span would be {span}, which holds no candle; the data are {candles!r}. "
                "Choose other cuts or longer data."
            )
    return spans


def _cut_by_fraction(slots: int, train: float, validation: float, test: float | None) -> tuple[int, int]:
    rest = round(1.0 - train - validation, 12) if test is None else test
    fractions = (train, validation, rest)
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1.0, abs_tol=1e-9):
        raise ConfigurationError(f"train + validation + test must be 1 with none negative; found {fractions}")
    return round(slots * train), round(slots * (train + validation))
