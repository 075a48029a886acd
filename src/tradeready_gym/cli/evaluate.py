"""`tradeready evaluate`."""

from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tradeready_gym.cli.console import err, out

if TYPE_CHECKING:
    from tradeready_gym.exchanges import SimulatedExchange
    from tradeready_gym.strategies.comparison import Comparison
    from tradeready_gym.strategies.experiment import Experiment
    from tradeready_gym.strategies.performance import Evaluation

# heading, metric, format
_COLUMNS = (
    ("return\n%", "roi_pct", "{:.1f}"),
    ("Sharpe", "sharpe_ratio", "{:.2f}"),
    ("Sortino", "sortino_ratio", "{:.2f}"),
    ("max\nDD %", "max_drawdown_pct", "{:.1f}"),
    ("trades", "total_trades", "{:.0f}"),
    ("turn-\nover", "turnover", "{:.1f}"),
    ("fees", "fees_paid", "{:.0f}"),
    ("time in\n%", "exposure", "{:.0%}"),
)


def evaluate(run: str, *, start: str | None = None, end: str | None = None, random_seeds: int = 20) -> None:
    """Play a span with a trained agent and with four baselines, at the same costs, and print what came of it.

    Parameters
    ----------
    run
        The folder that `tradeready train` wrote, or its name below TRADEREADY_HOME/models.
    start
        Beginning of the span; the end of the training span by default.
    end
        End of the span; the end of the data by default.
    random_seeds
        How many random traders to compare with.
    """
    from tradeready_gym.strategies.comparison import compare
    from tradeready_gym.strategies.experiment import Experiment, find_folder
    from tradeready_gym.strategies.stable_baselines import StableBaselinesTradingStrategy

    folder = find_folder(run)
    experiment = Experiment.load(folder)
    environment = experiment.make(start or experiment.end, end)
    agents = [
        StableBaselinesTradingStrategy.load(experiment.folder_of(folder, seed), environment)
        for seed in experiment.seeds
    ]
    with err().status("playing") as status:
        result = compare(agents, environment, random_seeds=random_seeds, progress=lambda what: status.update(what))
    candles = environment.engine.market.candles
    console = out()
    console.print(_table(result, f"{'/'.join(candles.symbols)} {candles.timeframe}, {result.flat.spans[0]}"))
    for line in _remarks(result, experiment, environment.engine.spec.exchange):
        console.print(line, soft_wrap=True)


def _table(result: "Comparison", title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for heading, _, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for agent in result.agents:
        table.add_row(agent.strategy, *_cells(agent))
    table.add_section()
    for baseline in (result.buy_and_hold, result.flat, result.moving_averages, result.random_traders):
        count = len(baseline.episodes)
        table.add_row(baseline.strategy + (f", {count} traders" if count > 1 else ""), *_cells(baseline))
    return table


def _cells(evaluation: "Evaluation") -> list[str]:
    cells = []
    for _, metric, form in _COLUMNS:
        values = evaluation.metric(metric)
        known = values[np.isfinite(values)]
        cells.append(form.format(np.median(known)) if len(known) else "-")
    return [cell.removesuffix("%") for cell in cells]


def _remarks(result: "Comparison", experiment: "Experiment", exchange: "SimulatedExchange") -> list[str]:
    count, algorithm = len(result.agents), experiment.algorithm
    spread = np.percentile(result.random_traders.metric("roi_pct"), [5, 95])
    shares = ", ".join(f"{share:.0%}" for share in result.ahead_of_random)
    lines = [f"Costs for all alike: fee {exchange.fee_rate:.2%} of each fill, {exchange.slippage!r}."]
    if exchange.fill_at == "close":
        lines.append("OPTIMISTIC: orders were filled at the close that they were decided on (fill_at='close').")
    learned = f"learned from {experiment.start} .. {experiment.end}"
    if result.in_sample:
        lines.append(f"IN-SAMPLE: {algorithm} {learned}, which overlaps this span. This says nothing about the future.")
    else:
        lines.append(f"Held out: {algorithm} {learned} only.")
    seeds = "1 seed" if count == 1 else f"{count} seeds"
    lines += [
        f"{algorithm} had a higher return than buy and hold with {result.ahead_of(result.buy_and_hold)} of {seeds}, than "
        f"staying flat with {result.ahead_of(result.flat)}.",
        f"Random traders with its turnover (their row is the median) returned {spread[0]:.1f} to {spread[1]:.1f} % (5 to 95 "
        f"% of them); {algorithm} was ahead of {shares} of those like itself.",
        f"{seeds}, one market, one span: an anecdote, not a proof.",
    ]
    return lines
