"""Statistics in constant memory equal those of the whole curve."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym.ledger import ACCOUNT_DTYPE, reset_statistics, update_statistics


def run(curve: Any, held: Any = None) -> Any:
    """An account that has lived through this equity, step by step."""
    account = np.zeros(1, ACCOUNT_DTYPE).view(np.recarray)[0]
    reset_statistics(account)
    account.equity = account.peak_equity = curve[0]
    for k, equity in enumerate(curve[1:]):
        account.previous_equity, account.equity = account.equity, equity
        update_statistics(account, bool(held is not None and held[k]))
    return account


def test_mean_and_spread_of_the_returns_are_those_of_the_whole_series() -> None:
    curve = 10_000.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, 2_000)))
    account, returns = run(curve), np.diff(curve) / curve[:-1]

    assert account.steps == 1_999
    assert account.return_mean == pytest.approx(returns.mean(), rel=1e-12)
    assert account.return_m2 == pytest.approx(((returns - returns.mean()) ** 2).sum(), rel=1e-12)
    assert account.downside_sum == pytest.approx((np.minimum(returns, 0.0) ** 2).sum(), rel=1e-12)
    assert account.equity_sum == pytest.approx(curve[1:].sum(), rel=1e-12)


def test_exposure_counts_the_steps_with_a_position() -> None:
    assert run([1.0, 1.0, 1.0, 1.0], [True, False, True]).exposed_steps == 2


@pytest.mark.parametrize(
    ("curve", "deepest", "duration"),
    [
        ([100.0, 110.0, 120.0], 0.0, 0),
        ([100.0, 90.0, 95.0, 100.0, 101.0], 0.1, 3),
        ([100.0, 90.0, 95.0, 99.0], 0.1, 3),
        ([100.0, 95.0, 100.0, 80.0, 100.0, 99.0], 0.2, 2),
        ([100.0, 80.0, 100.0, 90.0, 91.0, 92.0, 93.0], 0.2, 2),
        ([100.0, 120.0, 60.0, 60.0], 0.5, 2),
    ],
)
def test_the_deepest_fall_and_the_time_to_its_recovery(curve: list[float], deepest: float, duration: int) -> None:
    account = run(curve)

    assert account.max_drawdown == pytest.approx(deepest)
    assert account.drawdown_steps == duration


def test_an_account_of_nothing_has_finite_statistics() -> None:
    account = run([100.0, 0.0, 0.0, 0.0])

    assert np.isfinite([account.return_mean, account.return_m2, account.downside_sum, account.max_drawdown]).all()
    assert account.max_drawdown == 1.0
