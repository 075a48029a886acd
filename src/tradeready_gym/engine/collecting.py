"""The fills and refusals of a step, of all environments one after the other."""

from typing import Any


def find_holders(counts: Any, holders: Any) -> int:
    """Write down which environments have any records, and say how many records there are. `holders` has room for all."""
    records = 0
    place = 0
    for i in range(counts.shape[0]):
        # written down in any case, and kept if it has some: which of them have, no processor foresees
        holders[place] = i
        place += int(counts[i] > 0)
        records += counts[i]
    return records


def collect(records: Any, counts: Any, holders: Any, out: Any) -> None:
    """Fill `out` with the first `counts[i]` records of every environment i among the holders, and say whose they are."""
    place = 0
    turn = 0
    while place < out.shape[0]:
        i = holders[turn]
        for k in range(counts[i]):
            out[place] = records[i, k]
            out[place].env = i
            place += 1
        turn += 1


def collect_columns(cells: Any, counts: Any, holders: Any, out: Any) -> None:
    """The same for records that are `Columns`, one at most for each environment; all as int64 cells, of which `env` is the first."""
    for place in range(out.shape[0]):
        i = holders[place]
        out[place, 0] = i
        for k in range(1, cells.shape[0]):
            out[place, k] = cells[k, i]
