"""An order book around the feed's price, made up as documented: candles tell nothing of who waits at which price."""

import hashlib
import struct
from typing import Any

from tradeready_gym.platform.api.wire import decimal_text, exact_text

STEP = 0.0001  # between two levels, as a share of the price
_LEAST, _MOST = 1_000.0, 50_000.0  # what a level holds, in the quote asset


def made_up(price: float, depth: int) -> dict[str, Any]:
    """`depth` levels on each side, best first, 0.01 % of the price apart; the same price has the same sizes."""
    sides = {}
    for side, sign in (("bids", -1.0), ("asks", 1.0)):
        levels = [price * (1.0 + sign * STEP * number) for number in range(1, depth + 1)]
        sizes = [_size(price, f"{side} {number}") / level for number, level in enumerate(levels)]
        sides[side] = [
            [decimal_text(level), exact_text(round(size, 8))] for level, size in zip(levels, sizes, strict=True)
        ]
    return sides


def _size(price: float, level: str) -> float:
    digest = hashlib.sha256(struct.pack("<d", price) + level.encode()).digest()
    share = int.from_bytes(digest[:8], "little") / 2.0**64
    return _LEAST + share * (_MOST - _LEAST)
