"""Records of many environments are gathered in their order, each with its owner, and no other is read."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from tradeready_gym.engine.collecting import collect, find_holders

RECORD = np.dtype([("env", "i8"), ("number", "i8")])


def gathered(counts: list[int], gather: Any, find: Any) -> list[tuple[int, int]]:
    """What is gathered where record k of environment i has the number 10 i + k."""
    records = np.zeros((len(counts), 3), RECORD)
    records["number"] = 10 * np.arange(len(counts))[:, None] + np.arange(3)
    holders, held = np.empty(len(counts), np.int64), np.array(counts)
    out = np.zeros(find(held, holders), RECORD)
    gather(records.view(np.recarray), held, holders, out.view(np.recarray))
    return [(int(record["env"]), int(record["number"])) for record in out]


@pytest.mark.parametrize("functions", [(collect, find_holders), (njit(collect), njit(find_holders))])
@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 2, 1, 0, 3], [(1, 10), (1, 11), (2, 20), (4, 40), (4, 41), (4, 42)]),
        ([1, 1, 1], [(0, 0), (1, 10), (2, 20)]),
        ([0, 0, 1], [(2, 20)]),
        ([0, 0], []),
    ],
)
def test_records_come_in_the_order_of_their_environments(
    functions: Any, counts: list[int], expected: list[tuple[int, int]]
) -> None:
    assert gathered(counts, *functions) == expected
