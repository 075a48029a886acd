"""What an account has realised, piece by piece: its round trips, and what it sold of positions that are still open."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tradeready_gym.evaluation.round_trips import FLAT_SHARE, round_trips


class Pieces(NamedTuple):
    """One element a piece: its symbol, its profit after fees in the quote currency, and the rows that it was held.

    A round trip from flat to flat is a piece. What has been sold of a position that is still open is another one, all of
    its sales together: after their fees and their share of those of the purchases, held until the last of them.
    """

    symbol: npt.NDArray[np.int64]
    profit: npt.NDArray[np.float64]
    bars: npt.NDArray[np.int64]

    @property
    def win_rate(self) -> float | None:
        """Per cent of the pieces that made money; None without a piece."""
        return 100.0 * float(np.mean(self.profit > 0.0)) if len(self.profit) else None

    @property
    def profit_factor(self) -> float | None:
        """Gross profit / gross loss; None without a loss."""
        loss = -float(self.profit[self.profit < 0.0].sum())
        return float(self.profit[self.profit > 0.0].sum()) / loss if loss > 0.0 else None

    def of(self, symbol: int) -> "Pieces":
        """Those of one symbol."""
        mine = self.symbol == symbol
        return Pieces(self.symbol[mine], self.profit[mine], self.bars[mine])


def realised_pieces(fills: npt.NDArray[Any]) -> Pieces:
    """The pieces of one account that begins flat, from its fills in their order; open ones after the round trips."""
    trips = round_trips(fills)
    found = [(int(symbol), *open_) for symbol in np.unique(fills["symbol"]) if (open_ := _open(fills, symbol))]
    symbols, profits, bars = ([piece[place] for piece in found] for place in range(3))
    return Pieces(
        np.append(trips.symbol, np.array(symbols, np.int64)),
        np.append(trips.profit, np.array(profits, np.float64)),
        np.append(trips.holding_bars, np.array(bars, np.int64)),
    )


def _open(fills: npt.NDArray[Any], symbol: int) -> tuple[float, int] | None:
    own = fills[fills["symbol"] == symbol]
    names = ("side", "quantity", "fee", "realized_pnl", "row")
    held = fees = profit = 0.0
    opened, last = 0, None
    for side, quantity, fee, realised, row in zip(*(own[name].tolist() for name in names), strict=True):
        rest = held + side * quantity
        if held == 0.0:
            held, fees, profit, opened, last = rest, fee, 0.0, row, None
        elif held * side > 0.0:
            held, fees = rest, fees + fee
        elif abs(rest) <= FLAT_SHARE * quantity:
            held = 0.0
        elif rest * held < 0.0:
            # through zero: what is left is a new position, with its share of the fee
            held, fees, profit, opened, last = rest, fee * abs(rest) / quantity, 0.0, row, None
        else:
            share = fees * quantity / abs(held)
            held, fees, profit, last = rest, fees - share, profit + realised - fee - share, row
    return None if held == 0.0 or last is None else (profit, last - opened)
