"""The synthetic market: the statistics of real hourly candles, and one market per seed, whatever is asked of it."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError, DataError, UnknownName
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.synthetic import synthetic
from tradeready_gym.market.synthetic_parameters import SymbolParameters, parameters_of
from tradeready_gym.market.synthetic_paths import daily_factors, random_stream, within_days
from tradeready_gym.market.timeframe import Timeframe

THREE = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
THREE_YEARS = 26_280
NAMES = ("open", "high", "low", "close", "volume")


def log_returns(candles: Candles) -> np.ndarray:
    return np.asarray(np.diff(np.log(candles.close), axis=1))


def autocorrelation(values: np.ndarray, lag: int) -> float:
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).mean() / centred.var())


def about_month(values: np.ndarray) -> np.ndarray:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[720:] - sums[:-720]) / 720
    return np.asarray(values[360 : 360 + len(means)] - means)


@pytest.mark.parametrize("seed", range(5))
def test_three_years_of_hours_lie_within_every_acceptance_band(seed: int) -> None:
    candles = synthetic(("BTCUSDT", "ETHUSDT"), bars=THREE_YEARS, seed=seed)
    returns = log_returns(candles)
    btc = returns[0]
    size = np.abs(btc)
    log_range = about_month(np.log(np.log(candles.high[0] / candles.low[0])))
    log_volume = about_month(np.log(candles.volume[0]))
    relative_range = (candles.high[0] - candles.low[0]) / candles.close[0]
    found = {
        "annualised volatility": (btc.std() * np.sqrt(8766), 0.4, 0.9),
        "excess kurtosis": (((btc - btc.mean()) ** 4).mean() / btc.var() ** 2 - 3, 8, 30),
        "autocorrelation of returns at 1": (autocorrelation(btc, 1), -0.04, 0.04),
        "autocorrelation of sizes at 1": (autocorrelation(size, 1), 0.2, 0.35),
        "autocorrelation of sizes at 24": (autocorrelation(size, 24), 0.12, 0.25),
        "autocorrelation of sizes at 168": (autocorrelation(size, 168), 0.08, 0.2),
        "mean range / mean size": (relative_range.mean() / size.mean(), 2.0, 2.2),
        "log volume with log range": (np.corrcoef(log_volume, log_range)[0, 1], 0.75, 0.9),
        "BTC with ETH": (np.corrcoef(returns)[0, 1], 0.75, 0.9),
    }
    outside = {name: value for name, (value, low, high) in found.items() if not low <= value <= high}
    assert not outside


@pytest.mark.parametrize(
    ("timeframe", "bars"),
    [("1m", 3000), ("5m", 3000), ("15m", 3000), ("30m", 500), ("1h", 5000), ("4h", 300), ("1d", 90)],
)
def test_every_timeframe_gives_valid_candles_on_a_complete_grid(timeframe: str, bars: int) -> None:
    candles = synthetic(THREE, timeframe, "2023-05-06T00:00:00Z", bars, seed=3)
    open_, high, low, close, volume = (getattr(candles, name) for name in NAMES)
    checked = Candles.from_arrays(THREE, timeframe, candles.times, open_, high, low, close, volume)
    assert checked == candles
    assert len(candles) == bars
    assert candles.timeframe == Timeframe(timeframe)
    assert not candles.gaps.any()
    assert candles.volume.min() > 0
    assert candles.source == "synthetic(seed=3)"


def test_prices_are_on_a_tick_of_a_cent_or_of_a_thousandth_of_the_price() -> None:
    candles = synthetic(("BTCUSDT", "SOLUSDT", "CHEAPUSDT"), bars=5000, seed=1)
    for name in NAMES[:4]:
        prices = getattr(candles, name)
        tick = np.minimum(0.01, 10.0 ** (np.floor(np.log10(prices)) - 3))
        np.testing.assert_allclose(prices / tick, np.rint(prices / tick), atol=1e-4)


def test_candles_open_at_the_previous_close_and_only_sol_has_small_gaps() -> None:
    candles = synthetic(THREE, bars=5000)
    gap = np.abs(np.log(candles.open[:, 1:] / candles.close[:, :-1]))
    assert not gap[:2].any()
    assert 0.3 < (gap[2] == 0).mean() < 0.7
    assert 1e-4 < gap[2].mean() < 4e-4


def test_prices_begin_at_typical_levels() -> None:
    np.testing.assert_array_equal(synthetic(THREE, bars=1).open[:2, 0], [30_000.0, 2_000.0])


def test_the_same_arguments_give_the_same_candles_and_another_seed_others() -> None:
    assert synthetic(THREE, bars=500, seed=7) == synthetic(list(THREE), bars=500, seed=7)
    assert synthetic(THREE, bars=500, seed=7) != synthetic(THREE, bars=500, seed=8)


def test_a_market_is_the_same_in_every_process_and_release() -> None:
    closes = synthetic(("BTCUSDT", "OTHERUSDT"), bars=4, seed=0).close
    np.testing.assert_array_equal(closes, [[30517.35, 31397.88, 31596.02, 30754.18], [571.08, 569.28, 597.59, 578.71]])


@pytest.mark.parametrize("timeframe", ["5m", "1h", "4h"])
def test_more_bars_give_the_same_beginning(timeframe: str) -> None:
    short = synthetic(THREE, timeframe, bars=500, seed=2)
    long = synthetic(THREE, timeframe, bars=12_000, seed=2)
    assert long.between(None, short.end) == short


def test_other_symbols_in_the_call_change_nothing() -> None:
    together = synthetic((*THREE, "ADAUSDT"), bars=2000, seed=2)
    assert together.select("ETHUSDT") == synthetic("ETHUSDT", bars=2000, seed=2)
    assert together.select("ADAUSDT") == synthetic(["adausdt"], bars=2000, seed=2)


def test_another_start_gives_the_same_moves_at_the_same_times() -> None:
    early = synthetic("BTCUSDT", start="2021-01-01T00:00:00Z", bars=3000, seed=5)
    late = synthetic("BTCUSDT", start="2021-02-03T07:00:00Z", bars=1000, seed=5)
    overlap = early.between(late.start, late.end)
    np.testing.assert_allclose(log_returns(late), log_returns(overlap), atol=3e-6)  # a cent at 10,000
    np.testing.assert_array_equal(late.volume, overlap.volume)
    assert late.open[0, 0] == 30_000.0


def test_disjoint_spans_of_one_seed_do_not_repeat_each_other() -> None:
    train = log_returns(synthetic(start="2021-01-01T00:00:00Z", bars=8000))[0]
    test = log_returns(synthetic(start="2023-01-01T00:00:00Z", bars=8000))[0]
    assert abs(np.corrcoef(train, test)[0, 1]) < 4 / np.sqrt(8000)


@pytest.mark.parametrize("timeframe", ["4h", "1d"])
def test_coarser_candles_are_the_hourly_ones_resampled(timeframe: str) -> None:
    coarse = synthetic(THREE, timeframe, "2022-03-01T00:00:00Z", bars=40, seed=4)
    ratio = coarse.timeframe.microseconds // Timeframe("1h").microseconds
    assert coarse == synthetic(THREE, "1h", "2022-03-01T00:00:00Z", bars=40 * ratio, seed=4).resample(timeframe)


def test_short_and_hourly_candles_share_the_calm_and_wild_days() -> None:
    daily = []
    for timeframe in ("15m", "1h"):
        candles = synthetic(timeframe=timeframe, bars=365 * Timeframe(timeframe).bars_per_day)
        daily.append(np.log(candles.high / candles.low).reshape(365, -1).mean(axis=1))
    assert np.corrcoef(np.log(daily))[0, 1] > 0.8


def test_fine_candles_have_the_same_annual_volatility_when_joined_to_hours() -> None:
    joined = synthetic(timeframe="15m", bars=4 * 8760, seed=1).resample("1h")
    direct = synthetic(timeframe="1h", bars=8760, seed=1)
    assert log_returns(joined).std() == pytest.approx(log_returns(direct).std(), rel=0.15)


def test_joint_crashes_are_commoner_than_joint_rallies() -> None:
    crashes = rallies = 0
    for seed in range(4):
        btc, eth = log_returns(synthetic(("BTCUSDT", "ETHUSDT"), bars=THREE_YEARS, seed=seed))
        crashes += int(((btc <= np.quantile(btc, 0.01)) & (eth <= np.quantile(eth, 0.01))).sum())
        rallies += int(((btc >= np.quantile(btc, 0.99)) & (eth >= np.quantile(eth, 0.99))).sum())
    assert crashes > 1.1 * rallies


def test_moves_and_volume_follow_the_hour_and_the_day_of_the_week() -> None:
    candles = synthetic(bars=THREE_YEARS, start="2021-01-04T00:00:00Z")  # a Monday
    volume = np.resize(candles.volume[0], (156, 7, 24))
    size = np.resize(candles.high[0] / candles.low[0] - 1, (156, 7, 24))
    assert volume[:, :, 14].mean() > 1.5 * volume[:, :, 4].mean()
    assert size[:, :, 14].mean() > 1.3 * size[:, :, 4].mean()
    assert volume[:, 5:].mean() < 0.8 * volume[:, :5].mean()


def test_nothing_in_the_past_predicts_the_sign_of_a_return() -> None:
    for seed in range(4):
        returns = log_returns(synthetic(bars=THREE_YEARS, seed=seed))[0]
        for window in (1, 24, 168):
            trailing = np.convolve(returns, np.ones(window), "valid")[:-1]
            earned = np.sign(trailing) * returns[window:]
            assert abs(earned.mean()) < 4 * earned.std() / np.sqrt(len(earned))


def test_the_median_path_is_level() -> None:
    means = [log_returns(synthetic(bars=8760, seed=seed))[0].sum() for seed in range(40)]
    assert abs(np.mean(means)) < 3 * 0.64 / np.sqrt(40)


def test_other_symbols_have_parameters_of_their_own_and_move_with_the_market() -> None:
    other, another = parameters_of("ADAUSDT"), parameters_of("XRPUSDT")
    assert other != another
    for parameters in (other, another):
        assert isinstance(parameters, SymbolParameters)
        assert 0.1 <= parameters.price <= 1000
        assert 0.8 <= parameters.annual_volatility <= 1.4
    returns = log_returns(synthetic(("BTCUSDT", "ADAUSDT"), bars=8000))
    assert 0.4 < np.corrcoef(returns)[0, 1] < 0.85


def test_factors_within_the_day_keep_unit_variance_and_meet_both_ends() -> None:
    days = daily_factors(0, "BTCUSDT", 20_001).T
    shocks = random_stream(0, "test", "shocks").standard_normal((8, days.shape[0], 20_000))
    path = within_days(days[:, :-1], days[:, 1:], shocks)
    np.testing.assert_array_equal(path[0], days[:, :-1])
    np.testing.assert_allclose(path[:, :5].var(axis=2)[:, :4], 1.0, atol=0.12)
    step = np.exp(-3.0 / 32.0)  # three hours of the factor of 32
    last = days[2, 1:] - step * path[7, 2]
    assert last.var() == pytest.approx(1 - step**2, rel=0.05)
    assert abs(np.corrcoef(last, path[6, 2])[0, 1]) < 0.03


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bars": 0}, ConfigurationError, "bars must be at least 1; found 0"),
        ({"bars": 2.5}, TypeError, "bars must be an integer"),
        ({"seed": -1}, ConfigurationError, "seed must be at least 0; found -1"),
        ({"seed": None}, TypeError, "seed must be an integer"),
        ({"timeframe": "2h"}, UnknownName, "unknown timeframe '2h'"),
        ({"symbols": ()}, ConfigurationError, "symbols must be at least one"),
        ({"symbols": ("BTCUSDT", "btcusdt")}, ConfigurationError, "each once"),
        ({"start": "2021-01-01T00:30:00Z"}, DataError, "2021-01-01T00:00:00Z and 2021-01-01T01:00:00Z"),
        ({"start": "2021-01-01T00:00:00"}, DataError, "time zone"),
        ({"start": "1969-12-31T00:00:00Z"}, DataError, "opens at 1970-01-01T00:00:00Z"),
    ],
)
def test_a_bad_argument_is_named_with_its_value(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        synthetic(**arguments)
