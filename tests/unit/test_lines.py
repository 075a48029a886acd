"""What a step reads from one cache line begins where a line begins."""

from typing import Any

import numpy as np
import pytest

from small_worlds import random_candles
from tradeready_gym.lines import zeros_on_line
from tradeready_gym.market import DataReplayer
from tradeready_gym.market.replayer import CANDLE_DTYPE

KEPT: list[Any] = []


@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (1000, 1)])
def test_zeros_begin_a_cache_line_wherever_memory_is_taken_from(shape: tuple[int, ...]) -> None:
    for size in range(40):
        # memory that is in use makes the next one begin elsewhere
        KEPT.append(np.zeros(size, np.uint8))
        array = zeros_on_line(shape, CANDLE_DTYPE)
        KEPT.append(array)
        assert array.ctypes.data % 64 == 0
        assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, CANDLE_DTYPE, True)
        assert not array.tobytes().strip(b"\0")


def test_a_candle_is_one_cache_line_alone_and_among_several_data_sets() -> None:
    replayers = [DataReplayer(random_candles(rows)) for rows in (50, 61)]
    joined = DataReplayer.join(replayers)

    for replayer in (*replayers, joined):
        assert CANDLE_DTYPE.itemsize == 64 and replayer.rows.ctypes.data % 64 == 0
    assert joined.rows.tobytes() == b"".join(replayer.rows.tobytes() for replayer in replayers)
    assert not joined.rows.flags.writeable
