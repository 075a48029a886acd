"""From fills to round trips: the ways of a position from flat to flat, long and short, after fees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import DataError

FIELDS = ("symbol", "side", "quantity", "price", "fee", "row")

# A sum of quantities is known to rounding: a rest smaller than this share of the fill that left it is no position.
FLAT_SHARE = 1e-9

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RoundTrips:
    """Completed ways from flat to flat, one element a trip, in the order of their ends; what is still open is not in it.

    `symbol` as in the fills; `side` +1 for long and -1 for short; `opened` and `closed`, rows of the first and the last
    fill; `traded_value`, price × quantity of its fills; `fees`; `profit`, what it made after fees, in the quote currency
    (without interest, funding and what was never filled).
    """

    symbol: Whole
    side: Whole
    opened: Whole
    closed: Whole
    traded_value: Floats
    fees: Floats
    profit: Floats

    def __len__(self) -> int:
        return len(self.profit)

    @property
    def holding_bars(self) -> Whole:
        """Rows from the first fill to the last."""
        return self.closed - self.opened


def round_trips(fills: NDArray[Any]) -> RoundTrips:
    """The round trips of one account that begins flat.

    `fills` are records with the fields `symbol`, `side` (+1 buys, -1 sells), `quantity`, `price`, `fee` and `row` in the
    order of their execution, such as the engine's. A fill through zero closes one trip and opens the next, which share
    its fee by quantity, as in the margin account. A rest below 1e-9 of the fill that left it is flat.

    Raises `DataError` for a missing field, several accounts, rows that go backwards, a side that is neither +1 nor -1, or
    a quantity, price or fee that cannot be.
    """
    _check(fills)
    found = [_of_symbol(fills[fills["symbol"] == symbol]) for symbol in np.unique(fills["symbol"])]
    if not found:
        return _gather(np.zeros(0, np.int64), [np.zeros(0)] * 6)
    symbols = np.repeat([int(s) for s in np.unique(fills["symbol"])], [len(one[0]) for one in found])
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.argsort(columns[2], kind="stable")
    return _gather(symbols[order], [column[order] for column in columns])


def _gather(symbol: Whole, columns: list[NDArray[Any]]) -> RoundTrips:
    side, opened, closed = (column.astype(np.int64) for column in columns[:3])
    return RoundTrips(symbol, side, opened, closed, *columns[3:])


def _of_symbol(fills: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    quantity, price, fee = fills["quantity"], fills["price"], fills["fee"]
    signed = fills["side"] * quantity
    after = np.cumsum(signed)
    after[np.abs(after) <= FLAT_SHARE * quantity] = 0.0
    before = np.concatenate([[0.0], after[:-1]])
    crosses = before * after < 0.0
    # a fill through zero becomes two legs: what closes, then what opens
    at = np.repeat(np.arange(len(fills)), 1 + crosses)
    closing = np.concatenate([at[1:] == at[:-1], [False]])
    opening = np.concatenate([[False], closing[:-1]])
    share = np.ones(len(at))
    share[closing] = (np.abs(before) / quantity)[crosses]
    share[opening] = 1.0 - share[closing]
    ends = closing | ((after[at] == 0.0) & ~opening)
    last = np.flatnonzero(ends)
    first = np.concatenate([[0], last[:-1] + 1])[: len(last)]
    at, share = at[: last[-1] + 1 if len(last) else 0], share[: last[-1] + 1 if len(last) else 0]
    if not len(last):
        return tuple(np.zeros(0) for _ in range(6))
    value, paid = (price * quantity)[at] * share, fee[at] * share
    flows = np.add.reduceat(-fills["side"][at] * value, first)
    fees = np.add.reduceat(paid, first)
    rows = fills["row"][at]
    return fills["side"][at[first]], rows[first], rows[last], np.add.reduceat(value, first), fees, flows - fees


def _check(fills: NDArray[Any]) -> None:
    names = fills.dtype.names or ()
    missing = [name for name in FIELDS if name not in names]
    if missing or fills.ndim != 1:
        raise DataError(
            f"fills must be records of shape (fills,) with the fields {', '.join(FIELDS)}; got shape {fills.shape} "
            f"without {', '.join(missing) or 'nothing'}."
        )
    if "env" in names and len(np.unique(fills["env"])) > 1:
        raise DataError("round trips belong to one account; got fills of several. Select those of one `env`.")
    if np.any(np.diff(fills["row"]) < 0):
        where = int(np.argmax(np.diff(fills["row"]) < 0)) + 1
        raise DataError(
            f"fills must be in the order of their rows; fill {where} lies before fill {where - 1}. Sort them."
        )
    wrong = np.abs(fills["side"]) != 1
    for name, least in (("quantity", np.nextafter(0.0, 1.0)), ("price", 0.0), ("fee", -np.inf)):
        wrong |= ~(np.isfinite(fills[name]) & (fills[name] >= least))
    if wrong.any():
        raise DataError(
            f"a fill has side +1 or -1, a quantity above zero, a price and a fee; got {fills[int(np.argmax(wrong))]}."
        )
