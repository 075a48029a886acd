"""Noise must not pass for skill when every trial is counted, and does when they are hidden."""

import numpy as np
import pytest

from tradeready_gym.evaluation import deflated_sharpe, probabilistic_sharpe, return_moments, stationary_bootstrap

WORLDS = 1_000


@pytest.mark.parametrize("trials", [5, 20, 100])
def test_the_best_of_many_that_know_nothing_rarely_passes_and_often_would_if_the_others_were_hidden(
    trials: int,
) -> None:
    """Of 1,000 worlds with 5 / 20 / 100 trials: 1 / 1 / 0 pass; with the trials hidden 240 / 676 / 996."""
    generator = np.random.default_rng(trials)
    passed = hidden = 0
    for _ in range(WORLDS):
        # fat tails and a skew, as returns have
        returns = generator.standard_t(5, (trials, 500)) * 0.01 - 0.002 * (
            generator.exponential(1.0, (trials, 500)) - 1.0
        )
        ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
        moments = return_moments(returns[int(np.argmax(ratios))])
        passed += deflated_sharpe(moments, ratios) > 0.95
        hidden += probabilistic_sharpe(moments) > 0.95
    assert passed <= 0.05 * WORLDS
    assert hidden > 4 * max(passed, 1)
    assert hidden > (0.15 if trials == 5 else 0.5) * WORLDS


def test_skill_still_passes() -> None:
    generator = np.random.default_rng(9)
    returns = generator.normal(0.0, 0.01, (20, 2_000))
    returns[0] += 0.0015
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    assert deflated_sharpe(return_moments(returns[0]), ratios) > 0.95


def test_the_bootstrap_interval_of_a_sharpe_ratio_covers_it_about_as_often_as_it_says() -> None:
    """Simulated: AR(1) returns (0.2), t(5) noise, 500 steps. Stated level 95 %."""
    generator = np.random.default_rng(10)
    covered, count, mean = 0, 200, 0.05
    noise = generator.standard_t(5, (count, 600)) / np.sqrt(5 / 3)
    returns = np.zeros((count, 600))
    for k in range(1, 600):
        returns[:, k] = 0.2 * returns[:, k - 1] + noise[:, k]
    returns = returns[:, 100:] + mean
    true = mean * np.sqrt(1.0 - 0.2**2)
    for row in returns:
        interval = stationary_bootstrap(row, resamples=400)
        covered += interval.low <= true <= interval.high
    assert 0.88 * count <= covered <= 0.99 * count
