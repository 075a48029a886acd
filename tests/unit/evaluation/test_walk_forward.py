"""Splits: no fold learns from its test, nor from what lies just before it."""

from collections.abc import Sequence

import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.evaluation import Split, walk_forward_splits


def leaks(splits: Sequence[Split], gap: int) -> list[int]:
    """Folds in which a row of the training is less than `gap` rows before the test, in it, or after it."""
    return [split.number for split in splits if any(row >= split.test.start - gap for row in split.training)]


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize(("purge", "embargo"), [(0, 0), (5, 0), (0, 3), (5, 3)])
def test_no_training_row_is_in_or_just_before_its_test(rolling: bool, purge: int, embargo: int) -> None:
    splits = walk_forward_splits(103, 4, rolling=rolling, purge=purge, embargo=embargo)
    assert leaks(splits, purge + embargo) == []
    assert {split.gap_bars for split in splits} == {purge + embargo}


def test_the_check_finds_a_split_that_leaks() -> None:
    splits = walk_forward_splits(103, 4, purge=5)
    assert leaks(splits, 6) == [0, 1, 2, 3]
    assert leaks([Split(0, range(60), range(50, 70))], 0) == [0]


def test_tests_follow_one_another_to_the_end_and_are_of_one_length() -> None:
    splits = walk_forward_splits(103, 4)
    assert [split.test for split in splits] == [range(43, 58), range(58, 73), range(73, 88), range(88, 103)]
    assert [split.training for split in splits] == [range(43), range(58), range(73), range(88)]


def test_rolling_trainings_are_all_as_long_as_the_first() -> None:
    splits = walk_forward_splits(103, 4, rolling=True, purge=3, embargo=1)
    assert [split.training for split in splits] == [range(39), range(15, 54), range(30, 69), range(45, 84)]


@pytest.mark.parametrize(
    "arguments", [{"folds": 0}, {"purge": -1}, {"embargo": 1.5}, {"first_share": 1.0}, {"bars": True}]
)
def test_arguments_outside_their_domain_are_named(arguments: dict[str, float]) -> None:
    (name,) = arguments
    with pytest.raises(ConfigurationError, match=name):
        walk_forward_splits(**{"bars": 100, "folds": 2, **arguments})  # type: ignore[arg-type]


def test_too_few_bars_say_what_would_be_left() -> None:
    with pytest.raises(ConfigurationError, match=r"a test would have 1 \(at least 2 are needed\)"):
        walk_forward_splits(10, 5)
    with pytest.raises(ConfigurationError, match=r"the first training 0 \(at least 2\)"):
        walk_forward_splits(100, 4, purge=50)
