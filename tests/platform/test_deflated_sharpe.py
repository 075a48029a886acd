"""The deflated Sharpe ratio over the wire, against published figures."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
from serving import Served

from tradeready_gym.evaluation import deflated_sharpe, return_moments

PATH = "/api/v1/metrics/deflated-sharpe"
DOCUMENTED = {
    "observed_sharpe": float,
    "expected_max_sharpe": float,
    "deflated_sharpe": float,
    "p_value": float,
    "is_significant": bool,
    "num_trials": int,
    "num_returns": int,
    "skewness": float,
    "kurtosis": float,
}


def ask(served: Served, **body: Any) -> dict[str, Any]:
    answer = served.client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def spread(count: int, variance: float) -> list[float]:
    values = np.linspace(-1.0, 1.0, count)
    return list(values * math.sqrt(variance / float(np.var(values, ddof=1))))


def test_the_example_of_the_paper_comes_out(served: Served) -> None:
    """Bailey and Lopez de Prado, 2014: annual ratio 2.5, 1,250 daily returns of skewness -3 and kurtosis 10, 100 trials.

    The variance of the trials' annual ratios is 1/2, a year has 250 days: expected maximum 0.1132 a day, deflated 0.9004.
    Two values, of which the lower comes 105 times, have a kurtosis of 1 + skewness ** 2.
    """
    raw = np.where(np.arange(1250) < 105, -1.0, 0.0)
    raw = (raw - raw.mean()) / raw.std(ddof=1)
    returns = (0.01 * (raw + 2.5 / math.sqrt(250.0))).tolist()
    found = ask(served, returns=returns, num_trials=100, annualization_factor=250, trial_sharpes=spread(100, 0.5))
    assert {name: type(found[name]) for name in DOCUMENTED} == DOCUMENTED
    assert found["observed_sharpe"] == pytest.approx(2.5)
    assert found["skewness"] == pytest.approx(-3.0, abs=2e-3)
    assert found["kurtosis"] == pytest.approx(7.0, abs=1e-2)
    assert found["expected_max_sharpe"] / math.sqrt(250.0) == pytest.approx(0.1132, abs=1e-4)
    assert found["p_value"] == pytest.approx(0.9004, abs=1e-3)
    assert found["is_significant"] is False
    assert (found["trial_variance_source"], found["trial_variance"]) == ("trial_sharpes", pytest.approx(0.5))


def test_it_is_what_the_library_computes(served: Served) -> None:
    generator = np.random.default_rng(3)
    returns = generator.standard_t(5, 300) * 0.01 + 0.001
    trials = generator.normal(0.0, 0.8, 40)
    found = ask(served, returns=returns.tolist(), num_trials=40, trial_sharpes=trials.tolist())
    expected = deflated_sharpe(return_moments(returns), trials / math.sqrt(252.0))
    assert found["p_value"] == pytest.approx(expected, rel=1e-12)
    assert statistics.NormalDist().cdf(found["deflated_sharpe"]) == pytest.approx(expected, rel=1e-9)


def test_without_the_trials_it_says_which_variance_it_assumed(served: Served) -> None:
    returns = (np.random.default_rng(4).normal(0.0005, 0.01, 101)).tolist()
    found = ask(served, returns=returns, num_trials=50, annualization_factor=365)
    assert found["trial_variance"] == pytest.approx(365.0 / 100.0)
    assert found["trial_variance_source"].startswith("assumed")


def test_ten_noisy_returns_of_a_hundred_trials_are_not_significant(served: Served) -> None:
    """The original answers 1,590,751 standard errors and significance for such a series."""
    returns = [0.01, -0.02, 0.015, 0.0, -0.005, 0.02, -0.01, 0.005, 0.012, -0.003]
    found = ask(served, returns=returns, num_trials=100)
    assert found["is_significant"] is False
    assert -5.0 < found["deflated_sharpe"] < 0.0


def test_a_single_trial_is_held_against_zero(served: Served) -> None:
    found = ask(served, returns=[0.01, 0.02] * 10, num_trials=1)
    assert found["expected_max_sharpe"] == 0.0
    assert found["is_significant"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"returns": [0.1, 0.2] * 4, "num_trials": 1},
        {"returns": [0.1] * 10, "num_trials": 1},
        {"returns": [0.0, 1e-200] * 5, "num_trials": 1},
        {"returns": [0.0, 1e-130] * 5, "num_trials": 1},
        {"returns": [0.1, 0.2] * 5, "num_trials": 0},
        {"returns": [0.1, 0.2] * 5, "num_trials": 3, "trial_sharpes": [1.0]},
        {"returns": [0.1, 0.2] * 5, "num_trials": 1, "annualization_factor": 0},
        {"returns": [0.1, "x"] * 5, "num_trials": 1},
    ],
)
def test_what_has_no_ratio_is_refused_in_the_envelope(served: Served, body: dict[str, Any]) -> None:
    answer = served.client.post(PATH, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


def test_a_key_is_needed(served: Served) -> None:
    assert served.anonymous.post(PATH, json={"returns": [0.1, 0.2] * 5, "num_trials": 1}).status_code == 401
