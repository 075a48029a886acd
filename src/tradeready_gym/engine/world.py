"""Everything a step reads and writes, as one argument.

Compiled code takes a `World`: passing one reference costs a fifth of passing its twenty arrays. Interpreted code takes a
`SimpleNamespace` of the same names.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numba.core import types
from numba.experimental import structref

FIELDS = (
    "rows",
    "table",
    "account_features",
    "settings",
    "segments",
    "costs",
    "instruments",
    "accounts",
    "positions",
    "book",
    "orders",
    "fills",
    "rejects",
    "memory",
    "action_parameters",
    "slippage_parameters",
    "reward_parameters",
    "actions",
    "report",
    "history",
)


@structref.register  # type: ignore[untyped-decorator]
class WorldType(types.StructRef):  # type: ignore[misc]
    """The compiler's view of a world: arrays by name."""

    def preprocess_fields(self, fields: Any) -> Any:
        """Array types, without what is known of single arguments."""
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


class World(structref.StructRefProxy):  # type: ignore[misc]
    """Python's handle on a compiled world; opaque on purpose, the arrays belong to the `Engine`."""


structref.define_constructor(World, WorldType, list(FIELDS))
structref.define_boxing(WorldType, World)


def build_world(
    rows: Any,
    table: Any,
    account_features: Any,
    settings: Any,
    segments: Any,
    costs: Any,
    instruments: Any,
    accounts: Any,
    positions: Any,
    book: Any,
    orders: Any,
    fills: Any,
    rejects: Any,
    memory: Any,
    action_parameters: Any,
    slippage_parameters: Any,
    reward_parameters: Any,
    actions: Any,
    report: Any,
    history: Any,
) -> Any:
    """The compiled world of these arrays; compiled (and cached) like the step itself."""
    return World(
        rows,
        table,
        account_features,
        settings,
        segments,
        costs,
        instruments,
        accounts,
        positions,
        book,
        orders,
        fills,
        rejects,
        memory,
        action_parameters,
        slippage_parameters,
        reward_parameters,
        actions,
        report,
        history,
    )


def plain(array: Any) -> Any:
    """The array without its record view: the compiler tells plain arrays apart faster."""
    return np.asarray(array).view(np.dtype(array.dtype.descr), np.ndarray) if array.dtype.names else np.asarray(array)


def interpreted_world(**arrays: Any) -> SimpleNamespace:
    """The same world for uncompiled kernels; records are reached by attribute."""
    return SimpleNamespace(**{k: a.view(np.recarray) if a.dtype.names else a for k, a in arrays.items()})
