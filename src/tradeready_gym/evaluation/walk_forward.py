"""Which bars to learn from and which to test on, when time only goes forward. Pure arithmetic of row numbers."""

from dataclasses import dataclass

from tradeready_gym.errors import ConfigurationError


@dataclass(frozen=True)
class Split:
    """One fold: half-open rows `training` and `test`; what lies between them is used for neither."""

    number: int
    training: range
    test: range

    @property
    def gap_bars(self) -> int:
        """Rows between the end of the training and the beginning of the test."""
        return self.test.start - self.training.stop


def walk_forward_splits(
    bars: int,
    folds: int,
    *,
    rolling: bool = False,
    purge: int = 0,
    embargo: int = 0,
    first_share: float = 0.4,
    least_training: int = 2,
    least_test: int = 2,
) -> tuple[Split, ...]:
    """`folds` splits of `bars` rows: tests of one length follow one another without a gap, from about `first_share` to the end.

    Training is everything before its test (expanding), or as much as the first fold has (`rolling`), less the last
    `purge` + `embargo` rows: `purge` for rewards, labels or holdings that reach that far into the test, `embargo` on top
    for what fades more slowly than it is measured (M. Lopez de Prado, Advances in Financial Machine Learning, 2018,
    chapter 7). No row of a test, nor of the gap before it, is in the training of its fold or of an earlier one.

    Raises `ConfigurationError` for arguments outside their domain, or too few bars.
    """
    require_counts(bars=bars, folds=folds, least_training=least_training, least_test=least_test)
    require_counts(0, purge=purge, embargo=embargo)
    if not 0.0 < first_share < 1.0:
        raise ConfigurationError(
            f"folds need first_share within (0, 1), the share of the first training; got {first_share!r}."
        )
    gap = purge + embargo
    length = (bars - int(bars * first_share)) // folds
    begin = bars - folds * length
    shortest = begin - gap
    if length < least_test or shortest < least_training:
        raise ConfigurationError(
            f"{bars} bars are too few for {folds} folds with {gap} bars between training and test: a test would have "
            f"{length} (at least {least_test} are needed), the first training {max(shortest, 0)} (at least "
            f"{least_training}). Take fewer folds, a shorter purge or embargo, or more bars."
        )
    splits = []
    for number in range(folds):
        start = begin + number * length
        stop = start - gap
        training = range(stop - shortest if rolling else 0, stop)
        splits.append(Split(number, training, range(start, start + length)))
    return tuple(splits)


def require_counts(least: int = 1, **arguments: int) -> None:
    """Raise `ConfigurationError` for an argument, by its name, that is no whole number of at least `least`."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigurationError(
                f"{name} must be a whole number of at least {least}, for walk-forward folds; got {value!r}."
            )
