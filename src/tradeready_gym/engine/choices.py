"""The discrete actions of many environments, checked and taken over by one compiled call."""

from typing import Any


def take_choices(choices: Any, count: int, actions: Any) -> bool:
    """Write integers of shape (N,) into `actions`, shape (N, 1), if all are in [0, count); else write nothing, return False."""
    bad = False
    # to the last one, whatever the first ones are: without a way out it is a few vector instructions
    for i in range(choices.shape[0]):
        bad |= (choices[i] < 0) | (choices[i] >= count)
    if bad:
        return False
    for i in range(choices.shape[0]):
        actions[i, 0] = choices[i]
    return True
