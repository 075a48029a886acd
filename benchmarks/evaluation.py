"""What it costs to describe a long run: metrics, the interval of its Sharpe ratio and the report, in seconds and in memory.

    python benchmarks/evaluation.py [steps]

Memory is the peak of what Python and NumPy take besides the input while it is made (tracemalloc), as a multiple of the input: the
arrays that are handed over. Seconds are the best of three, without tracemalloc.
"""

import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from tradeready_gym.evaluation import performance_metrics, return_moments, stationary_bootstrap
from tradeready_gym.orders import FILL_DTYPE
from tradeready_gym.rendering.report import Curve, Report, ReportFill, render_report

HOUR_US = 3_600_000_000
PERIODS_PER_YEAR = 8766.0
STEPS_PER_FILL = 20
ROUNDS = 3


def main(steps: int) -> None:
    """Make a run of so many steps, and print what describing it takes."""
    prices, equity, position_value, fills = a_run(steps)
    metrics = performance_metrics(equity, PERIODS_PER_YEAR, fills=fills, position_value=position_value)
    if metrics["length"] != steps or metrics["round_trips"] != len(fills) // 2:
        raise SystemExit(f"the metrics are not those of the run: {metrics}")
    report = a_report(prices, equity, fills)
    page = render_report(report)
    if f"{len(fills) // 2:,} bought" not in page:
        raise SystemExit("the report is not that of the run")
    sys.stdout.write(f"{steps:,} steps, {len(fills):,} fills; the page has {len(page) / 1e3:.0f} kB\n")
    curve_bytes = equity.nbytes
    say("performance_metrics of a curve", lambda: performance_metrics(equity, PERIODS_PER_YEAR), curve_bytes)
    say(
        "performance_metrics with fills and positions",
        lambda: performance_metrics(equity, PERIODS_PER_YEAR, fills=fills, position_value=position_value),
        curve_bytes + fills.nbytes + position_value.nbytes,
    )
    returns = np.diff(equity) / equity[:-1]
    say("moments of the Sharpe ratio", lambda: return_moments(returns), returns.nbytes)
    say("stationary_bootstrap, 500 resamples", lambda: stationary_bootstrap(returns, resamples=500), returns.nbytes)
    candles = (report.times, report.open, report.high, report.low, report.close, report.rewards)
    curves = [array for curve in report.curves for array in (curve.times, curve.equity)]
    say("HTML report", lambda: render_report(report), sum(array.nbytes for array in (*candles, *curves)))


def a_run(steps: int) -> tuple[Any, Any, Any, Any]:
    """Closes, equity and position value, float64[steps + 1], of somebody who buys and sells in turn, and the fills."""
    random = np.random.default_rng(0)
    prices = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.004, steps + 1)))
    rows = np.arange(1, steps, STEPS_PER_FILL)
    rows = rows[: len(rows) // 2 * 2]
    fills = np.zeros(len(rows), FILL_DTYPE)
    fills["row"], fills["side"] = rows, np.where(np.arange(len(rows)) % 2, -1, 1)
    fills["quantity"], fills["price"], fills["slippage"] = 1.0, prices[rows], 0.0002
    fills["fee"] = 1e-6 * prices[rows]
    signed = np.zeros(steps + 1)
    signed[rows] = fills["side"]
    held = np.cumsum(signed)
    gains = np.concatenate([[0.0], held[:-1] * np.diff(prices)])
    equity = 1_000_000.0 + np.cumsum(gains)
    return prices, equity, held * prices, fills


def a_report(prices: Any, equity: Any, fills: Any) -> Report:
    """The page of the run beside one baseline."""
    times = np.arange(len(prices), dtype=np.int64) * HOUR_US
    marks = zip(times[fills["row"]].tolist(), fills["side"].tolist(), fills["price"].tolist(), strict=True)
    return Report(
        "A long run",
        "made up",
        [Curve("In turn", times, equity), Curve("Buy and hold", times, 10_000.0 * prices, True)],
        PERIODS_PER_YEAR,
        symbol="BTCUSDT",
        times=times,
        open=prices,
        high=1.001 * prices,
        low=0.999 * prices,
        close=prices,
        fills=[ReportFill(*mark) for mark in marks],
        rewards=np.diff(equity),
        actions={"hold": len(prices) - 1 - len(fills), "trade": len(fills)},
    )


def say(name: str, work: Callable[[], Any], input_bytes: int) -> None:
    """Print seconds and peak memory of one piece of work."""
    seconds = min(_seconds(work) for _ in range(ROUNDS))
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sys.stdout.write(
        f"{name:46} {seconds:6.2f} s  {peak / 1e6:6.1f} MB besides an input of {input_bytes / 1e6:.1f} MB: "
        f"{peak / input_bytes:.2f} times\n"
    )


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
