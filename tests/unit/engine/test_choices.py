"""Discrete actions of many environments are checked and taken over by one call, compiled and interpreted alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from tradeready_gym.engine.choices import take_choices

LARGEST = np.iinfo(np.int64)
compiled: Any = njit(take_choices)


def unchecked_below(choices: Any, count: int, actions: Any) -> bool:
    """A planted defect: a negative number is no action either."""
    good = all(choice < count for choice in choices)
    if good:
        actions[:, 0] = choices
    return good


def writes_at_once(choices: Any, count: int, actions: Any) -> bool:
    """A planted defect: legal actions are taken over beside one that is not."""
    actions[:, 0] = choices
    return all(0 <= choice < count for choice in choices)


def wrong(take: Callable[[Any, int, Any], bool], last: int) -> list[str]:
    """What is wrong with how it takes twenty choices of three, of which the last is `last`."""
    choices = np.array([0, 1, 2, 1] * 4 + [0, 2, 0, last])
    actions = np.full((20, 1), 7.0)
    legal, taken = 0 <= last < 3, take(choices, 3, actions)
    found = [] if taken == legal else [f"answers {taken}"]
    expected = choices.astype(np.float64)[:, None] if legal else np.full((20, 1), 7.0)
    return found if np.array_equal(actions, expected) else [*found, f"leaves {actions[:, 0]}"]


@pytest.mark.parametrize("take", [take_choices, compiled])
@pytest.mark.parametrize("last", [0, 2, 3, -1, LARGEST.min, LARGEST.max])
def test_choices_are_taken_over_if_all_are_legal_and_else_none_is(take: Any, last: int) -> None:
    assert wrong(take, last) == []


@pytest.mark.parametrize(("defect", "last"), [(unchecked_below, -1), (writes_at_once, 3)])
def test_a_planted_defect_of_taking_choices_is_found(defect: Any, last: int) -> None:
    assert wrong(defect, last) != []
