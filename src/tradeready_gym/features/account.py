"""The account scalars of an observation: their names, the engine's codes, their number and their bounds.

`balance` is available cash / starting balance, `position` is position value / equity (one per symbol), `unrealized_pnl`
is unrealised PnL / equity, `time_to_end` the share of the episode's candles that are still to come: 1 at its beginning, 0 at its
end, known from the clock. The engine computes them; this page only says what they are.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

BALANCE: Final = 0
POSITION: Final = 1
UNREALIZED_PNL: Final = 2
# codes from 3 on are the engine's own, for the position in each symbol
TIME_TO_END: Final = -1

ACCOUNT_CODES: Final = {
    "balance": BALANCE,
    "position": POSITION,
    "unrealized_pnl": UNREALIZED_PNL,
    "time_to_end": TIME_TO_END,
}

_UNKNOWN: Final = float(np.finfo(np.float32).max)
# of a spot account; on a margin account only time is bounded
_BOUNDS: Final = {
    BALANCE: (0.0, _UNKNOWN),
    POSITION: (0.0, 1.0),
    UNREALIZED_PNL: (-_UNKNOWN, 1.0),
    TIME_TO_END: (0.0, 1.0),
}


def account_codes(names: Sequence[str]) -> NDArray[np.int64]:
    """The engine's codes in the order of `names`: int64[len(names)]."""
    return np.array([ACCOUNT_CODES[name] for name in names], dtype=np.int64)


def account_columns(names: Sequence[str], symbols: Sequence[str]) -> tuple[str, ...]:
    """The scalars in the order of the observation: `position` once per symbol (as `position_BTCUSDT` if several)."""
    columns: list[str] = []
    for name in names:
        several = ACCOUNT_CODES[name] == POSITION and len(symbols) > 1
        columns.extend([f"{name}_{symbol}" for symbol in symbols] if several else [name])
    return tuple(columns)


def account_width(names: Sequence[str], symbol_count: int) -> int:
    """How many numbers the account scalars take."""
    return sum(symbol_count if ACCOUNT_CODES[name] == POSITION else 1 for name in names)


def account_bounds(
    names: Sequence[str], symbol_count: int, margin: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest value of each scalar of a spot or a margin account, two float32[account_width]."""
    codes = [ACCOUNT_CODES[name] for name in names]
    bounds = [(-_UNKNOWN, _UNKNOWN) if margin and code != TIME_TO_END else _BOUNDS[code] for code in codes]
    repeats = [symbol_count if ACCOUNT_CODES[name] == POSITION else 1 for name in names]
    low, high = np.array(bounds, dtype=np.float32).reshape(-1, 2).T
    return np.repeat(low, repeats), np.repeat(high, repeats)
