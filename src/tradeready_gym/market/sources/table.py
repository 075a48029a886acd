"""Columns as a source hands them over, before anything is understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Table:
    """Named columns of one length, as read.

    A column is numeric, `datetime64` (in UTC if its name is in `aware`, else without a zone) or objects such as text.
    `index` names the column that was the index of a frame. `source` is what error messages call the data.
    """

    columns: Mapping[str, np.ndarray]
    source: str
    aware: frozenset[str] = field(default_factory=frozenset)
    index: str | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))
