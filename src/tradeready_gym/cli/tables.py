"""Tables for people."""

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table

from tradeready_gym.strategies import Evaluation

COLUMNS = (
    ("roi_pct", "ROI\n%", "{:+.1f}"),
    ("sharpe_ratio", "\nSharpe", "{:+.2f}"),
    ("sortino_ratio", "\nSortino", "{:+.2f}"),
    ("max_drawdown_pct", "max\nDD %", "{:.1f}"),
    ("total_trades", "\ntrades", "{:,.0f}"),
    ("turnover", "turnover\n/year", "{:,.1f}"),
    ("fees_paid", "\nfees", "{:,.0f}"),
    ("exposure", "in\nmkt", "{:.0%}"),
)


def comparison_table(evaluations: Sequence[Evaluation]) -> Table:
    """One row per strategy, 80 columns wide; what has several episodes is explained below."""
    first = evaluations[0]
    spans = ", ".join(map(str, first.spans))
    sample = "held out" if not first.in_sample else "IN-SAMPLE: trained on part of this span, the figures say nothing"
    table = Table(
        title=f"{spans}\n{sample}",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("strategy", no_wrap=True, vertical="bottom")
    for _, heading, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    notes = []
    for evaluation in evaluations:
        table.add_row(*comparison_row(evaluation))
        if len(evaluation.episodes) > 1:
            roi = evaluation.metric("roi_pct")
            notes.append(
                f"{evaluation.strategy}: median of {len(roi)} seeds, with the turnover and the share invested of "
                f"{first.strategy}; ROI from {roi.min():+.1f} to {roi.max():+.1f} %."
            )
    notes.append(
        "The same costs for all. One run on one span is an anecdote: train several seeds, and play several spans, before "
        "you believe a difference."
    )
    table.caption = "\n".join(notes)
    return table


def comparison_row(evaluation: Evaluation) -> list[str]:
    """The cells of one row: of several episodes, the medians."""
    count = len(evaluation.episodes)
    cells = [evaluation.strategy if count == 1 else f"{evaluation.strategy} x {count}"]
    for name, _, form in COLUMNS:
        values = evaluation.metric(name)
        values = values[np.isfinite(values)]
        cells.append(form.format(float(np.median(values))) if len(values) else "-")
    return cells
