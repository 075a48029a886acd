"""Tables of evaluations, as the commands print them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from tradeready_gym.engine import Engine
    from tradeready_gym.strategies.comparison import Comparison
    from tradeready_gym.strategies.performance import Evaluation


_MOST_SETS = 12


def evaluations_table(title: str, *groups: "Sequence[Evaluation]") -> Table:
    """One line an evaluation, groups set apart."""
    from tradeready_gym.strategies.pages import figures_row

    return _table(title, [[figures_row(evaluation) for evaluation in group] for group in groups])


def sets_table(comparison: "Comparison", engine: "Engine") -> Table | None:
    """The lines of each of several data sets, of the first twelve; None where there is one."""
    from tradeready_gym.strategies.pages import rows_of_sets

    found = rows_of_sets(comparison, engine)
    more = f", the first {_MOST_SETS} of {len(found)} (the card has all)" if len(found) > _MOST_SETS else ""
    table = _table(f"each data set{more}", [rows for _, rows in found[:_MOST_SETS]])
    table.caption = "\n".join(f"data set {name}" for name, _ in found[:_MOST_SETS])
    table.caption_justify = "left"
    return table if found else None


def _table(title: str, groups: "Sequence[Sequence[dict[str, str]]]") -> Table:
    from tradeready_gym.strategies.pages import COLUMNS

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for heading, _, _ in COLUMNS:
        table.add_column(heading, justify="right")
    for place, group in enumerate(groups):
        if place:
            table.add_section()
        for row in group:
            table.add_row(*row.values())
    return table
