"""Fills and rejections of a step as plain data: on the hot path, so unpacked from their bytes and looked up, not computed."""

import struct
from math import isfinite
from typing import Any

from tradeready_gym.envs.clock import ClockTexts
from tradeready_gym.orders import REJECT_NAMES, SIDE_NAMES, TYPE_NAMES

# the layouts of orders.FILL_DTYPE and orders.REJECT_DTYPE; a third of the time of NumPy's own
_FILL = struct.Struct("=5q5dq")
_REJECT = struct.Struct("=5q2d2q")


def fill_views(records: Any, count: int, symbols: tuple[str, ...], clock: ClockTexts) -> list[dict[str, Any]]:
    """The first `count` fills, with the names of the wire; `records` is the buffer of `FILL_DTYPE` records."""
    texts = clock.texts
    views = []
    for at in range(0, count * _FILL.size, _FILL.size):
        _, number, symbol, side, kind, quantity, price, fee, slip, realized, row = _FILL.unpack_from(records, at)
        views.append(
            {
                "order_id": number,
                "symbol": symbols[symbol],
                "side": SIDE_NAMES[side],
                "type": TYPE_NAMES[kind],
                "quantity": quantity,
                "price": price,
                "fee": fee,
                "slippage_pct": 100.0 * slip,
                "realized_pnl": realized,
                "filled_at": texts[row] or clock.at(row),
            }
        )
    return views


def reject_views(records: Any, count: int, symbols: tuple[str, ...]) -> list[dict[str, Any]]:
    """The first `count` rejections; `records` is the buffer of `REJECT_DTYPE` records. The price is None where there is none."""
    views = []
    for at in range(0, count * _REJECT.size, _REJECT.size):
        _, number, symbol, side, kind, quantity, price, reason, _ = _REJECT.unpack_from(records, at)
        views.append(
            {
                "order_id": number,
                "symbol": symbols[symbol] if 0 <= symbol < len(symbols) else None,
                "side": SIDE_NAMES.get(side),
                "type": TYPE_NAMES.get(kind),
                # an impossible quantity is no JSON
                "quantity": quantity if isfinite(quantity) else None,
                "price": price or None,
                "reason": REJECT_NAMES[reason],
            }
        )
    return views
