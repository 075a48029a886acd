"""Tables of evaluations, as the commands print them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from tradeready_gym.strategies.performance import Evaluation


def evaluations_table(title: str, *groups: "Sequence[Evaluation]") -> Table:
    """One line an evaluation, groups set apart."""
    from tradeready_gym.strategies.pages import COLUMNS, figures_row

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for heading, _, _ in COLUMNS:
        table.add_column(heading, justify="right")
    for place, group in enumerate(groups):
        if place:
            table.add_section()
        for evaluation in group:
            table.add_row(*figures_row(evaluation).values())
    return table
