"""Where somebody has learned, so that figures from there are called in-sample and nothing else is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tradeready_gym.engine import Engine
from tradeready_gym.market import Candles, Span, format_time, parse_time

_WITNESSES = 256
# of the usual move: two venues differ by less, and of two markets that have nothing in common one move in ten does
_LIKE = 0.25


@dataclass(frozen=True)
class Learned:
    """A span of a market, with some of its closes (by the time at which they were known) as witnesses.

    `looks` is how often who learned was chosen, or its training ended, by how it did there; 0 where it was trained.

    Real candles of one symbol and time are the same market wherever they come from and whatever their timeframe, and so are
    prices at another level that move alike; synthetic ones of another seed are not.
    """

    span: Span
    symbols: tuple[str, ...]
    times: tuple[int, ...]
    closes: tuple[tuple[float, ...], ...]
    looks: int = 0

    @classmethod
    def from_engine(cls, engine: Engine) -> tuple[Self, ...]:
        """What an engine plays, one for each of its data sets."""
        found = []
        step = engine.market.timeframe.microseconds
        for segment, span in zip(engine.segments, spans_of(engine), strict=True):
            count = int(segment["end_row"] - segment["first_row"])
            rows = segment["first_row"] + np.unique(np.linspace(0, count - 1, min(count, _WITNESSES)).astype(np.int64))
            times = tuple((engine.times[rows] + step).tolist())
            closes = tuple(map(tuple, engine.rows["close"][rows].tolist()))
            found.append(cls(span, engine.symbols, times, closes))
        return tuple(found)

    def is_in(self, engine: Engine) -> bool:
        """Whether an engine's spans touch this one on the same market."""
        common = [symbol for symbol in self.symbols if symbol in engine.symbols]
        if not common:
            return False
        mine = [self.symbols.index(symbol) for symbol in common]
        theirs = [engine.symbols.index(symbol) for symbol in common]
        step = engine.market.timeframe.microseconds
        for segment, span in zip(engine.segments, spans_of(engine), strict=True):
            if not (span.start < self.span.end and self.span.start < span.end):
                continue
            known = engine.times[segment["first_row"] : segment["end_row"]] + step
            at = np.searchsorted(known, self.times)
            there = (at < len(known)) & (known[np.minimum(at, len(known) - 1)] == self.times)
            if not there.any():
                return True  # too short a stretch for a witness: assume the worst
            closes = engine.rows["close"][segment["first_row"] + at[there]][:, theirs]
            if _same_market(closes, np.asarray(self.closes)[there][:, mine]):
                return True
        return False

    def is_same_in(self, candles: Candles) -> bool | None:
        """Whether other candles of this market have the same closes, to the last bit; None if it is another market, or has
        fewer than two of the times.
        """
        common = [symbol for symbol in self.symbols if symbol in candles.symbols]
        known = candles.times + candles.timeframe.microseconds
        at = np.searchsorted(known, self.times)
        there = (at < len(known)) & (known[np.minimum(at, len(known) - 1)] == self.times)
        if not common or there.sum() < 2:
            return None
        closes = candles.close[[candles.symbols.index(symbol) for symbol in common]][:, at[there]].T
        witnesses = np.asarray(self.closes)[there][:, [self.symbols.index(symbol) for symbol in common]]
        return bool(np.array_equal(closes, witnesses)) if _same_market(closes, witnesses) else None

    def as_plain(self) -> dict[str, Any]:
        """As JSON takes it; `from_plain` reads it back."""
        return {
            "start": format_time(self.span.start),
            "end": format_time(self.span.end),
            "symbols": list(self.symbols),
            "times": list(self.times),
            "closes": [list(row) for row in self.closes],
            "looks": self.looks,
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """From what `as_plain` gave."""
        return cls(
            Span(parse_time(values["start"]), parse_time(values["end"])),
            tuple(values["symbols"]),
            tuple(values["times"]),
            tuple(map(tuple, values["closes"])),
            int(values.get("looks", 0)),
        )


def with_looks(lessons: Sequence[Learned], engine: Engine, looks: int) -> tuple[Learned, ...]:
    """The lessons and what an engine plays: what it was trained on, or, with `looks`, what so many more evaluations decided by."""
    found = list(lessons)
    for new in Learned.from_engine(engine):
        same = [bool(lesson.looks) == bool(looks) and replace(lesson, looks=0) == new for lesson in found]
        known = [k for k, is_same in enumerate(same) if is_same]
        if known:
            found[known[0]] = replace(new, looks=found[known[0]].looks + looks)
        else:
            found.append(replace(new, looks=looks))
    return tuple(found)


def _same_market(closes: npt.NDArray[np.float64], witnesses: npt.NDArray[np.float64]) -> bool:
    # moves between witnesses, since a level says nothing of a market; a single witness says nothing at all: assume the worst
    moves, known = np.diff(np.log(closes), axis=0), np.diff(np.log(witnesses), axis=0)
    # that neither moved says nothing, either: of quiet markets it is true of all
    moved = (moves != 0.0) | (known != 0.0)
    if not moved.any():
        return True
    usual = [np.median(sizes[sizes > 0.0]) if sizes.any() else 0.0 for sizes in np.abs(known).T]
    return bool((np.abs(moves - known) <= _LIKE * np.array(usual))[moved].mean() > 0.5)


def whole_span(engine: Engine) -> Span:
    """From the first to the last of what the engine's episodes are played in, over all data sets."""
    spans = spans_of(engine)
    return Span(min(span.start for span in spans), max(span.end for span in spans))


def spans_of(engine: Engine) -> tuple[Span, ...]:
    """The spans in which the engine's episodes are played, one per data set."""
    step = engine.market.timeframe.microseconds
    return tuple(
        Span(int(engine.times[segment["first_row"]]), int(engine.times[segment["end_row"] - 1]) + step)
        for segment in engine.segments
    )
