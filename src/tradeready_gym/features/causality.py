"""The causality check: a feature must say the same of a candle whether or not the later candles are there.

The feature is computed on prefixes of the candles and compared, row by row, with what it says when it sees them all. A
centred average, `shift(-1)`, a z-score by the whole sample, a back-fill, or a daily high joined to the hours of that
day differ, and are refused by name.

Two kinds of prefixes are taken. A few are spread over all candles: what looks ahead in every row, or far, is seen by any of
them. And each of the first 256 rows after the warm-up is once the last one that is there: so every row of them is proved, on
these candles, not to depend on a later one, and a look-ahead that comes back at least every 256 rows (each 50th row, every
Monday of hourly candles) is found. Not proved is what looks a few candles ahead in rare rows only that lie elsewhere, or only
where prices do what they do not do here; nor can what a function knows beside its argument (a table that was looked up
elsewhere, a column of one's own) be seen from here.
"""

import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from tradeready_gym.errors import CausalityError, CheckFailed, ConfigurationError
from tradeready_gym.features.base import Feature, FloatArray, feature_values
from tradeready_gym.features.custom import FeatureFunction
from tradeready_gym.features.registry import as_feature
from tradeready_gym.market.timeframe import Timeframe, format_time

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

CUTS: Final = 16
STRETCH: Final = 256
GOLDEN_RATIO: Final = 0.6180339887498949  # its multiples modulo 1 spread evenly, in step with nothing
PATIENCE_SECONDS: Final = 1.0
MONDAY: Final = 4 * 86_400_000_000
WEEK: Final = 7 * 86_400_000_000
REMEDY: Final = (
    "Compute each row from candles up to that row alone: trailing windows instead of centred ones, no shift(-1), no "
    "back-fill, coarser candles only after they have closed, and statistics of the whole series fitted on an "
    "earlier span (StandardScaler, MinMaxScaler)."
)

_announced: Final[set[str]] = set()


def check_causality(
    feature: str | Feature | FeatureFunction, candles: "Candles", *, cuts: int = CUTS, tolerance: float | None = None
) -> tuple[int, ...]:
    """Refuse a feature whose value at any row depends on later candles.

    Args:
        feature: a name, a `Feature` or a plain function of one symbol's candles.
        candles: any candles; the longer and the more gaps, the sharper the check.
        cuts: on how many prefixes to compute it, besides those that end in one of the first 256 rows after the warm-up. A
            few end right after the warm-up and a few in gaps, where there are any; most end inside every coarser candle.
            All prefixes are taken where the series has no more.
        tolerance: relative difference to forgive, against the larger of the two values and the column's median size. By
            default 0 (bit for bit) for the library's features and 1e-12 for all others.

    Returns:
        The lengths of the `cuts` prefixes, which all agreed; so did those of the stretch.

    Raises:
        CausalityError: names the feature, the cut, the first row that differs and both values, and how to mend it.
        ConfigurationError: the feature does not return T rows of its width, or gives other numbers each time.
    """
    chosen = as_feature(feature, tuple(candles.columns))
    values = [feature_values(chosen, candles, index) for index in range(len(candles.symbols))]
    lengths = compare_prefixes(chosen, candles, values, cuts=cuts, tolerance=tolerance)
    compare_stretch(chosen, candles, values, tolerance=tolerance)
    return lengths


def compare_prefixes(
    feature: Feature,
    candles: "Candles",
    values: Sequence[FloatArray],
    *,
    cuts: int = CUTS,
    tolerance: float | None = None,
) -> tuple[int, ...]:
    """The spread prefixes of `check_causality` for who has computed the `values` on all candles, one array per symbol."""
    lengths = prefix_lengths(candles, feature.warmup_on(candles), cuts)
    _compare(feature, candles, values, lengths, tolerance)
    return lengths


def compare_stretch(
    feature: Feature, candles: "Candles", values: Sequence[FloatArray], *, tolerance: float | None = None
) -> None:
    """The other prefixes: those that end in one of the first 256 rows after the warm-up."""
    _compare(feature, candles, values, stretch_lengths(candles, feature.warmup_on(candles)), tolerance)


def stretch_lengths(candles: "Candles", warmup_bars: int) -> range:
    """The lengths of the consecutive prefixes, fewer where the candles end."""
    return range(warmup_bars + 1, min(warmup_bars + 1 + STRETCH, len(candles)))


def _compare(
    feature: Feature,
    candles: "Candles",
    values: Sequence[FloatArray],
    lengths: Sequence[int],
    tolerance: float | None,
) -> None:
    forgiven = feature.causality_tolerance if tolerance is None else tolerance
    began = monotonic()
    # from the longest: a function that chokes on a short prefix hears of its look-ahead first
    for done, length in enumerate(reversed(lengths), 1):
        part = prefix(candles, length)
        for index, whole in enumerate(values):
            try:
                seen = feature_values(feature, part, index)
            except Exception as error:
                error.add_note(f"while feature {feature.name!r} was computed on the first {length} candles alone")
                raise
            differs = _differences(whole[:length], seen, whole, forgiven)
            if differs is not None:
                _refuse(feature, candles, index, length, differs, seen, whole)
        if done < len(lengths) and (seconds := monotonic() - began) > PATIENCE_SECONDS:
            _announce(feature, done, len(lengths), seconds)


def _announce(feature: Feature, done: int, of: int, seconds: float) -> None:
    if feature.name in _announced:
        return
    _announced.add(feature.name)
    each = seconds / done
    sys.stderr.write(
        f"tradeready-gym: checking that feature {feature.name!r} does not look ahead, once per process and kind of market: "
        f"{done} of {of} shorter spans are computed, {1000.0 * each:.3g} ms each, about {each * (of - done):.0f} s to go. "
        "To make it shorter, compute with arrays, and do once what no candle changes: read files and load models when the "
        "module is imported, or behind functools.cache.\n"
    )


def prefix(candles: "Candles", length: int) -> "Candles":
    """The first `length` candles."""
    return candles.between(candles.start, candles.time_of(length))


def prefix_lengths(candles: "Candles", warmup_bars: int, cuts: int = CUTS) -> tuple[int, ...]:
    """Where to cut: ascending, from one row after the warm-up to all rows but one; `cuts` of them or more, or all."""
    if cuts < 1:
        raise ConfigurationError(f"the causality check needs at least one cut, got {cuts!r}")
    first, last = warmup_bars + 1, len(candles) - 1
    if last - first + 1 <= cuts:
        return tuple(range(first, last + 1))
    in_gaps = np.flatnonzero(candles.gaps.any(axis=0)) + 1
    in_gaps = in_gaps[(in_gaps >= first) & (in_gaps <= last)]
    share = cuts // 5
    lengths = {last, *range(first, first + share)}
    if share and len(in_gaps):
        lengths.update(in_gaps[:: -(-len(in_gaps) // share)].tolist())
    step = 0
    while len(lengths) < cuts:
        step += 1
        length = first + int(step * GOLDEN_RATIO % 1.0 * (last - first + 1))
        if step > 8 * cuts or not _ends_a_coarser_candle(candles, length):
            lengths.add(length)
    return tuple(sorted(lengths))


def check_later_anchor(feature: str | Feature | FeatureFunction, candles: "Candles", *, anchors: int = 8) -> float:
    """Refuse a feature whose warm-up is too short: started at later candles, it must agree once it is warm.

    Returns the largest difference after the warm-up, as a share of the column's standard deviation.

    Raises:
        CheckFailed: it exceeds the feature's `anchor_tolerance`.
        ConfigurationError: there are too few candles for one later anchor.
    """
    chosen = as_feature(feature, tuple(candles.columns))
    warmup_bars = chosen.warmup_on(candles)
    last = len(candles) - warmup_bars - 1
    if last < 1:
        raise ConfigurationError(
            f"checking {chosen.name!r} needs more than {warmup_bars + 1} candles, got {len(candles)}"
        )
    worst = 0.0
    for index in range(len(candles.symbols)):
        whole = feature_values(chosen, candles, index)
        deviation = np.nanstd(whole, axis=0)
        for anchor in np.unique(np.linspace(1, last, anchors).astype(int)):
            later = candles.between(int(candles.times[anchor]), candles.end)
            warm = feature_values(chosen, later, index)[warmup_bars:]
            difference = np.abs(warm - whole[anchor + warmup_bars :]).max(axis=0)
            shares = np.divide(
                difference, deviation, out=np.where(difference > 0.0, np.inf, 0.0), where=deviation > 0.0
            )
            if not shares.max() <= chosen.anchor_tolerance:
                raise CheckFailed(
                    f"feature {chosen.name!r} started at {format_time(int(candles.times[anchor]))} differs by "
                    f"{shares.max():.3g} standard deviations after its warm-up of {warmup_bars} candles; its "
                    f"anchor_tolerance is {chosen.anchor_tolerance:g}. Declare a longer warm-up or a larger tolerance."
                )
            worst = max(worst, float(shares.max()))
    return worst


def _ends_a_coarser_candle(candles: "Candles", length: int) -> bool:
    end = int(candles.times[length - 1]) + candles.timeframe.microseconds
    coarser = [other.microseconds for other in Timeframe.all() if other.microseconds > candles.timeframe.microseconds]
    return end % coarser[0] == 0 if coarser else (end - MONDAY) % WEEK == 0  # each length divides the next longer one


def _differences(expected: FloatArray, seen: FloatArray, whole: FloatArray, tolerance: float) -> tuple[int, int] | None:
    if np.array_equal(expected, seen, equal_nan=True):
        return None
    same = (expected == seen) | (np.isnan(expected) & np.isnan(seen))
    if tolerance > 0.0:
        finite = np.abs(np.where(np.isfinite(whole), whole, 0.0))
        size = np.maximum(np.maximum(np.abs(expected), np.abs(seen)), np.median(finite, axis=0))
        with np.errstate(invalid="ignore"):
            same |= np.abs(expected - seen) <= tolerance * size
    if same.all():
        return None
    row, column = np.unravel_index(int(np.argmin(same)), same.shape)
    return int(row), int(column)


def _refuse(
    feature: Feature,
    candles: "Candles",
    symbol_index: int,
    length: int,
    place: tuple[int, int],
    seen: FloatArray,
    whole: FloatArray,
) -> NoReturn:
    again = feature_values(feature, prefix(candles, length), symbol_index)
    if not np.array_equal(seen, again, equal_nan=True):
        raise ConfigurationError(
            f"feature {feature.name!r} must give the same numbers for the same candles; it gave others the second "
            "time. Draw no random numbers and keep no state between calls."
        )
    row, column = place
    alone, complete = float(seen[row, column]), float(whole[row, column])
    cut = format_time(int(candles.times[length - 1]) + candles.timeframe.microseconds)
    raise CausalityError(
        f"feature {feature.name!r} looks ahead: column {feature.column_names[column]!r} of "
        f"{candles.symbols[symbol_index]} at candle {format_time(int(candles.times[row]))} (row {row}) is {alone!r} "
        f"when the candles end at {cut} (after row {length - 1}), and {complete!r} when later candles are there. {REMEDY}"
    )
