"""The causality check catches what it is there for, and nothing else."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tradeready_gym.errors import CausalityError, CheckFailed, ConfigurationError, UnknownName
from tradeready_gym.features import (
    CustomFeature,
    Feature,
    FeaturePipeline,
    SymbolCandles,
    causality,
    check_causality,
    check_later_anchor,
    feature,
)
from tradeready_gym.features.base import feature_values
from tradeready_gym.features.causality import (
    compare_prefixes,
    compare_stretch,
    prefix,
    prefix_lengths,
    stretch_lengths,
)
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.timeframe import Timeframe

Array = NDArray[np.float64]
MakeMarket = Callable[..., Candles]


def centred_average(candles: SymbolCandles) -> Array:
    return np.convolve(candles.close, np.ones(5) / 5, mode="same")


def shift_minus_one(candles: SymbolCandles) -> Array:
    return np.append(candles.close[1:], candles.close[-1]) / candles.close - 1.0


def whole_sample_score(candles: SymbolCandles) -> Array:
    score: Array = (candles.close - candles.close.mean()) / candles.close.std()
    return score


def divided_by_the_maximum(candles: SymbolCandles) -> Array:
    share: Array = candles.close / candles.close.max()
    return share


def back_fill(candles: SymbolCandles) -> Array:
    """Candles without a trade take the NEXT price."""
    known = np.flatnonzero(~candles.gaps)
    following = np.minimum(np.searchsorted(known, np.arange(len(candles))), len(known) - 1)
    return candles.close[known[following]]


def back_filled_warm_up(candles: SymbolCandles) -> Array:
    average = np.full(len(candles), np.nan)
    if len(candles) >= 20:
        average[19:] = sliding_window_view(candles.close, 20).mean(axis=1)
        average[:19] = average[19]
    return average


def daily_high_joined_by_day(candles: SymbolCandles) -> Array:
    day = candles.times // 86_400_000_000
    highest = {int(number): candles.high[day == number].max() for number in np.unique(day)}
    return np.array([highest[int(number)] for number in day])


def reversed_sum(candles: SymbolCandles) -> Array:
    return np.cumsum(candles.volume[::-1])[::-1]


def counts_the_candles(candles: SymbolCandles) -> Array:
    return np.full(len(candles), float(len(candles)))


PLANTED = [
    centred_average,
    shift_minus_one,
    whole_sample_score,
    divided_by_the_maximum,
    back_fill,
    back_filled_warm_up,
    daily_high_joined_by_day,
    reversed_sum,
    counts_the_candles,
]


@pytest.mark.parametrize("defect", PLANTED)
@pytest.mark.parametrize("timeframe", ["5m", "1h", "4h"])
def test_a_planted_look_ahead_is_refused_by_name(
    defect: Callable[[SymbolCandles], Array], timeframe: str, random_market: MakeMarket
) -> None:
    with pytest.raises(CausalityError, match=f"feature '{defect.__name__}' looks ahead"):
        check_causality(defect, random_market(rows=1000, timeframe=timeframe))


@pytest.mark.parametrize("defect", PLANTED)
def test_a_pipeline_refuses_a_planted_look_ahead(
    defect: Callable[[SymbolCandles], Array], random_market: MakeMarket
) -> None:
    with pytest.raises(CausalityError, match=defect.__name__):
        FeaturePipeline(["candles", defect]).build(random_market())


def peek_every(rows: int, *, ahead: int = 1, phase: int = 0, warmup_bars: int = 0) -> CustomFeature:
    """Returns, but for each so many-th row, which knows the next candle."""

    def peeking(candles: SymbolCandles) -> Array:
        logs = np.log(candles.close)
        found = np.diff(logs, prepend=logs[0])
        places = np.arange(phase, len(found) - ahead, rows)
        found[places] = logs[places + ahead] - logs[places]
        return found

    return CustomFeature(f"peeks_every_{rows}", peeking, warmup_bars)


@pytest.mark.parametrize("rows", [2, 7, 24, 50, 97, 168, 251, 256])
@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d"])
def test_a_peek_that_comes_back_is_found_wherever_it_begins(
    rows: int, timeframe: str, random_market: MakeMarket
) -> None:
    candles = random_market(rows=2000, timeframe=timeframe)
    for phase in sorted({0, 1, rows // 2, rows - 1}):
        with pytest.raises(CausalityError, match=f"'peeks_every_{rows}' looks ahead"):
            check_causality(peek_every(rows, phase=phase, warmup_bars=30), candles)


@pytest.mark.parametrize("rows", [50, 97])
def test_a_pipeline_refuses_a_peek_that_comes_back(rows: int, random_market: MakeMarket) -> None:
    peeking = peek_every(rows, phase=rows - 1)
    for market in (random_market(rows=12), random_market(rows=400, gaps=False), random_market(rows=2000)):
        # too short a market has shown nothing, and what was checked there is checked again
        if len(market) <= rows:
            FeaturePipeline([peeking]).build(market)
            continue
        with pytest.raises(CausalityError, match=f"'peeks_every_{rows}' looks ahead"):
            FeaturePipeline([peeking]).build(market)


def test_the_spread_cuts_alone_would_miss_it(random_market: MakeMarket) -> None:
    candles = random_market(rows=2000)
    peeking = peek_every(97, phase=40)
    values = [feature_values(peeking, candles, 0)]
    assert len(compare_prefixes(peeking, candles, values)) == 16
    with pytest.raises(CausalityError):
        compare_stretch(peeking, candles, values)


def test_rows_beyond_the_stretch_are_proved_by_nothing(random_market: MakeMarket) -> None:
    # the limit that the documentation states
    check_causality(peek_every(10_000, phase=300), random_market(rows=2000, gaps=False))


def test_the_stretch_is_as_long_as_the_candles_allow(random_market: MakeMarket) -> None:
    assert list(stretch_lengths(random_market(rows=12), 3)) == [4, 5, 6, 7, 8, 9, 10, 11]
    assert stretch_lengths(random_market(rows=2000), 30) == range(31, 31 + 256)


def test_a_sound_feature_is_checked_along_the_stretch_once_per_kind_of_market(
    random_market: MakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []

    def counted(candles: SymbolCandles) -> Array:
        lengths.append(len(candles))
        return candles.close

    sound = CustomFeature("counted", counted)
    FeaturePipeline([sound]).build(random_market(rows=600))
    assert set(range(1, 257)) <= set(lengths)
    lengths.clear()
    FeaturePipeline([sound]).build(random_market(rows=900, seed=5))
    assert len(lengths) <= 20


@dataclass(frozen=True)
class DailyHigh(Feature):
    """The high of the day by resampling; `closed_only` waits for the day to end."""

    closed_only: bool
    name = "daily_high"
    warmup_bars = 48

    def compute(self, candles: Candles, symbol_index: int) -> Array:
        if len(candles) < 48:
            return np.full(len(candles), np.nan)
        days = candles.resample("1d")
        closes = candles.times + candles.timeframe.microseconds
        known_at = days.times + (days.timeframe.microseconds if self.closed_only else 0)
        row = np.searchsorted(known_at, closes, side="right") - 1
        return np.where(row >= 0, days.high[symbol_index][np.maximum(row, 0)], np.nan)[:, None]


def test_a_resampled_high_joined_before_its_day_has_closed_is_refused(random_market: MakeMarket) -> None:
    with pytest.raises(CausalityError, match="'daily_high' looks ahead"):
        check_causality(DailyHigh(closed_only=False), random_market())


def test_a_resampled_high_joined_after_its_day_has_closed_passes(random_market: MakeMarket) -> None:
    assert len(check_causality(DailyHigh(closed_only=True), random_market())) >= 16


@dataclass(frozen=True)
class OtherSymbolsNextClose(Feature):
    name = "other_symbol"
    warmup_bars = 0

    def compute(self, candles: Candles, symbol_index: int) -> Array:
        other = candles.close[1 - symbol_index]
        return np.append(other[1:], other[-1])[:, None]


def test_a_look_ahead_into_another_symbol_is_refused(random_market: MakeMarket) -> None:
    with pytest.raises(CausalityError, match="other_symbol"):
        check_causality(OtherSymbolsNextClose(), random_market(symbols=("BTCUSDT", "ETHUSDT")))


def test_a_defect_of_the_second_symbol_alone_is_found(random_market: MakeMarket) -> None:
    def leaks_for_ether(candles: SymbolCandles) -> Array:
        return shift_minus_one(candles) if candles.symbol == "ETHUSDT" else candles.close

    with pytest.raises(CausalityError, match="of ETHUSDT"):
        check_causality(leaks_for_ether, random_market(symbols=("BTCUSDT", "ETHUSDT")))


def test_the_error_names_the_cut_the_first_row_both_values_and_the_way_out(random_market: MakeMarket) -> None:
    candles = random_market(gaps=False)

    def last_known(prices: SymbolCandles) -> Array:
        return np.where(np.arange(len(prices)) == 300, prices.close[-1], 1.0)

    with pytest.raises(CausalityError) as caught:
        check_causality(CustomFeature("sees_the_end", last_known), candles, cuts=1)
    (cut,) = prefix_lengths(candles, 0, 1)
    assert str(caught.value).startswith(
        "feature 'sees_the_end' looks ahead: column 'sees_the_end' of BTCUSDT at candle 2021-01-13T12:00:00Z (row "
        "300) is "
        f"{float(candles.close[0, cut - 1])!r} when the candles end at 2021-02-07T11:00:00Z (after row {cut - 1}), "
        f"and {float(candles.close[0, -1])!r} when later candles are there. Compute each row from candles up to that "
        "row"
    )


def test_a_plain_trailing_feature_passes(random_market: MakeMarket) -> None:
    @feature(warmup_bars=19)
    def distance_to_the_high(candles: SymbolCandles) -> Array:
        result = np.full(len(candles), np.nan)
        result[19:] = candles.close[19:] / sliding_window_view(candles.high, 20).max(axis=1) - 1.0
        return result

    assert len(check_causality(distance_to_the_high, random_market())) == 16


def test_rounding_that_depends_on_the_length_is_forgiven_to_a_user(random_market: MakeMarket) -> None:
    def rounding(candles: SymbolCandles) -> Array:
        return candles.close * (1.0 + 1e-16 * (len(candles) % 7))

    check_causality(CustomFeature("rounding", rounding), random_market())
    with pytest.raises(CausalityError):
        check_causality(CustomFeature("rounding", rounding), random_market(), tolerance=0.0)


def test_a_difference_of_1e11_of_the_value_is_not_forgiven(random_market: MakeMarket) -> None:
    def drifting(candles: SymbolCandles) -> Array:
        return candles.close * (1.0 + 1e-11 * len(candles))

    with pytest.raises(CausalityError):
        check_causality(drifting, random_market())


def test_rounding_near_zero_is_forgiven_against_the_size_of_the_column(random_market: MakeMarket) -> None:
    def nearly_zero_once(candles: SymbolCandles) -> Array:
        return np.where(np.arange(len(candles)) == 5, 1e-16 * len(candles), 1.0)

    check_causality(nearly_zero_once, random_market())


def test_a_feature_that_draws_random_numbers_is_told_so(random_market: MakeMarket) -> None:
    rng = np.random.default_rng(0)

    def noisy(candles: SymbolCandles) -> Array:
        return rng.normal(size=len(candles))

    with pytest.raises(ConfigurationError, match="'noisy' must give the same numbers for the same candles"):
        check_causality(noisy, random_market())


def test_an_error_of_the_feature_says_on_which_prefix_it_happened(random_market: MakeMarket) -> None:
    def needs_a_hundred(candles: SymbolCandles) -> Array:
        if len(candles) < 100:
            raise ValueError("too short")
        return candles.close

    with pytest.raises(ValueError, match="too short") as caught:
        check_causality(needs_a_hundred, random_market())
    (note,) = caught.value.__notes__
    assert re.fullmatch(r"while feature 'needs_a_hundred' was computed on the first \d\d? candles alone", note)


def test_features_are_checked_by_name_too(random_market: MakeMarket) -> None:
    assert len(check_causality("rsi_14", random_market(), cuts=20)) == 20
    with pytest.raises(UnknownName):
        check_causality("rsl_14", random_market())


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m", "30m", "1h", "4h", "1d"])
@pytest.mark.parametrize("warmup_bars", [0, 168])
def test_most_cuts_lie_inside_every_coarser_candle(timeframe: str, warmup_bars: int, random_market: MakeMarket) -> None:
    candles = random_market(rows=1000, timeframe=timeframe)
    lengths = prefix_lengths(candles, warmup_bars)
    assert len(lengths) == len(set(lengths)) == 16
    assert min(lengths) == warmup_bars + 1
    assert max(lengths) == len(candles) - 1
    lengths_of_days = [
        other.microseconds for other in Timeframe.all() if other.microseconds > candles.timeframe.microseconds
    ]
    ends = candles.start + np.array(lengths) * candles.timeframe.microseconds
    coarser = lengths_of_days or [7 * 86_400_000_000]
    inside = [all((end - 4 * 86_400_000_000) % length for length in coarser) for end in ends]
    assert sum(inside) >= 10


def test_some_cuts_lie_in_gaps(random_market: MakeMarket) -> None:
    candles = random_market()
    last_rows = np.array(prefix_lengths(candles, 30)) - 1
    assert candles.gaps[0, last_rows].sum() >= 3


def test_short_candles_are_cut_everywhere(random_market: MakeMarket) -> None:
    assert prefix_lengths(random_market(rows=12), 3) == (4, 5, 6, 7, 8, 9, 10, 11)
    assert prefix_lengths(random_market(rows=12), 11) == ()


def test_a_check_without_cuts_is_refused(random_market: MakeMarket) -> None:
    with pytest.raises(ConfigurationError, match="at least one cut, got 0"):
        check_causality("candles", random_market(), cuts=0)


def test_a_prefix_is_the_candles_before_the_cut(random_market: MakeMarket) -> None:
    candles = random_market(symbols=("BTCUSDT", "ETHUSDT"))
    part = prefix(candles, 77)
    assert len(part) == 77
    assert part.symbols == candles.symbols
    for name in ("open", "high", "low", "close", "volume", "gaps"):
        assert np.array_equal(getattr(part, name), getattr(candles, name)[:, :77])


def test_a_warm_up_that_is_too_short_for_a_later_anchor_is_refused(random_market: MakeMarket) -> None:
    @feature(warmup_bars=10)
    def slow_average(candles: SymbolCandles) -> Array:
        average = candles.close.copy()
        for row in range(1, len(candles)):
            average[row] = average[row - 1] + (candles.close[row] - average[row - 1]) / 50
        return average

    with pytest.raises(
        CheckFailed, match=r"'slow_average' started at .* Declare a longer warm-up or a larger tolerance"
    ):
        check_later_anchor(slow_average, random_market())


def test_a_later_anchor_needs_enough_candles(random_market: MakeMarket) -> None:
    with pytest.raises(ConfigurationError, match="needs more than 141 candles, got 50"):
        check_later_anchor("rsi_14", random_market(rows=50))


def test_a_slow_check_says_what_it_does_once_and_goes_on_to_the_end(
    random_market: MakeMarket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(np.arange(10_000) * 0.02)  # of a clock on which each prefix takes 20 ms
    monkeypatch.setattr(causality, "monotonic", lambda: float(next(seconds)))
    rows = []

    def costly(candles: SymbolCandles) -> Array:
        rows.append(len(candles))
        return candles.close * 1.0

    check_causality(costly, random_market(rows=400))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "checking that feature 'costly' does not look ahead" in said
    assert "51 of 256 shorter spans are computed, 20 ms each, about 4 s to go" in said
    assert "functools.cache" in said
    assert set(range(1, 257)) <= set(rows)  # not one of them was left out
    check_causality(costly, random_market(rows=410))
    assert capsys.readouterr().err == ""


def test_a_slow_feature_that_looks_ahead_is_refused_all_the_same(
    random_market: MakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(np.arange(10_000) * 5.0)
    monkeypatch.setattr(causality, "monotonic", lambda: float(next(seconds)))
    with pytest.raises(CausalityError, match="looks ahead"):
        check_causality(every_200th_row_is_the_next, random_market(rows=400))


def every_200th_row_is_the_next(candles: SymbolCandles) -> Array:
    late = candles.close.copy()
    late[99:-1:200] = candles.close[100::200]
    return late


def test_a_quick_check_says_nothing(random_market: MakeMarket, capsys: pytest.CaptureFixture[str]) -> None:
    check_causality("rsi_14", random_market(rows=400))
    assert capsys.readouterr().err == ""
