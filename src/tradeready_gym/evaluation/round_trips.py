"""From fills to round trips: the ways of a position from flat to flat, long and short, after fees."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.stretches import stretches

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


class _Open(NamedTuple):
    # what a symbol carries from one stretch of fills into the next: its position, as summed and with rests taken for flat,
    # and the sums of the trip that is not over
    summed: float = 0.0
    held: float = 0.0
    side: int = 0
    row: int = 0
    value: float = 0.0
    flow: float = 0.0
    fees: float = 0.0


def round_trips(fills: NDArray[Any]) -> RoundTrips:
    """The round trips of one account that begins flat.

    `fills` are records with the fields `symbol`, `side` (+1 buys, -1 sells), `quantity`, `price`, `fee` and `row` in the
    order of their execution, such as the engine's. A fill through zero closes one trip and opens the next, which share
    its fee by quantity, as in the margin account. A rest below 1e-9 of the fill that left it is flat.

    Raises `DataError` for a missing field, several accounts, rows that go backwards, a side that is neither +1 nor -1, or
    a quantity, price or fee that cannot be.
    """
    found = list(trips_by_stretch(fills))
    columns: dict[str, Any] = {}
    for field in fields(RoundTrips):
        none = np.zeros(0, np.float64 if field.name in ("traded_value", "fees", "profit") else np.int64)
        columns[field.name] = np.concatenate([none, *(getattr(trips, field.name) for trips in found)])
    order = np.lexsort((columns["symbol"], columns["closed"]))
    return RoundTrips(**{name: column[order] for name, column in columns.items()})


def trips_by_stretch(fills: NDArray[Any]) -> Iterator[RoundTrips]:
    """What `round_trips` finds, one stretch of the fills after the other: symbols in their order, trips by their ends."""
    _check_fields(fills)
    carried: dict[int, _Open] = {}
    for rows in stretches(len(fills)):
        part = fills[rows]
        _check(part, fills[max(rows.start - 1, 0)], rows.start)
        symbols = np.unique(part["symbol"])
        for symbol in symbols.tolist():
            mine = part if len(symbols) == 1 else part[part["symbol"] == symbol]
            trips, carried[symbol] = _of_symbol(mine, symbol, carried.get(symbol, _Open()))
            yield trips


def _of_symbol(fills: NDArray[Any], symbol: int, carried: _Open) -> tuple[RoundTrips, _Open]:
    quantity, side = fills["quantity"], fills["side"]
    after = np.cumsum(np.concatenate([[carried.summed], side * quantity]))[1:]
    summed = float(after[-1])
    after[np.abs(after) <= FLAT_SHARE * quantity] = 0.0
    before = np.concatenate([[carried.held], after[:-1]])
    crosses = before * after < 0.0
    # a fill through zero becomes two legs: what closes, then what opens
    at = np.repeat(np.arange(len(fills)), 1 + crosses)
    closing = np.concatenate([at[1:] == at[:-1], [False]])
    opening = np.concatenate([[False], closing[:-1]])
    share = np.ones(len(at))
    share[closing] = (np.abs(before) / quantity)[crosses]
    share[opening] = 1.0 - share[closing]
    ends = closing | ((after[at] == 0.0) & ~opening)
    value = (fills["price"] * quantity)[at] * share
    # what is open already is a leg in front of the others
    legs = (side[at], fills["row"][at], value, -side[at] * value, fills["fee"][at] * share)
    begun = slice(0, int(carried.held != 0.0))
    sides, opened, values, flows, fees = (
        np.concatenate([[old][begun], new]) for old, new in zip(carried[2:], legs, strict=True)
    )
    last = np.flatnonzero(np.concatenate([[False][begun], ends]))
    first = np.concatenate([[0], last + 1]).astype(np.int64)
    rest = slice(int(first[-1]), None)
    left = _Open(summed, float(after[-1]))
    if len(sides[rest]):
        sums = (float(column[rest].sum()) for column in (values, flows, fees))
        left = _Open(summed, float(after[-1]), int(sides[rest][0]), int(opened[rest][0]), *sums)
    whole, first = slice(0, rest.start), first[:-1]
    if not len(first):
        return _trips(symbol, *(column[:0] for column in (sides, opened, opened, values, fees, flows))), left
    values, fees, flows = (np.add.reduceat(column[whole], first) for column in (values, fees, flows))
    return _trips(symbol, sides[first], opened[first], opened[last], values, fees, flows - fees), left


def _trips(symbol: int, side: NDArray[Any], opened: NDArray[Any], closed: NDArray[Any], *money: Floats) -> RoundTrips:
    symbols = np.full(len(side), symbol, np.int64)
    return RoundTrips(symbols, side.astype(np.int64), opened.astype(np.int64), closed.astype(np.int64), *money)


def _check_fields(fills: NDArray[Any]) -> None:
    names = fills.dtype.names or ()
    missing = [name for name in FIELDS if name not in names]
    if missing or fills.ndim != 1:
        raise DataError(
            f"fills must be records of shape (fills,) with the fields {', '.join(FIELDS)}; got shape {fills.shape} "
            f"without {', '.join(missing) or 'nothing'}."
        )


def _check(part: NDArray[Any], before: Any, number: int) -> None:
    # `before` is the fill before the first of this part, whose number is `number`
    if "env" in (part.dtype.names or ()) and (part["env"] != before["env"]).any():
        raise DataError("round trips belong to one account; got fills of several. Select those of one `env`.")
    backwards = np.diff(part["row"], prepend=before["row"]) < 0
    if backwards.any():
        where = int(np.argmax(backwards)) + number
        raise DataError(
            f"fills must be in the order of their rows; fill {where} lies before fill {where - 1}. Sort them."
        )
    wrong = np.abs(part["side"]) != 1
    for name, least in (("quantity", np.nextafter(0.0, 1.0)), ("price", 0.0), ("fee", -np.inf)):
        wrong |= ~(np.isfinite(part[name]) & (part[name] >= least))
    if wrong.any():
        raise DataError(
            f"a fill has side +1 or -1, a quantity above zero, a price and a fee; got {part[int(np.argmax(wrong))]}."
        )
