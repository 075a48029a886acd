"""The charts of a report. Each returns SVG, or an empty string where there is nothing to draw."""

import math
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.rendering.palette import BUY, DOWN, DOWN_FAINT, MUTED, SELL, UP, UP_FAINT
from tradeready_gym.rendering.report.data import Curve, Report
from tradeready_gym.rendering.report.series import (
    below_peak,
    counts,
    outer_values,
    rolling_sharpe,
    thinned,
    thinned_pieces,
)
from tradeready_gym.rendering.report.svg import Plot, columns
from tradeready_gym.rendering.ticks import DAY_US, time_ticks, value_ticks

WIDTH = 980.0
COLUMNS = columns(WIDTH)
REWARD_BARS = 41
CANDLES_SHOWN = 220
ROLLING_DAYS = 90
_LOG_FROM = 4.0
_CANDLES_MEASURED = 1_000
STRATEGY_COLOURS = ("#0072b2", "#56b4e9", "#0f4c75")
BASELINE_COLOURS = ("#8a94a0", "#009e73", "#e69f00", "#cc79a7", "#b8a800")


def colours_of(report: Report) -> list[str]:
    """A colour for each curve: strong ones for strategies, quiet ones for baselines."""
    strategies, baselines = cycle(STRATEGY_COLOURS), cycle(BASELINE_COLOURS)
    return [next(baselines) if curve.baseline else next(strategies) for curve in report.curves]


def equity_chart(report: Report) -> str:
    """Every curve as a share of its beginning; by logarithm where they part by more than four times."""
    shares = [shares_of(curve) for curve in report.curves]
    low, high = min(float(s.min()) for _, s in shares), max(float(s.max()) for _, s in shares)
    x = _span(report)
    plot = equity_plot(330, x, low, high)
    plot.grid(time_ticks(int(x[0]), int(x[1]), 9), equity_ticks(low, high))
    drawn = list(zip(report.curves, shares, colours_of(report), strict=True))
    for curve, (times, share), colour in reversed(drawn):
        plot.line(times, share, colour, 1.3 if curve.baseline else 2.1)
    return plot.to_svg("Equity of every strategy, 100 at the beginning")


def shares_of(curve: Curve) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times and equity in per cent of the beginning, in as many points as can be seen."""
    times, equity = thinned(curve.times, curve.equity, COLUMNS)
    return times, equity / curve.equity[0] * 100.0


def equity_plot(height: float, x: tuple[float, float], low: float, high: float) -> Plot:
    """A plot for shares from `low` to `high`, by logarithm where they part by more than four times."""
    log = _by_logarithm(low, high)
    return Plot(WIDTH, height, x, _padded(low, high, log), log=log)


def equity_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """The marks of such a plot."""
    return _log_ticks(low, high) if _by_logarithm(low, high) else value_ticks(low, high, 6)


def drawdown_chart(report: Report) -> str:
    """How far the first curve is below its peak, in per cent."""
    curve = report.curves[0]
    times, fall = thinned_pieces(curve.times, below_peak(curve.equity), COLUMNS)
    low = float(min(fall.min(), -0.1))
    x = _span(report)
    plot = Plot(WIDTH, 150, x, (low * 1.05, 0.0))
    plot.grid(time_ticks(int(x[0]), int(x[1]), 9), value_ticks(low, 0.0, 3))
    plot.area(times, fall, 0.0, DOWN_FAINT)
    plot.line(times, fall, DOWN, 1.2)
    return plot.to_svg(f"Drawdown of {curve.name}; the deepest is {-low:.1f} per cent")


def trades_chart(report: Report) -> str:
    """Candles of the span, put together until they can be seen, and where the first strategy bought and sold."""
    count = len(report.times)
    if not count:
        return ""
    edges = np.linspace(0, count, min(count, CANDLES_SHOWN) + 1).astype(np.int64)[:-1]
    high, low = np.maximum.reduceat(report.high, edges), np.minimum.reduceat(report.low, edges)
    ends = np.append(edges[1:], count) - 1
    begin, close = report.open[edges], report.close[ends]
    step = int(np.median(np.diff(report.times[:_CANDLES_MEASURED]))) if count > 1 else DAY_US
    x = (float(report.times[0]), float(report.times[-1] + step))
    room = 0.06 * float(high.max() - low.min()) or 1.0
    plot = Plot(WIDTH, 330, x, (float(low.min()) - room, float(high.max()) + room))
    plot.grid(time_ticks(int(x[0]), int(x[1]), 9), value_ticks(float(low.min()), float(high.max()), 6))
    starts, stops = report.times[edges].astype(np.float64), report.times[ends].astype(np.float64) + step
    for k in range(len(edges)):
        colour = UP if close[k] >= begin[k] else DOWN
        gap = 0.18 * (stops[k] - starts[k])
        plot.stick(0.5 * (starts[k] + stops[k]), low[k], high[k], colour)
        plot.box(
            starts[k] + gap, stops[k] - gap, begin[k], close[k], "#fff" if colour == UP else colour, outline=colour
        )
    _mark_fills(plot, report, report.times[edges], low, high)
    return plot.to_svg(f"Candles of {report.symbol} and {len(report.fills):,} fills")


def _mark_fills(plot: Plot, report: Report, starts: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> None:
    if not report.fills:
        return
    times = np.array([fill.time for fill in report.fills])
    at = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(starts) - 1)
    for side, colour in ((1, BUY), (-1, SELL)):
        sided = np.array([fill.side == side for fill in report.fills])
        # one mark a side for each candle that is drawn: more would hide it
        for k in np.unique(at[sided]).tolist():
            when = float(np.mean(times[sided & (at == k)]))
            plot.triangle(when, float(low[k] if side > 0 else high[k]), side > 0, colour)


def rolling_sharpe_chart(report: Report) -> str:
    """The annualised Sharpe ratio of the last 90 days (or of a fifth of a shorter span) of the first curve."""
    curve = report.curves[0]
    if len(curve.equity) < 12 or not (curve.equity > 0.0).all():
        return ""
    steps = len(curve.equity) - 1
    window = int(min(max(report.periods_per_year / 365.25 * ROLLING_DAYS, 5), max(steps // 5, 5)))
    times, ratio = thinned_pieces(curve.times[window:], rolling_sharpe(curve.equity, window), COLUMNS)
    if len(ratio) < 2:
        return ""
    values = ratio * math.sqrt(report.periods_per_year)
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    x = _span(report)
    plot = Plot(WIDTH, 190, x, _padded(low, high, False))
    plot.grid(time_ticks(int(x[0]), int(x[1]), 9), value_ticks(low, high, 4))
    plot.line([x[0], x[1]], [0.0, 0.0], MUTED, 1.0, "3 3")
    plot.line(times, values, UP, 1.6)
    return plot.to_svg(f"Rolling Sharpe ratio over {window} steps")


def rewards_chart(report: Report) -> str:
    """How often each size of reward was paid; the outermost half per cent on either side are in the last bars. Where most
    steps paid nothing, those are left out: they would dwarf the others."""
    rewards = np.asarray(report.rewards, np.float64)
    if len(rewards) < 2 or float(np.ptp(rewards)) == 0.0:
        return ""
    low, high = outer_values(rewards, 0.005)
    if not high > low:
        low, high = float(rewards.min()), float(rewards.max())
    found = counts(rewards, REWARD_BARS, low, high).tolist()
    idle = unpaid(report)
    if idle > 0.5 and low < 0.0 < high:
        found[int(np.clip(-low / (high - low) * REWARD_BARS, 0, REWARD_BARS - 1))] -= round(idle * len(rewards))
    edges = np.linspace(low, high, REWARD_BARS + 1)
    most = float(max(*found, 1))
    plot = Plot(WIDTH / 2 - 10, 210, (low, high), (0.0, most * 1.05))
    plot.grid(value_ticks(low, high, 4), value_ticks(0.0, most, 4))
    for count, left, right in zip(found, edges[:-1], edges[1:], strict=True):
        if count:
            plot.box(left, right, 0.0, count, UP_FAINT, outline=UP)
    return plot.to_svg("Distribution of rewards")


def unpaid(report: Report) -> float:
    """The share of steps that were paid exactly nothing."""
    return 1.0 - np.count_nonzero(report.rewards) / len(report.rewards) if len(report.rewards) else 0.0


def actions_chart(report: Report) -> str:
    """How often each action was chosen, in per cent."""
    total = sum(report.actions.values())
    if not total:
        return ""
    names = list(report.actions)
    shares = [100.0 * report.actions[name] / total for name in names]
    plot = Plot(WIDTH / 2 - 10, 210, (0.0, float(len(names))), (0.0, max(*shares, 1.0) * 1.08))
    step = max(1, math.ceil(len(names) / 8))
    labels = ([k + 0.5 for k in range(0, len(names), step)], names[::step])
    plot.grid(labels, value_ticks(0.0, max(*shares, 1.0), 4))
    for k, share in enumerate(shares):
        plot.box(k + 0.18, k + 0.82, 0.0, share, UP_FAINT, outline=UP)
    return plot.to_svg("Distribution of actions")


def monthly_returns(report: Report) -> dict[int, dict[int, float]]:
    """Return in per cent by year and month (1 to 12; 0 is the year) of the first curve; months without a step are left out."""
    curve = report.curves[0]
    # an equity belongs to the month in which its step ended; midnight of the first ends the month before
    begin, end = (int(_month(time)) for time in (curve.times[0], max(curve.times[-1] - 1, curve.times[0])))
    midnights = np.arange(begin + 1, end + 2).astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
    last = np.searchsorted(curve.times, midnights, side="right") - 1
    table: dict[int, dict[int, float]] = {}
    before = year_before = float(curve.equity[0])
    for number, place, previous in zip(range(begin, end + 1), last.tolist(), [-1, *last.tolist()], strict=False):
        if place == previous:
            continue
        year, month = 1970 + number // 12, number % 12 + 1
        equity = float(curve.equity[place])
        if year not in table:
            year_before = before
        row = table.setdefault(year, {})
        row[month] = 100.0 * (equity / before - 1.0) if before > 0.0 else -100.0
        row[0] = 100.0 * (equity / year_before - 1.0) if year_before > 0.0 else -100.0
        before = equity
    return table


def _month(time: int) -> int:
    return int(np.datetime64(int(time), "us").astype("datetime64[M]").astype(np.int64))


def _by_logarithm(low: float, high: float) -> bool:
    return low > 0.0 and high / low > _LOG_FROM


def _span(report: Report) -> tuple[float, float]:
    first = min(int(curve.times[0]) for curve in report.curves)
    last = max(int(curve.times[-1]) for curve in report.curves)
    return float(first), float(last if last > first else first + 1)


def _padded(low: float, high: float, log: bool) -> tuple[float, float]:
    if log:
        return low / 1.05, high * 1.05
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    sizes = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [factor * 10.0**size for size in sizes for factor in (1, 2, 5)]
    kept = [value for value in values if low / 1.05 <= value <= high * 1.05]
    return kept, [f"{value:,g}" for value in kept]
