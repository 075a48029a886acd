"""The fan of what a backtest lets expect: against closed forms, and against what then happens."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import expectation, expectation_fan

Z95 = 1.6448536269514722


def gaussian(count: int, mean: float, deviation: float, seed: int) -> NDArray[np.float64]:
    return np.expm1(np.random.default_rng(seed).normal(mean, deviation, count))


def test_independent_returns_give_the_closed_form_with_the_error_of_the_mean() -> None:
    returns = gaussian(2_000, 2e-4, 0.01, 1)
    logs = np.log1p(returns)
    fan = expectation_fan(returns, 500, block=1.0, resamples=4_000)
    for candles in (1, 50, 500):
        # the sum of h returns, and h times the error of the mean of 2,000
        spread = logs.std() * math.sqrt(candles + candles**2 / 2_000)
        low, median, high = np.log(fan.at(candles)[[0, 2, 4], 0])
        assert median == pytest.approx(candles * logs.mean(), abs=0.06 * spread)
        assert high - low == pytest.approx(2 * Z95 * spread, rel=0.06)


def test_returns_that_lean_on_one_another_make_a_wider_fan() -> None:
    generator, value, logs = np.random.default_rng(2), 0.0, []
    for shock in generator.normal(0.0, 0.01, 4_000):
        value = 0.6 * value + shock
        logs.append(value)
    returns = np.expm1(np.array(logs))
    width = [np.ptp(np.log(expectation_fan(returns, 200, block=block).at(200))) for block in (1.0, None)]
    # the variance of sums of an autoregression of 0.6 is (1 + 0.6) / (1 - 0.6) = 4 times that of independent returns
    assert 1.6 < width[1] / width[0] < 2.2


def share_inside() -> float:
    """How many of 200 accounts that go on as before are inside the band of 90 % at the end."""
    inside = 0
    for seed in range(200):
        returns = gaussian(600, 1e-4, 0.01, seed)
        low, high = expectation_fan(returns[:400], 200, block=1.0, resamples=400).at(200)[[0, 4], 0]
        inside += bool(low <= np.prod(1.0 + returns[400:]) <= high)
    return inside / 200


def test_nine_in_ten_of_those_that_go_on_as_before_end_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0.85 <= share_inside() <= 0.95
    # planted: a fan that takes the backtest's mean for the truth is too narrow
    monkeypatch.setattr(expectation, "resampled_means", lambda logs, *_: np.full(400, logs.mean()))
    assert share_inside() < 0.85


def test_it_begins_at_one_and_ends_at_its_horizon() -> None:
    fan = expectation_fan(gaussian(100, 0.0, 0.01, 3), 30)
    assert fan.at(0)[:, 0].tolist() == [1.0] * 5
    assert np.isnan(fan.at(31)).all()
    assert (np.diff(fan.factors, axis=0) >= 0.0).all()
    flat = expectation_fan(np.zeros(50), 10)
    assert flat.factors.tolist() == [[1.0] * len(flat.horizons)] * 5


def test_what_cannot_be_expected_from_is_refused() -> None:
    with pytest.raises(DataError, match="at least 20"):
        expectation_fan(np.zeros(19), 5)
    with pytest.raises(DataError, match="ruin"):
        expectation_fan(np.full(30, -1.0), 5)
    with pytest.raises(DataError, match="horizon"):
        expectation_fan(np.zeros(30), 0)
    with pytest.raises(DataError, match="block"):
        expectation_fan(np.zeros(30), 5, block=0.5)
