"""Stochastic markets: the moments of each process are those of its formula, and candles are candles."""

import math
from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.market import (
    PRICE_PROCESSES,
    FractionalBrownianMotion,
    GeometricBrownianMotion,
    Heston,
    MertonJumpDiffusion,
    OrnsteinUhlenbeck,
    stochastic,
)
from tradeready_gym.market.processes import PriceProcess, fractional_noise

# Each statistic is one of a few dozen with fixed seeds: 4 standard errors is 6 in 100,000 for a correct process.
BOUND = 4.0
MANY = 100_000
HOUR = 1.0 / 8_766.0

MODELS = sorted(PRICE_PROCESSES)


def drawn(process: PriceProcess, steps: int, step_years: float, seed: int = 0) -> np.ndarray:
    return process.log_prices(np.random.default_rng(seed), steps, step_years)


def assert_mean(values: np.ndarray, expected: float) -> None:
    """The mean of independent values is `expected`, within the bound."""
    assert abs(values.mean() - expected) < BOUND * values.std(ddof=1) / math.sqrt(len(values))


def assert_variance(values: np.ndarray, expected: float) -> None:
    """The variance of independent values of a known mean 0 is `expected`, within the bound."""
    assert_mean(values**2, expected)


# ---- candles ----


@pytest.mark.parametrize("model", MODELS)
def test_a_path_has_the_bars_symbol_timeframe_and_start_asked_for(model: str) -> None:
    candles = stochastic(model, bars=300, timeframe="15m", start="2022-02-03T04:15:00Z", seed=3, symbols="abcusdt")

    assert (len(candles), candles.symbols, candles.timeframe.label) == (300, ("ABCUSDT",), "15m")
    assert candles.start == 1_643_861_700_000_000
    assert candles.source == f"{PRICE_PROCESSES[model]()!r}, seed=3, path=0"


@pytest.mark.parametrize("model", MODELS)
def test_candles_hold_together(model: str) -> None:
    candles = stochastic(model, bars=3_000)

    np.testing.assert_array_equal(candles.open[0, 1:], candles.close[0, :-1])
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.high > candles.low).all()
    assert candles.low.min() > 0.0
    assert candles.volume.min() > 0.0
    assert not candles.gaps.any()


@pytest.mark.parametrize("model", [name for name in MODELS if name != "ornstein_uhlenbeck"])
def test_prices_begin_at_the_price_asked_for(model: str) -> None:
    assert stochastic(model, bars=10, price=2_500.0).open[0, 0] == 2_500.0


class Zigzag(PriceProcess):
    """Four steps a candle whose prices a test can read: 1, 2, 0.5, 4, 2 times the first price, and so on."""

    def log_prices(self, random: np.random.Generator, steps: int, step_years: float) -> np.ndarray:
        prices = np.resize([1.0, 2.0, 0.5, 4.0], steps + 1) * 2.0 ** (np.arange(steps + 1) // 4)
        return np.asarray(np.log(prices))


def test_a_candle_is_its_steps() -> None:
    candles = stochastic(Zigzag(), bars=3, price=10.0, steps_per_bar=4)

    rows = np.stack([candles.open[0], candles.high[0], candles.low[0], candles.close[0]], axis=1)
    np.testing.assert_allclose(rows, [[10, 40, 5, 20], [20, 80, 10, 40], [40, 160, 20, 80]])


@pytest.mark.parametrize("model", MODELS)
def test_a_path_is_a_function_of_model_parameters_seed_and_number(model: str) -> None:
    path = stochastic(model, bars=50, seed=1, path=2)

    assert path == stochastic(PRICE_PROCESSES[model](), bars=50, seed=1, path=2)
    others = [stochastic(model, bars=50, seed=1, path=3), stochastic(model, bars=50, seed=2, path=2)]
    others.append(
        stochastic(
            model, bars=50, seed=1, path=2, parameters={"volatility": 0.1} if model != "heston" else {"variance": 0.1}
        )
    )
    assert all(path.close.tolist() != other.close.tolist() for other in others)


def test_the_name_of_a_symbol_changes_no_price_and_symbols_are_independent() -> None:
    one, two = stochastic(bars=MANY, symbols="AAAUSDT"), stochastic(bars=MANY, symbols=["BBBUSDT", "CCCUSDT"])

    np.testing.assert_array_equal(one.close[0], two.close[0])
    returns = np.diff(np.log(two.close), axis=1)
    assert abs(np.corrcoef(returns)[0, 1]) < BOUND / math.sqrt(MANY)


def test_paths_are_independent() -> None:
    returns = [np.diff(np.log(stochastic(bars=20_000, path=path).close[0])) for path in range(4)]

    correlations = np.corrcoef(returns)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < BOUND / math.sqrt(20_000)


# ---- the laws ----


def test_gbm_has_the_mean_and_variance_of_the_formula() -> None:
    logs = drawn(GeometricBrownianMotion(drift=1.0, volatility=0.8), MANY, HOUR)

    moves = np.diff(logs)
    assert logs[0] == 0.0
    assert_mean(moves, (1.0 - 0.8**2 / 2) * HOUR)
    assert_variance(moves - moves.mean(), 0.8**2 * HOUR)
    assert_mean(moves[1:] * moves[:-1], moves.mean() ** 2)


@pytest.mark.parametrize(("timeframe", "per_year"), [("1h", 8_766.0), ("1d", 365.25)])
def test_parameters_are_annual_at_every_timeframe(timeframe: str, per_year: float) -> None:
    candles = stochastic("gbm", bars=20_000, timeframe=timeframe, parameters={"volatility": 0.3})

    assert_variance(np.log(candles.close[0] / candles.open[0]), 0.3**2 / per_year)


@pytest.mark.parametrize("name", ["gbm", "heston", "merton"])
def test_without_drift_the_price_is_a_fair_game(name: str) -> None:
    returns = np.exp(np.diff(drawn(PRICE_PROCESSES[name](), MANY, 1.0 / 365.25))) - 1.0

    assert_mean(returns, 0.0)


@pytest.mark.parametrize("hurst", [0.2, 0.5, 0.61, 0.9])
def test_fractional_noise_has_the_autocovariance_of_the_formula(hurst: float) -> None:
    # many short paths: independent samples of each lag
    noise = np.array([fractional_noise(np.random.default_rng([7, k]), 9, hurst) for k in range(4_000)])

    for lag in range(9):
        expected = 0.5 * ((lag + 1) ** (2 * hurst) - 2 * lag ** (2 * hurst) + abs(lag - 1) ** (2 * hurst))
        assert_mean(noise[:, 0] * noise[:, lag], expected)
        assert_mean(noise[:, 8 - lag] * noise[:, 8], expected)


@pytest.mark.parametrize("hurst", [0.3, 0.61, 0.85])
def test_the_variance_of_fbm_grows_with_the_power_2h_of_time(hurst: float) -> None:
    process = FractionalBrownianMotion(drift=0.0, volatility=0.5, hurst=hurst)
    paths = np.array([drawn(process, 256, 1.0 / 256.0, seed) for seed in range(4_000)])

    for steps in (1, 16, 64, 256):
        assert_variance(paths[:, steps], 0.5**2 * (steps / 256.0) ** (2 * hurst))


def test_fbm_with_a_hurst_of_one_half_has_the_variance_of_gbm_and_no_memory() -> None:
    moves = np.diff(drawn(FractionalBrownianMotion(0.0, 0.6, 0.5), MANY, HOUR))

    assert_variance(moves, 0.6**2 * HOUR)
    assert_mean(moves[1:] * moves[:-1], 0.0)


def test_ornstein_uhlenbeck_is_stationary_and_reverts_at_its_rate() -> None:
    process = OrnsteinUhlenbeck(reversion=50.0, volatility=0.4)
    paths = np.array([drawn(process, 40, 1.0 / 2_000.0, seed) for seed in range(4_000)])
    variance = 0.4**2 / (2 * 50.0)

    for step in (0, 1, 17, 40):
        assert_variance(paths[:, step], variance)
    for step in (1, 10, 40):
        decay = math.exp(-50.0 * step / 2_000.0)
        assert_mean(paths[:, 0] * paths[:, step], variance * decay)
        # what is left when the pull is known is new, and no more
        rest = paths[:, step] - decay * paths[:, 0]
        assert_mean(rest * paths[:, 0], 0.0)
        assert_variance(rest, variance * (1.0 - decay**2))


def test_the_variance_of_heston_has_the_mean_and_spread_of_its_stationary_law() -> None:
    process = Heston(variance=0.25, reversion=20.0, variance_volatility=1.5)
    last, squares, step_years, steps = [], [], 1.0 / 10_000.0, 200
    for seed in range(2_000):
        random = np.random.default_rng(seed)
        variances = process.variances(random, random.standard_normal(steps), step_years)
        assert variances.min() >= 0.0
        last.append(variances[-1])
        squares.append(variances[0] * variances[-1])

    spread = 0.25 * 1.5**2 / (2 * 20.0)
    assert_mean(np.array(last), 0.25)
    assert_mean(np.array(last) ** 2, 0.25**2 + spread)
    assert_mean(np.array(squares), 0.25**2 + spread * math.exp(-20.0 * (steps - 1) * step_years))


def test_the_returns_of_heston_have_its_mean_variance_and_correlation() -> None:
    process = Heston(variance=0.25, reversion=20.0, variance_volatility=1.5, correlation=-0.7)
    paths = np.array([drawn(process, 20, 1.0 / 10_000.0, seed) for seed in range(4_000)])

    assert_mean(paths[:, -1], -0.5 * 0.25 * 20 / 10_000.0)
    assert_variance(paths[:, -1], 0.25 * 20 / 10_000.0)
    # d<ln S, v> = correlation x variance_volatility x v dt
    products: list[float] = []
    for seed in range(500):
        random = np.random.default_rng(seed)
        state = random.bit_generator.state
        _, shared = random.standard_normal((2, 50))
        variances = process.variances(random, shared, 1e-4)
        random.bit_generator.state = state
        moves = np.diff(process.log_prices(random, 50, 1e-4))
        products.extend(moves[:-1] * np.diff(variances))
    assert_mean(np.array(products), -0.7 * 1.5 * 0.25 * 1e-4)


def test_the_jumps_of_merton_add_their_variance_and_are_compensated() -> None:
    process = MertonJumpDiffusion(volatility=0.3, jumps=100.0, jump_mean=-0.05, jump_deviation=0.1)
    moves = np.diff(drawn(process, MANY, 1.0 / 365.25))
    mean_jump = math.exp(-0.05 + 0.1**2 / 2) - 1.0

    assert_mean(moves, (-0.5 * 0.3**2 - 100.0 * mean_jump + 100.0 * -0.05) / 365.25)
    assert_variance(moves - moves.mean(), (0.3**2 + 100.0 * (0.05**2 + 0.1**2)) / 365.25)


def test_merton_without_jumps_is_gbm() -> None:
    plain = drawn(GeometricBrownianMotion(0.1, 0.4), 100, HOUR)

    np.testing.assert_allclose(drawn(MertonJumpDiffusion(0.1, 0.4, jumps=0.0), 100, HOUR), plain, atol=1e-15)


def test_a_culprit_is_caught_by_the_checks_of_moments() -> None:
    moves = np.diff(drawn(GeometricBrownianMotion(0.0, 0.8), MANY, HOUR))

    with pytest.raises(AssertionError):
        assert_variance(moves, 0.82**2 * HOUR)
    with pytest.raises(AssertionError):
        assert_mean(moves, 0.05 * math.sqrt(HOUR))
    # the noise of Brownian motion has not the covariance of hurst 0.61
    with pytest.raises(AssertionError):
        assert_mean(moves[1:] * moves[:-1], 0.64 * HOUR * 0.5 * (2**1.22 - 2))


# ---- mistakes ----


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        ("fbm", {"hurst": 1.0}, "hurst of FractionalBrownianMotion .* between 0 and 1; found 1.0"),
        ("fbm", {"hurst": 0.0}, "hurst"),
        ("gbm", {"volatility": -0.1}, "volatility"),
        ("gbm", {"drift": float("nan")}, "drift"),
        ("gbm", {"volatility": "high"}, "volatility"),
        ("ornstein_uhlenbeck", {"reversion": 0.0}, "reversion"),
        ("heston", {"correlation": -1.5}, "correlation"),
        ("merton", {"jumps": -1.0}, "jumps"),
    ],
)
def test_a_parameter_outside_its_domain_is_refused(model: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        stochastic(model, bars=10, parameters=parameters)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="known: fbm, gbm, heston.* Did you mean 'heston'"):
        stochastic("hestn", bars=10)
    with pytest.raises(UnknownName, match="parameter of gbm 'volatilty'; known: drift, volatility. Did you mean"):
        stochastic("gbm", bars=10, parameters={"volatilty": 0.5})
    with pytest.raises(ConfigurationError, match="has its parameters"):
        stochastic(Heston(), bars=10, parameters={"drift": 0.5})


def test_a_price_that_leaves_the_range_of_floats_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="leaves the range of prices"):
        stochastic("gbm", bars=10_000, timeframe="1d", parameters={"volatility": 10.0})


@pytest.mark.parametrize("arguments", [{"path": -1}, {"path": 0.5}, {"steps_per_bar": 0}, {"bars": 0}, {"price": 0.0}])
def test_arguments_outside_their_domain_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        stochastic(**{"bars": 10, **arguments})


def test_zero_is_a_value() -> None:
    still = stochastic("gbm", bars=5, parameters={"volatility": 0.0, "drift": 0.0})

    assert np.unique(still.close).tolist() == [100.0]
