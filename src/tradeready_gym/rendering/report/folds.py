"""The page of a walk-forward: where each fold learned and was tested, and what came of it out of sample."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.rendering.palette import GAP, MUTED
from tradeready_gym.rendering.report import charts, parts
from tradeready_gym.rendering.report.data import Curve
from tradeready_gym.rendering.report.svg import Plot
from tradeready_gym.rendering.ticks import time_ticks, value_ticks

TRAINING, PURGE, EMBARGO, TEST = "#cfe5f2", "#e69f00", "#cc79a7", "#0072b2"
SEED, MEDIAN, HOLD = "#56b4e9", "#0f4c75", "#8a94a0"
_LEAST_GAP = 2.0


@dataclass(frozen=True)
class FoldSpans:
    """One fold: training, then `embargo` and `purge` microseconds that nobody learns from, then the test.

    `results` are the returns of each seed in the test, in per cent; `hold` is that of buy and hold.
    """

    training: tuple[int, int]
    test: tuple[int, int]
    purge: int = 0
    embargo: int = 0
    results: Sequence[float] = ()
    hold: float = math.nan


@dataclass(frozen=True, eq=False)
class FoldReport:
    """The page of a walk-forward; texts as in `Report`.

    - `folds`: at least one, in the order of time
    - `seeds`: the equity of each seed over all tests, one after the other; `median`: the middle of them at each time
    - `hold`: buy and hold on the same tests
    - `rows`: the table of folds; `totals`: the table of the whole; one mapping from heading to text a line
    - `card`: everything as JSON
    """

    title: str
    subtitle: str
    folds: Sequence[FoldSpans]
    seeds: Sequence[Curve]
    median: Curve
    hold: Curve
    badges: Sequence[tuple[str, str]] = ()
    remarks: Sequence[str] = ()
    facts: Sequence[tuple[str, str, str]] = ()
    rows: Sequence[Mapping[str, str]] = ()
    totals: Sequence[Mapping[str, str]] = ()
    glossary: Sequence[tuple[str, str]] = ()
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folds or not self.seeds:
            raise ConfigurationError(
                f"a walk-forward has at least one fold and one seed; got {len(self.folds)} and {len(self.seeds)}"
            )


def render_fold_report(report: FoldReport) -> str:
    """The report as one HTML document that needs nothing from elsewhere and runs nothing."""
    first = report.folds[0]
    named = (
        (TRAINING, "training", 1),
        (EMBARGO, "embargo", first.embargo),
        (PURGE, "purge", first.purge),
        (TEST, "test", 1),
    )
    spans = parts.key([(colour, name) for colour, name, there in named if there], boxes=True)
    count = len(report.seeds)
    middle = [(SEED, f"each of {count} seeds"), (MEDIAN, "median of the seeds")]
    lines = parts.key([*(middle if count > 1 else [(MEDIAN, report.seeds[0].name)]), (HOLD, report.hold.name)])
    body = [
        parts.header(report.title, report.subtitle, report.badges),
        parts.facts(report.facts),
        parts.section("What this says", parts.remarks(report.remarks)),
        parts.section("What was learned from, and what was played", spans + timeline(report), _gaps(report)),
        parts.section(
            "Equity over all tests",
            lines + equity_chart(report),
            "100 at the beginning; each test goes on with what the one before left",
        ),
        parts.section("Return of each test", lines + returns_chart(report), "per cent"),
        parts.section("Fold by fold", parts.table(report.rows, words=("fold", "test")), _intervals(report)),
        parts.section("All tests as one", parts.table(report.totals, quiet=_quiet(report))),
        parts.glossary(report.glossary),
        parts.card(report.card),
    ]
    return parts.document(report.title, body)


def timeline(report: FoldReport) -> str:
    """A line for each fold: training, embargo, purge and test where they lie in time; a gap is never thinner than 2 pixels."""
    count = len(report.folds)
    height = min(26.0, max(9.0, 420.0 / count))
    first = min(fold.training[0] for fold in report.folds)
    last = max(fold.test[1] for fold in report.folds)
    plot = Plot(charts.WIDTH, 40.0 + count * height, (float(first), float(last)), (0.0, float(count)))
    every = math.ceil(count / 30)
    numbers = [number for number in range(count) if number % every == 0]
    plot.grid(time_ticks(first, last, 9), ([count - n - 0.5 for n in numbers], [str(n + 1) for n in numbers]))
    for number, fold in enumerate(report.folds):
        top, bottom = count - number - 0.16, count - number - 0.84
        learned, tested = float(fold.training[1]), float(fold.test[0])
        plot.box(float(fold.training[0]), learned, top, bottom, TRAINING)
        plot.box(tested, float(fold.test[1]), top, bottom, TEST)
        edge = float(plot.across(tested))
        for length, colour in ((fold.purge, PURGE), (fold.embargo, EMBARGO)):
            if length:
                wide = max(edge - float(plot.across(tested - length)), _LEAST_GAP)
                plot.bar(edge - wide, edge, top, bottom, colour)
                edge, tested = edge - wide, tested - length
    return plot.to_svg(f"{count} folds: training, gap and test in time")


def equity_chart(report: FoldReport) -> str:
    """Every seed thin, their median thick, buy and hold beside; a shade under every second test."""
    curves = [report.hold, *(report.seeds if len(report.seeds) > 1 else ()), report.median]
    shares = [charts.shares_of(curve) for curve in curves]
    low = min(float(share.min()) for _, share in shares)
    high = max(float(share.max()) for _, share in shares)
    x = float(report.folds[0].test[0]), float(report.folds[-1].test[1])
    plot = charts.equity_plot(330, x, low, high)
    for number, fold in enumerate(report.folds):
        begin, end = float(fold.test[0]), float(fold.test[1])
        if number % 2:
            plot.band(begin, end, GAP)
        if number % math.ceil(len(report.folds) / 24) == 0:
            plot.text(float(plot.across(0.5 * (begin + end))), 22.0, str(number + 1), anchor="middle")
    plot.grid(time_ticks(int(x[0]), int(x[1]), 9), charts.equity_ticks(low, high))
    looks = [(HOLD, 1.4), *[(SEED, 0.8)] * (len(curves) - 2), (MEDIAN, 2.6)]
    for (times, share), (colour, width) in zip(shares, looks, strict=True):
        plot.line(times, share, colour, width)
    seeds, tests = len(report.seeds), len(report.folds)
    who = f"{seeds} seed{'' if seeds == 1 else 's'} over {tests} test{'' if tests == 1 else 's'}"
    return plot.to_svg(f"Equity of {who}, and of {report.hold.name}")


def returns_chart(report: FoldReport) -> str:
    """A column a fold: a dot for the return of each seed, a bar for their median, and one for buy and hold."""
    every = [value for fold in report.folds for value in (*fold.results, fold.hold) if math.isfinite(value)]
    if not every:
        return parts.empty("No return is known.")
    low, high = min(*every, 0.0), max(*every, 0.0)
    room = 0.08 * (high - low) or 1.0
    count = len(report.folds)
    plot = Plot(charts.WIDTH, 230.0, (0.0, float(count)), (low - room, high + room))
    step = math.ceil(count / 24)
    shown = range(0, count, step)
    plot.grid(([n + 0.5 for n in shown], [str(n + 1) for n in shown]), value_ticks(low, high, 5))
    plot.line([0.0, float(count)], [0.0, 0.0], MUTED, 1.0, "3 3")
    half = min(0.30, 22.0 * count / charts.COLUMNS)
    for number, fold in enumerate(report.folds):
        middle = number + 0.5
        if math.isfinite(fold.hold):
            plot.line([middle - half, middle + half], [fold.hold] * 2, HOLD, 3.0)
        for value in fold.results if len(fold.results) > 1 else ():
            plot.dot(middle, value, SEED, min(3.5, 160.0 / count))
        if fold.results:
            plot.line([middle - 0.7 * half, middle + 0.7 * half], [float(np.median(fold.results))] * 2, MEDIAN, 3.0)
    return plot.to_svg(f"Return of each seed in each of {count} tests, and of {report.hold.name}")


def _gaps(report: FoldReport) -> str:
    fold = report.folds[0]
    thin = "; gaps are drawn at least 2 pixels wide" if fold.purge or fold.embargo else "; without purge and embargo"
    return f"{len(report.folds)} folds{thin}"


def _intervals(report: FoldReport) -> str:
    count = len(report.seeds)
    return f"mean of {count} seeds, and where it lies by 95 % (Student's t)" if count > 1 else "one seed: no interval"


def _quiet(report: FoldReport) -> frozenset[str]:
    return frozenset(row["strategy"] for row in report.totals) - {curve.name for curve in report.seeds}
