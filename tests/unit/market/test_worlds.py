"""Small worlds: what each is known to pay is what a policy measures in it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.worlds import halt, martingale, mean_reversion, sine, trend

MANY = 200_000
# Each statistic below is one of a few dozen with fixed seeds: 4 standard errors is 6 in 100,000 for a correct world.
BOUND = 4.0

World = Callable[..., Candles]
WORLDS: list[World] = [martingale, trend, mean_reversion, sine, halt]


def simple_returns(candles: Candles) -> np.ndarray:
    return np.asarray(candles.close[0] / candles.open[0] - 1.0)


def t_statistic(values: np.ndarray) -> float:
    return float(values.mean() / (values.std() / np.sqrt(len(values))))


def trailing_mean(returns: np.ndarray, window: int) -> np.ndarray:
    """Mean of the newest `window` returns at each candle's close, from the close of candle `window - 1`."""
    return np.convolve(returns, np.full(window, 1.0 / window), "valid")


def earned_by(signal: np.ndarray, returns: np.ndarray) -> np.ndarray:
    """What the position sign(signal), decided at a close, makes of the next candle."""
    return np.asarray(np.sign(signal[:-1]) * returns[-len(signal) + 1 :])


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_has_the_bars_symbol_timeframe_and_start_asked_for(world: World) -> None:
    candles = world(bars=300, timeframe="15m", start="2022-02-03T04:15:00Z", seed=3, symbol="abcusdt")
    assert len(candles) == 300
    assert candles.symbols == ("ABCUSDT",)
    assert candles.timeframe.label == "15m"
    assert candles.start == 1_643_861_700_000_000
    assert candles.source == f"{world.__name__}(seed=3)"


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_is_its_seed(world: World) -> None:
    assert world(bars=300, seed=1) == world(bars=300, seed=1)
    assert world(bars=300, seed=1) != world(bars=300, seed=2)


@pytest.mark.parametrize("world", [martingale, trend, mean_reversion, sine])
def test_candles_open_exactly_at_the_previous_close_and_have_volume(world: World) -> None:
    candles = world(bars=5000)
    np.testing.assert_array_equal(candles.open[0, 1:], candles.close[0, :-1])
    assert candles.volume.min() > 0
    assert not candles.gaps.any()


@pytest.mark.parametrize("seed", range(4))
def test_martingale_returns_are_bounded_and_have_no_mean(seed: int) -> None:
    returns = simple_returns(martingale(MANY, seed=seed, noise=0.02))
    assert np.abs(returns).max() <= 0.02 + 1e-12
    assert abs(t_statistic(returns)) < BOUND
    assert np.log1p(returns).mean() == pytest.approx(-(0.02**2) / 6, abs=BOUND * 0.0116 / np.sqrt(MANY))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [1, 5, 50])
def test_no_rule_on_past_returns_earns_in_the_martingale(seed: int, window: int) -> None:
    returns = simple_returns(martingale(MANY, seed=seed))
    assert abs(t_statistic(earned_by(trailing_mean(returns, window), returns))) < BOUND


def test_the_wicks_and_volume_of_a_martingale_candle_say_nothing_of_the_next() -> None:
    candles = martingale(MANY, seed=1)
    returns = simple_returns(candles)
    upper = candles.high[0] / np.maximum(candles.open[0], candles.close[0]) - 1
    lower = 1 - candles.low[0] / np.minimum(candles.open[0], candles.close[0])
    volume = candles.volume[0]
    for signal in (upper - lower, volume - np.median(volume)):
        assert abs(t_statistic(earned_by(signal, returns))) < BOUND


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("distance", [0.0005, 0.003, 0.008])
def test_orders_filled_within_a_martingale_candle_are_fair(seed: int, distance: float) -> None:
    candles = martingale(MANY, seed=seed)
    close = simple_returns(candles)
    reached_above = candles.high[0] / candles.open[0] - 1 >= distance
    reached_below = candles.low[0] / candles.open[0] - 1 <= -distance
    assert abs(t_statistic(close[reached_above] - distance)) < BOUND
    assert abs(t_statistic(close[reached_below] + distance)) < BOUND


def test_momentum_earns_what_the_trend_world_promises() -> None:
    returns = simple_returns(trend(MANY, seed=1))
    assert earned_by(trailing_mean(returns, 5), returns).mean() == pytest.approx(0.84 * 0.002, rel=0.02)
    assert earned_by(trailing_mean(returns, 10), returns).mean() == pytest.approx(0.80 * 0.002, rel=0.02)


def test_the_bayes_filter_earns_most_in_the_trend_world_and_holding_nothing() -> None:
    returns = simple_returns(trend(MANY, seed=2))
    belief, earned = 0.5, []
    for value in returns.tolist():
        earned.append(np.sign(belief - 0.5) * value)
        rise, fall = belief * (abs(value - 0.002) <= 0.004), (1 - belief) * (abs(value + 0.002) <= 0.004)
        belief = rise / (rise + fall)
        belief += (1 - 2 * belief) / 50
    assert np.mean(earned) == pytest.approx(0.92 * 0.002, rel=0.02)
    assert abs(returns.mean()) < BOUND * 0.002 * np.sqrt(2 * 50 / MANY)  # 2 x 50 candles to a pair of regimes


def test_trend_returns_are_drift_and_bounded_noise_in_regimes_of_the_persistence() -> None:
    returns = simple_returns(trend(MANY, seed=3, drift=0.01, noise=0.005, persistence=20))
    rising = returns > 0
    assert np.abs(np.abs(returns) - 0.01).max() <= 0.005 + 1e-12
    assert (rising[1:] != rising[:-1]).mean() == pytest.approx(1 / 20, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_contrarian_earns_what_mean_reversion_promises(seed: int) -> None:
    candles = mean_reversion(MANY, seed=seed)
    log_price = np.log(candles.close[0] / 100)
    steps = np.diff(log_price)
    promised = (1 - 0.5 ** (1 / 5)) * 0.02 * np.sqrt(2 / np.pi)
    assert (-np.sign(log_price[:-1]) * steps).mean() == pytest.approx(promised, rel=0.03)
    assert abs(steps.mean()) < 1e-6
    assert log_price.std() == pytest.approx(0.02, rel=0.05)


def test_mean_reversion_is_forgotten_by_half_in_its_half_life() -> None:
    log_price = np.log(mean_reversion(MANY, seed=4, half_life=8.0).close[0])
    assert np.corrcoef(log_price[8:], log_price[:-8])[0, 1] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("period", [5, 24, 100])
def test_sine_closes_come_again_after_the_period(period: int) -> None:
    close = sine(1000, seed=2, period=period).close[0]
    np.testing.assert_array_equal(close[period:], close[:-period])
    assert len(np.unique(np.round(close[:period], 9))) > 1


def test_being_long_while_a_sine_rises_multiplies_by_its_extremes_each_period() -> None:
    candles = sine(24 * 10, seed=5, period=24, amplitude=0.05)
    growth = np.maximum(simple_returns(candles) + 1, 1).prod()
    assert growth == pytest.approx((1.05 / 0.95) ** 10)


def test_halted_candles_are_gaps_between_quiet_ones_at_one_price() -> None:
    candles = halt(100, seed=1, halt_bars=20, quiet_bars=4)
    assert np.flatnonzero(candles.gaps[0]).tolist() == list(range(40, 60))
    assert np.flatnonzero(candles.volume[0] == 0).tolist() == list(range(36, 64))
    last = candles.close[0, 35]
    for name in ("open", "high", "low", "close"):
        prices = getattr(candles, name)[0]
        np.testing.assert_array_equal(prices[36:60], last)
        np.testing.assert_array_equal(prices[60:64], prices[60])


@pytest.mark.parametrize("quiet_bars", [0, 3])
@pytest.mark.parametrize("reopening", [-0.1, 0.0, 0.25])
def test_a_position_held_through_the_halt_gains_the_reopening(quiet_bars: int, reopening: float) -> None:
    candles = halt(101, seed=2, halt_bars=10, quiet_bars=quiet_bars, reopening=reopening)
    gap = int(np.argmax(candles.gaps[0]))
    before, after = gap - quiet_bars - 1, gap + 10 + quiet_bars
    assert candles.open[0, after] / candles.close[0, before] - 1 == pytest.approx(reopening, abs=1e-12)
    assert candles.volume[0, before] > 0
    assert candles.volume[0, after] > 0
    apart = np.flatnonzero(np.abs(candles.open[0, 1:] / candles.close[0, :-1] - 1) > 1e-12) + 1
    assert apart.tolist() == ([gap + 10] if reopening else [])


@pytest.mark.parametrize(
    ("world", "arguments", "message"),
    [
        (martingale, {"noise": 1.5}, "noise must lie between 0 and 1; found 1.5"),
        (martingale, {"noise": float("nan")}, "found nan"),
        (martingale, {"bars": 0}, "bars must be at least 1; found 0"),
        (trend, {"drift": 0.5, "noise": 0.6}, "noise must lie between 0 and 0.5; found 0.6"),
        (trend, {"persistence": 1.0}, "persistence must lie between 2 and inf"),
        (mean_reversion, {"half_life": -1.0}, "half_life must lie between 0.1 and inf"),
        (sine, {"period": 1}, "period must be an integer of at least 2 candles; found 1"),
        (sine, {"amplitude": 1.0}, "amplitude must lie between 0 and 1; found 1.0"),
        (halt, {"bars": 20}, "bars must be at least 32 to hold the halt"),
        (halt, {"halt_bars": 0}, "halt_bars must be an integer"),
        (halt, {"reopening": -1.0}, "reopening must lie between -1 and inf"),
    ],
)
def test_a_bad_argument_is_named_with_its_value(world: World, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        world(**arguments)
