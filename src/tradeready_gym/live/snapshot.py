"""An account's records as plain data, with rows counted from a later candle: what a compacted journal begins with."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import StoreError
from tradeready_gym.exchanges.state import AccountState

_ARRAYS = ("accounts", "positions", "book")
_ROOM = ("end_row", "data_end_row")  # how many candles there is room for


def first_kept_row(closed: int, day_bars: int) -> int:
    """The first row of a growing market that is still needed: two whole days before the newest candle.

    It is a whole number of days after the first row, so that what looks back over a day adds up the same blocks as before, to the
    last digit.
    """
    return max(0, ((closed - 1) // day_bars - 2) * day_bars)


def plain_state(state: AccountState, first_row: int, names: Sequence[str] = _ARRAYS) -> dict[str, Any]:
    """The arrays of one account between two candles, rows counted from `first_row`; `names` are those of `AccountState`."""
    found = {}
    for name in names:
        records = np.array(getattr(state, name))
        _shift(records, -first_row)
        found[name] = {
            "fields": [[field, str(records.dtype[field])] for field in records.dtype.names or ()],
            "shape": list(records.shape),
            "data": base64.b64encode(records.tobytes()).decode("ascii"),
        }
    return found


def restore_state(state: AccountState, plain: Mapping[str, Any], names: Sequence[str] = _ARRAYS) -> None:
    """Set the arrays of an account to what `plain_state` gave.

    Raises:
        StoreError: they are those of another version, or of an account of another size.
    """
    for name in names:
        records, given = getattr(state, name), plain[name]
        known = [[field, str(records.dtype[field])] for field in records.dtype.names or ()]
        if given["fields"] != known or given["shape"] != list(records.shape):
            raise StoreError(
                f"the snapshot in this journal has {name} of {given['shape']} {[field for field, _ in given['fields']]}, this "
                f"version {list(records.shape)} {[field for field, _ in known]}: go on with the version that wrote it"
            )
        records[...] = np.frombuffer(base64.b64decode(given["data"]), records.dtype).reshape(records.shape)


def _shift(records: npt.NDArray[Any], by: int) -> None:
    for name in records.dtype.names or ():
        if name in _ROOM:
            records[name] = 0
        elif name == "row" or name.endswith("_row"):
            records[name] += by
